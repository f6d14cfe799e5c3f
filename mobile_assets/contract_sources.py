"""Writes the description of the contract as sources: `Contract.kt` and `Contract.swift`.

Generated are names, limits, patterns, tables, and a class with a reader for each JSON model. What
is an algorithm is written by hand beside them, and bound by `vectors.json`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobile_assets.contract import CONTRACT_PATH, contract_bytes

_Json = dict[str, Any]
_CLIENTS = CONTRACT_PATH.parent
KOTLIN_PATH = _CLIENTS / "kotlin" / "src" / "main" / "kotlin" / "ghostlens" / "Contract.kt"
SWIFT_PATH = _CLIENTS / "swift" / "Sources" / "Ghostlens" / "Contract.swift"
_HEADER = (
    "// Generated from clients/contract.json by `python -m mobile_assets contract`: do not edit."
)
_SMALL_WHOLE = 1 << 30  # from here on Kotlin needs a Long


@dataclass(frozen=True)
class Dialect:
    """What differs between the languages, as far as the generator is concerned.

    Attributes:
        types: of the kinds that have one.
        list_of: a list's type, with {} for its items' type.
        map_of: a table's type by text, likewise.
        attempt: stands before what may fail.
        each: maps a list, with the list and what becomes of `item`.
        each_value: likewise the values of a table.
        or_null: reads `item` unless it is null.
        if_there: reads `item` if the key is there.
        text_escapes: what must be escaped in a text beside JSON's own.
    """

    types: dict[str, str]
    list_of: str
    map_of: str
    attempt: str
    each: str
    each_value: str
    or_null: str
    if_there: str
    text_escapes: dict[str, str]

    def text(self, value: str) -> str:
        """Returns a text as a literal."""
        literal = json.dumps(value, ensure_ascii=False)
        for found, escaped in self.text_escapes.items():
            literal = literal.replace(found, escaped)
        return literal

    def texts(self, values: list[str]) -> str:
        """Returns texts as the items of a literal list."""
        return ", ".join(map(self.text, values))

    def type_of(self, form: _Json) -> str:
        """Returns the type that a member has."""
        optional = "?" if form.get("nullable") or form.get("optional") else ""
        return self._plain_type(form) + optional

    def _plain_type(self, form: _Json) -> str:
        kind = form["kind"]
        if kind == "model":
            return pascal(form["of"])
        if kind in ("list", "map"):
            outer = self.list_of if kind == "list" else self.map_of
            return outer.format(self.type_of(form["item"]))
        if kind == "whole" and form["most"] < _SMALL_WHOLE:
            return "Int"
        return self.types[kind]

    def read(self, form: _Json, node: str) -> str:
        """Returns the expression that reads a member.

        Args:
            form: as the contract describes the member.
            node: the expression of its node.
        """
        plain = {key: value for key, value in form.items() if key not in ("nullable", "optional")}
        if form.get("nullable"):
            return self.attempt + self.or_null.format(node=node, read=self.read(plain, "item"))
        if form.get("optional"):
            return self.attempt + self.if_there.format(node=node, read=self.read(plain, "item"))
        return self._read_plain(plain, node)

    def _read_plain(self, form: _Json, node: str) -> str:
        kind, attempt = form["kind"], self.attempt
        if kind == "list":
            items = f"{node}.items({form['least']}, {form['most']})"
            return attempt + self.each.format(node=items, read=self.read(form["item"], "item"))
        if kind == "map":
            keys = f", Lists.{camel(form['keys'])}" if "keys" in form else ""
            items = f"{node}.entries({form['most']}{keys})"
            return attempt + self.each_value.format(
                node=items, read=self.read(form["item"], "item")
            )
        if kind == "whole" and form["most"] < _SMALL_WHOLE:
            return f"{attempt}{node}.int({form['least']}, {form['most']})"
        return {
            "text": lambda: f"{attempt}{node}.text({form['most_chars']})",
            "pattern": lambda: f"{attempt}{node}.matching(Patterns.{camel(form['of'])})",
            "one_of": lambda: f"{attempt}{node}.oneOf(Lists.{camel(form['of'])})",
            "whole": lambda: f"{attempt}{node}.whole({form['least']}, {form['most']})",
            "number": lambda: (
                f"{attempt}{node}.number({float(form['least'])!r}, {float(form['most'])!r})"
            ),
            "flag": lambda: f"{attempt}{node}.flag()",
            "time": lambda: f"{attempt}readTime({node})",
            "range": lambda: f"{attempt}readRange({node})",
            "model": lambda: f"{attempt}read{pascal(form['of'])}({node})",
            "json": lambda: f"{node}.value",
            "presence": lambda: f"!{node}.isNull",
        }[kind]()


KOTLIN = Dialect(
    types={
        **dict.fromkeys(("text", "pattern", "one_of", "time"), "String"),
        **{"whole": "Long", "number": "Double", "flag": "Boolean", "presence": "Boolean"},
        **{"range": "VersionRange", "json": "JsonValue"},
    },
    list_of="List<{}>",
    map_of="Map<String, {}>",
    attempt="",
    each="{node}.map {{ item -> {read} }}",
    each_value="{node}.mapValues {{ (_, item) -> {read} }}",
    or_null="{node}.orNull {{ item -> {read} }}",
    if_there="{node}?.let {{ item -> {read} }}",
    text_escapes={"$": "\\$"},
)
SWIFT = Dialect(
    types={
        **dict.fromkeys(("text", "pattern", "one_of", "time"), "String"),
        **{"whole": "Int", "number": "Double", "flag": "Bool", "presence": "Bool"},
        **{"range": "VersionRange", "json": "JsonValue"},
    },
    list_of="[{}]",
    map_of="[String: {}]",
    attempt="try ",
    each="{node}.map {{ item in {read} }}",
    each_value="{node}.mapValues {{ item in {read} }}",
    or_null="{node}.orNil {{ item in {read} }}",
    if_there="{node}.map {{ item in {read} }}",
    text_escapes={},
)


def camel(name: str) -> str:
    """Returns "size-bytes" or "size_bytes" as "sizeBytes"."""
    first, *rest = re.split("[-_]", name)
    return first + "".join(word.capitalize() for word in rest)


def pascal(name: str) -> str:
    """Returns "size_bytes" as "SizeBytes"."""
    return "".join(word.capitalize() for word in re.split("[-_]", name))


def kotlin_source(contract: _Json) -> str:
    """Returns `Contract.kt`."""
    blocks = [
        _HEADER,
        "package ghostlens",
        _kotlin_object("Constants", "Names and limits", _kotlin_constants(contract)),
        _kotlin_object("Patterns", "The form of texts", _kotlin_patterns(contract)),
        _kotlin_object("Lists", "The words that are allowed", _kotlin_lists(contract)),
        _kotlin_tables(contract),
        *(_kotlin_enumeration(*entry) for entry in contract["enumerations"].items()),
        *(_kotlin_model(*entry) for entry in contract["models"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def swift_source(contract: _Json) -> str:
    """Returns `Contract.swift`."""
    blocks = [
        _HEADER,
        _swift_object("Constants", "Names and limits", _swift_constants(contract)),
        _swift_object("Patterns", "The form of texts", _swift_patterns(contract)),
        _swift_object("Lists", "The words that are allowed", _swift_lists(contract)),
        _swift_tables(contract),
        *(_swift_enumeration(*entry) for entry in contract["enumerations"].items()),
        *(_swift_model(*entry) for entry in contract["models"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def make_sources() -> dict[Path, bytes]:
    """Returns the description and all that is generated from it, by the path of each file."""
    contract = json.loads(contract_bytes())
    return {
        CONTRACT_PATH: contract_bytes(),
        KOTLIN_PATH: kotlin_source(contract).encode(),
        SWIFT_PATH: swift_source(contract).encode(),
    }


def _kotlin_object(name: str, about: str, lines: Iterator[str]) -> str:
    return f"/** {about}. */\nobject {name} {{\n" + "\n".join(lines) + "\n}"


def _kotlin_constants(contract: _Json) -> Iterator[str]:
    for name, value in contract["constants"].items():
        literal = KOTLIN.text(value) if isinstance(value, str) else repr(value)
        yield f"    const val {name.upper()} = {literal}"


def _kotlin_patterns(contract: _Json) -> Iterator[str]:
    for name, entry in contract["patterns"].items():
        pattern, allowed = KOTLIN.text(entry["pattern"]), KOTLIN.text(entry["allowed"])
        yield f"    val {camel(name)} = TextPattern({pattern}, {entry['max_chars']}, {allowed})"


def _kotlin_lists(contract: _Json) -> Iterator[str]:
    for name, words in contract["lists"].items():
        yield f"    val {camel(name)} = listOf({KOTLIN.texts(words)})"


def _kotlin_tables(contract: _Json) -> str:
    folders = [f"    {KOTLIN.text(k)} to {KOTLIN.text(v)}," for k, v in contract["folders"].items()]
    runtimes = [
        f"    {KOTLIN.text(platform)} to listOf({KOTLIN.texts(names)}),"
        for platform, names in contract["runtimes_of"].items()
    ]
    variants = [
        f"    Variant({_variant(KOTLIN, entry)}, {_flag(entry)})," for entry in contract["variants"]
    ]
    return "\n".join(
        [
            "/** The folder in which the files of each role lie. */",
            "val FOLDERS = mapOf(",
            *folders,
            ")\n",
            "/** The runtimes of each platform, the default first. */",
            "val RUNTIMES_OF = mapOf(",
            *runtimes,
            ")\n",
            "/** The kinds of artifacts, of each runtime the most faithful first. */",
            "val VARIANTS = listOf(",
            *variants,
            ")",
        ]
    )


def _kotlin_enumeration(name: str, words: dict[str, str]) -> str:
    lines = [f"/** The {name} of an answer. */", f"enum class {pascal(name)}(val word: String) {{"]
    for word, about in words.items():
        constant = word.upper().replace("-", "_")
        lines += [
            f"    /** {about[0].upper()}{about[1:]}. */",
            f"    {constant}({KOTLIN.text(word)}),",
        ]
    return "\n".join([*lines, "}"])


def _kotlin_model(name: str, model: _Json) -> str:
    shown = [_shown(field) for field in model["fields"]]
    lines = [f"/** {model['about']}. */", f"data class {pascal(name)}("]
    for field in filter(None, shown):
        if "about" in field:
            lines.append(f"    /** {field['about']}. */")
        lines.append(f"    val {camel(field['name'])}: {KOTLIN.type_of(field)},")
    required, optional = _keys(model, False), _keys(model, True)
    optional_keys = f", listOf({KOTLIN.texts(optional)})" if optional else ""
    lines += [
        ")\n",
        f"internal fun read{pascal(name)}(node: Node): {pascal(name)} {{",
        f"    val keys = node.table(listOf({KOTLIN.texts(required)}){optional_keys})",
        f"    return {pascal(name)}(",
    ]
    for field in filter(None, shown):
        key = KOTLIN.text(field["key"])
        node = f"keys[{key}]" if field.get("optional") else f"keys.getValue({key})"
        lines.append(f"        {camel(field['name'])} = {KOTLIN.read(field, node)},")
    return "\n".join([*lines, "    )", "}"])


def _swift_object(name: str, about: str, lines: Iterator[str]) -> str:
    return f"/// {about}.\npublic enum {name} {{\n" + "\n".join(lines) + "\n}"


def _swift_constants(contract: _Json) -> Iterator[str]:
    for name, value in contract["constants"].items():
        literal = SWIFT.text(value) if isinstance(value, str) else repr(value)
        yield f"    public static let {camel(name)} = {literal}"


def _swift_patterns(contract: _Json) -> Iterator[str]:
    for name, entry in contract["patterns"].items():
        pattern, allowed = SWIFT.text(entry["pattern"]), SWIFT.text(entry["allowed"])
        yield (
            f"    static let {camel(name)} = TextPattern(\n"
            f"        pattern: {pattern},\n"
            f"        maxChars: {entry['max_chars']}, allowed: {allowed})"
        )


def _swift_lists(contract: _Json) -> Iterator[str]:
    for name, words in contract["lists"].items():
        yield f"    public static let {camel(name)}: [String] = [{SWIFT.texts(words)}]"


def _swift_tables(contract: _Json) -> str:
    folders = [f"    {SWIFT.text(k)}: {SWIFT.text(v)}," for k, v in contract["folders"].items()]
    runtimes = [
        f"    {SWIFT.text(platform)}: [{SWIFT.texts(names)}],"
        for platform, names in contract["runtimes_of"].items()
    ]
    labels = ("runtime", "precision", "backend")
    variants = [
        "    Variant("
        + ", ".join(f"{label}: {SWIFT.text(entry[label])}" for label in labels)
        + f", executedHere: {_flag(entry)}),"
        for entry in contract["variants"]
    ]
    return "\n".join(
        [
            "/// The folder in which the files of each role lie.",
            "public let folders: [String: String] = [",
            *folders,
            "]\n",
            "/// The runtimes of each platform, the default first.",
            "public let runtimesOf: [String: [String]] = [",
            *runtimes,
            "]\n",
            "/// The kinds of artifacts, of each runtime the most faithful first.",
            "public let variants: [Variant] = [",
            *variants,
            "]",
        ]
    )


def _swift_enumeration(name: str, words: dict[str, str]) -> str:
    lines = [
        f"/// The {name} of an answer.",
        f"public enum {pascal(name)}: String, CaseIterable, Sendable {{",
    ]
    for word, about in words.items():
        lines.append(f"    /// {about[0].upper()}{about[1:]}.")
        lines.append(f"    case {camel(word)} = {SWIFT.text(word)}")
    return "\n".join([*lines, "}"])


def _swift_model(name: str, model: _Json) -> str:
    shown = [_shown(field) for field in model["fields"]]
    lines = [f"/// {model['about']}.", f"public struct {pascal(name)}: Equatable, Sendable {{"]
    for field in filter(None, shown):
        if "about" in field:
            lines.append(f"    /// {field['about']}.")
        lines.append(f"    public let {camel(field['name'])}: {SWIFT.type_of(field)}")
    required, optional = _keys(model, False), _keys(model, True)
    optional_keys = f", [{SWIFT.texts(optional)}]" if optional else ""
    lines += [
        "}\n",
        f"func read{pascal(name)}(_ node: Node) throws -> {pascal(name)} {{",
        f"    let keys = try node.table([{SWIFT.texts(required)}]{optional_keys})",
        f"    return {pascal(name)}(",
    ]
    arguments = []
    for field in filter(None, shown):
        key = SWIFT.text(field["key"])
        node = f"keys[{key}]" if field.get("optional") else f"keys[{key}]!"
        arguments.append(f"        {camel(field['name'])}: {SWIFT.read(field, node)}")
    return "\n".join([*lines, ",\n".join(arguments), "    )", "}"])


def _shown(field: _Json) -> _Json | None:
    """Returns a member as a class has it; None where it is of no use to a phone."""
    if field.get("presence"):
        return {"key": field["key"], "name": f"has_{field['key']}", "kind": "presence"}
    return None if field["kind"] == "opaque" else {**field, "name": field["key"]}


def _keys(model: _Json, optional: bool) -> list[str]:
    return [field["key"] for field in model["fields"] if bool(field.get("optional")) == optional]


def _variant(dialect: Dialect, entry: _Json) -> str:
    return dialect.texts([entry["runtime"], entry["precision"], entry["backend"]])


def _flag(entry: _Json) -> str:
    return "true" if entry["executed_here"] else "false"
