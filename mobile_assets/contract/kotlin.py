"""Writes the contract as Kotlin: `Contract.kt`."""

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

KOTLIN = Dialect(
    types={
        **dict.fromkeys(("text", "pattern", "one_of", "time"), "String"),
        **{
            "int": "Int",
            "whole": "Long",
            "number": "Double",
            "flag": "Boolean",
            "presence": "Boolean",
        },
        **{"range": "VersionRange", "json": "JsonValue"},
    },
    nullable="{}?",
    small_whole="int",
    list_of="List<{}>",
    map_of="Map<String, {}>",
    attempt="",
    each="{node}.map {{ item -> {read} }}",
    each_value="{node}.mapValues {{ (_, item) -> {read} }}",
    or_null="{node}.orNull {{ item -> {read} }}",
    if_there="{node}?.let {{ item -> {read} }}",
    nothing="null",
    text_escapes={"$": "\\$"},
)


def write_kotlin(contract: Json) -> str:
    """Returns `Contract.kt`."""
    blocks = [
        HEADER,
        "package ghostlens",
        _object("Constants", "Names and limits", _constants(contract)),
        _object("Patterns", "The form of texts", _patterns(contract)),
        _object("Lists", "The words that are allowed", _lists(contract)),
        _tables(contract),
        *(_enumeration(*entry) for entry in contract["enumerations"].items()),
        *(_model(*entry) for entry in contract["models"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _object(name: str, about: str, lines: Iterator[str]) -> str:
    return f"/** {about}. */\nobject {name} {{\n" + "\n".join(lines) + "\n}"


def _constants(contract: Json) -> Iterator[str]:
    for name, value in contract["constants"].items():
        literal = KOTLIN.text(value) if isinstance(value, str) else repr(value)
        yield f"    const val {name.upper()} = {literal}"


def _patterns(contract: Json) -> Iterator[str]:
    for name, entry in contract["patterns"].items():
        pattern, allowed = KOTLIN.text(entry["pattern"]), KOTLIN.text(entry["allowed"])
        yield f"    val {camel(name)} = TextPattern({pattern}, {entry['max_chars']}, {allowed})"


def _lists(contract: Json) -> Iterator[str]:
    for name, words in contract["lists"].items():
        yield f"    val {camel(name)} = listOf({KOTLIN.texts(words)})"


def _tables(contract: Json) -> str:
    folders = [f"    {KOTLIN.text(k)} to {KOTLIN.text(v)}," for k, v in contract["folders"].items()]
    runtimes = [
        f"    {KOTLIN.text(platform)} to listOf({KOTLIN.texts(names)}),"
        for platform, names in contract["runtimes_of"].items()
    ]
    variants = [
        f"    Variant({variant_of(KOTLIN, entry, is_named=False)}),"
        for entry in contract["variants"]
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


def _enumeration(name: str, words: dict[str, str]) -> str:
    lines = [f"/** The {name} of an answer. */", f"enum class {pascal(name)}(val word: String) {{"]
    for word, about in words.items():
        constant = word.upper().replace("-", "_")
        lines += [
            f"    /** {KOTLIN.describe(about)} */",
            f"    {constant}({KOTLIN.text(word)}),",
        ]
    return "\n".join([*lines, "}"])


def _model(name: str, model: Json) -> str:
    fields = [field for field in map(shown, model["fields"]) if field is not None]
    lines = [f"/** {model['about']}. */", f"data class {pascal(name)}("]
    for field in fields:
        if "about" in field:
            lines.append(f"    /** {KOTLIN.describe(field['about'])} */")
        lines.append(f"    val {camel(field['name'])}: {KOTLIN.type_of(field)},")
    required, optional = keys_of(model, False), keys_of(model, True)
    optional_keys = f", listOf({KOTLIN.texts(optional)})" if optional else ""
    lines += [
        ")\n",
        f"internal fun read{pascal(name)}(node: Node): {pascal(name)} {{",
        f"    val keys = node.table(listOf({KOTLIN.texts(required)}){optional_keys})",
        f"    return {pascal(name)}(",
    ]
    for field in fields:
        key = KOTLIN.text(field["key"])
        node = f"keys[{key}]" if field.get("optional") else f"keys.getValue({key})"
        lines.append(f"        {camel(field['name'])} = {KOTLIN.read(field, node)},")
    return "\n".join([*lines, "    )", "}"])
