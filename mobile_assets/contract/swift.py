"""Writes the contract as Swift: `Contract.swift`."""

from collections.abc import Iterator

from mobile_assets.contract.dialects import (
    HEADER,
    Dialect,
    Json,
    camel,
    keys_of,
    pascal,
    shown,
    variant_of,
)

SWIFT = Dialect(
    types={
        **dict.fromkeys(("text", "pattern", "one_of", "time"), "String"),
        **{"int": "Int", "whole": "Int", "number": "Double", "flag": "Bool", "presence": "Bool"},
        **{"range": "VersionRange", "json": "JsonValue"},
    },
    nullable="{}?",
    small_whole="int",
    list_of="[{}]",
    map_of="[String: {}]",
    attempt="try ",
    each="{node}.map {{ item in {read} }}",
    each_value="{node}.mapValues {{ item in {read} }}",
    or_null="{node}.orNil {{ item in {read} }}",
    if_there="{node}.map {{ item in {read} }}",
    nothing="nil",
    text_escapes={},
)


def write_swift(contract: Json) -> str:
    """Returns `Contract.swift`."""
    blocks = [
        HEADER,
        _object("Constants", "Names and limits", _constants(contract)),
        _object("Patterns", "The form of texts", _patterns(contract)),
        _object("Lists", "The words that are allowed", _lists(contract)),
        _tables(contract),
        *(_enumeration(*entry) for entry in contract["enumerations"].items()),
        *(_model(*entry) for entry in contract["models"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _object(name: str, about: str, lines: Iterator[str]) -> str:
    return f"/// {about}.\npublic enum {name} {{\n" + "\n".join(lines) + "\n}"


def _constants(contract: Json) -> Iterator[str]:
    for name, value in contract["constants"].items():
        literal = SWIFT.text(value) if isinstance(value, str) else repr(value)
        yield f"    public static let {camel(name)} = {literal}"


def _patterns(contract: Json) -> Iterator[str]:
    for name, entry in contract["patterns"].items():
        pattern, allowed = SWIFT.text(entry["pattern"]), SWIFT.text(entry["allowed"])
        yield (
            f"    static let {camel(name)} = TextPattern(\n"
            f"        pattern: {pattern},\n"
            f"        maxChars: {entry['max_chars']}, allowed: {allowed})"
        )


def _lists(contract: Json) -> Iterator[str]:
    for name, words in contract["lists"].items():
        yield f"    public static let {camel(name)}: [String] = [{SWIFT.texts(words)}]"


def _tables(contract: Json) -> str:
    folders = [f"    {SWIFT.text(k)}: {SWIFT.text(v)}," for k, v in contract["folders"].items()]
    runtimes = [
        f"    {SWIFT.text(platform)}: [{SWIFT.texts(names)}],"
        for platform, names in contract["runtimes_of"].items()
    ]
    variants = [f"    Variant({variant_of(SWIFT, entry)})," for entry in contract["variants"]]
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


def _enumeration(name: str, words: dict[str, str]) -> str:
    lines = [
        f"/// The {name} of an answer.",
        f"public enum {pascal(name)}: String, CaseIterable, Sendable {{",
    ]
    for word, about in words.items():
        lines.append(f"    /// {SWIFT.describe(about)}")
        lines.append(f"    case {camel(word)} = {SWIFT.text(word)}")
    return "\n".join([*lines, "}"])


def _model(name: str, model: Json) -> str:
    fields = [field for field in map(shown, model["fields"]) if field is not None]
    lines = [f"/// {model['about']}.", f"public struct {pascal(name)}: Equatable, Sendable {{"]
    for field in fields:
        if "about" in field:
            lines.append(f"    /// {SWIFT.describe(field['about'])}")
        lines.append(f"    public let {camel(field['name'])}: {SWIFT.type_of(field)}")
    required, optional = keys_of(model, False), keys_of(model, True)
    optional_keys = f", [{SWIFT.texts(optional)}]" if optional else ""
    lines += [
        "}\n",
        f"func read{pascal(name)}(_ node: Node) throws -> {pascal(name)} {{",
        f"    let keys = try node.table([{SWIFT.texts(required)}]{optional_keys})",
        f"    return {pascal(name)}(",
    ]
    arguments = []
    for field in fields:
        key = SWIFT.text(field["key"])
        node = f"keys[{key}]" if field.get("optional") else f"keys[{key}]!"
        arguments.append(f"        {camel(field['name'])}: {SWIFT.read(field, node)}")
    return "\n".join([*lines, ",\n".join(arguments), "    )", "}"])
