"""Writes the contract as TypeScript: `contract.ts`, and the documents' readers `documents.ts`."""

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

TYPESCRIPT = Dialect(
    types={
        **dict.fromkeys(("text", "pattern", "time", "range"), "string"),
        **dict.fromkeys(("int", "whole", "number"), "number"),
        **dict.fromkeys(("flag", "presence"), "boolean"),
        **{"one_of": 'Word<"{of}">', "json": "unknown"},
    },
    nullable="{} | null",
    small_whole="whole",
    list_of="readonly {}[]",
    map_of="ReadonlyMap<string, {}>",
    attempt="",
    each="{node}.map((item) => {read})",
    each_value="mapValues({node}, (item) => {read})",
    or_null="{node}.orNull((item) => {read})",
    if_there="ifThere({node}, (item) => {read})",
    nothing="null",
    text_escapes={},
)


def write_constants(contract: Json) -> str:
    """Returns `contract.ts`: names, limits, patterns, words and tables."""
    blocks = [
        HEADER,
        'import { TextPattern } from "./pattern.js";',
        "\n".join(_constants(contract)),
        _object("The form of texts", "Patterns", _patterns(contract)),
        _object("The words that are allowed", "Lists", _lists(contract)),
        "/** One of the words of a list. */\n"
        "export type Word<List extends keyof typeof Lists> = (typeof Lists)[List][number];",
        *_tables(contract),
        *(_enumeration(*entry) for entry in contract["enumerations"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def write_documents(contract: Json) -> str:
    """Returns `documents.ts`: a type and a reader for each JSON model."""
    blocks = [
        HEADER,
        'import { Lists, Patterns, type Word } from "./contract.js";\n'
        'import { type JsonNode, ifThere, mapValues, readTime } from "./reading.js";\n'
        'import { readRange } from "./versions.js";',
        *(_model(*entry) for entry in contract["models"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _constants(contract: Json) -> Iterator[str]:
    for name, value in contract["constants"].items():
        literal = TYPESCRIPT.text(value) if isinstance(value, str) else repr(value)
        yield f"export const {name.upper()} = {literal};"


def _object(about: str, name: str, lines: Iterator[str]) -> str:
    return "\n".join([f"/** {about}. */", f"export const {name} = {{", *lines, "} as const;"])


def _patterns(contract: Json) -> Iterator[str]:
    for name, entry in contract["patterns"].items():
        pattern, allowed = TYPESCRIPT.text(entry["pattern"]), TYPESCRIPT.text(entry["allowed"])
        yield f"  {camel(name)}: new TextPattern({pattern}, {entry['max_chars']}, {allowed}),"


def _lists(contract: Json) -> Iterator[str]:
    for name, words in contract["lists"].items():
        yield f"  {camel(name)}: [{TYPESCRIPT.texts(words)}],"


def _tables(contract: Json) -> Iterator[str]:
    folders = (
        f"  {TYPESCRIPT.text(role)}: {TYPESCRIPT.text(folder)},"
        for role, folder in contract["folders"].items()
    )
    runtimes = (
        f"  {platform}: [{TYPESCRIPT.texts(names)}],"
        for platform, names in contract["runtimes_of"].items()
    )
    variants = [f"  {{ {variant_of(TYPESCRIPT, entry)} }}," for entry in contract["variants"]]
    yield _object("The folder in which the files of each role lie", "FOLDERS", folders)
    yield _object("The runtimes of each platform, the default first", "RUNTIMES_OF", runtimes)
    yield "\n".join(
        [
            "/** The kinds of artifacts, of each runtime the most faithful first. */",
            "export const VARIANTS = [",
            *variants,
            "] as const;",
        ]
    )


def _enumeration(name: str, words: dict[str, str]) -> str:
    lines = [f"/** The {name} of an answer. */", f"export type {pascal(name)} ="]
    for word, about in words.items():
        lines.append(f"  /** {TYPESCRIPT.describe(about)} */")
        lines.append(f"  | {TYPESCRIPT.text(word)}")
    return "\n".join(lines) + ";"


def _model(name: str, model: Json) -> str:
    fields = [field for field in map(shown, model["fields"]) if field is not None]
    lines = [f"/** {model['about']}. */", f"export interface {pascal(name)} {{"]
    for field in fields:
        if "about" in field:
            lines.append(f"  /** {TYPESCRIPT.describe(field['about'])} */")
        lines.append(f"  readonly {camel(field['name'])}: {TYPESCRIPT.type_of(field)};")
    required, optional = keys_of(model, False), keys_of(model, True)
    optional_keys = f", [{TYPESCRIPT.texts(optional)}]" if optional else ""
    lines += [
        "}\n",
        f"export function read{pascal(name)}(node: JsonNode): {pascal(name)} {{",
        f"  node.checkKeys([{TYPESCRIPT.texts(required)}]{optional_keys});",
        "  return {",
    ]
    for field in fields:
        find = "findOptional" if field.get("optional") else "get"
        node = f"node.{find}({TYPESCRIPT.text(field['key'])})"
        lines.append(f"    {camel(field['name'])}: {TYPESCRIPT.read(field, node)},")
    return "\n".join([*lines, "  };", "}"])
