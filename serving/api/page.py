"""The page of the API: made of its OpenAPI document, and of nothing else."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import render_template
from markupsafe import Markup, escape

from serving.api.document import list_operations, name_schema
from serving.api.remedies import REMEDIES
from serving.problems import KINDS

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "default": "{} without",
}
_MARKED = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*)")
_FORMS = {"`": "<code>{}</code>", "*": "<strong>{}</strong>"}


@dataclass(frozen=True)
class Operation:
    """One operation, as the page shows it.

    Attributes:
        method: in capitals.
        anchor: of its place in the page.
        spec: its part of the document.
    """

    method: str
    path: str
    anchor: str
    spec: dict[str, Any]


def render(spec: dict[str, Any]) -> str:
    """Returns the page."""
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in spec["tags"]}
    for path, method, operation in list_operations(spec):
        entry = Operation(method.upper(), path, operation["operationId"], operation)
        groups.setdefault(operation["tags"][0], []).append(entry)
    return render_template(
        "docs.html",
        spec=spec,
        groups={tag: entries for tag, entries in groups.items() if entries},
        about={tag["name"]: tag.get("description", "") for tag in spec["tags"]},
        schemas=spec["components"]["schemas"],
        kinds=[
            (status, name, title, mark_code(REMEDIES.get(name, "")))
            for _, status, name, title in KINDS
        ],
        type_of=format_type,
        limits_of=list_limits,
        example_of=format_example,
        paragraphs=split_paragraphs,
    )


def format_type(schema: dict[str, Any]) -> Markup:
    """Returns a schema's type in a few words, with links to those that have a name."""
    if name := name_schema(schema):
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return Markup(" or ").join(format_type(part) for part in schema[key])
    if "enum" in schema:
        return Markup(" | ").join(Markup("<code>{}</code>").format(x) for x in schema["enum"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return Markup(" or ").join(format_type(schema | {"type": one}) for one in kind)
    if kind == "array":
        return Markup("list of {}").format(format_type(schema.get("items", {})))
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return Markup("object of {}").format(format_type(schema["additionalProperties"]))
    shown = schema.get("format", kind) if kind == "string" else kind
    return escape({"binary": "file", "date-time": "time"}.get(shown, shown))


def list_limits(schema: dict[str, Any]) -> Iterator[str]:
    """Yields in words what a value may be."""
    for key, words in _LIMITS.items():
        if key in schema:
            value = schema[key]
            yield words.format(value if isinstance(value, str) else json.dumps(value))
    if "pattern" in schema:
        yield f"as `{schema['pattern']}`"
    for example in schema.get("examples", []):
        yield f"as in `{example if isinstance(example, str) else json.dumps(example)}`"


def format_example(content: dict[str, Any]) -> str:
    """Returns the example of a body or an answer as text; empty where there is none."""
    found = content.get("example")
    return "" if found is None else json.dumps(found, indent=2, ensure_ascii=False)


def split_paragraphs(text: str) -> list[Markup]:
    """Returns the paragraphs of a text, with what stands between backticks as code."""
    return [mark_code(part.replace("\n", " ")) for part in re.split(r"\n\s*\n", text) if part]


def mark_code(text: str) -> Markup:
    """Returns text with what stands between backticks as code, and between stars as bold."""
    return Markup("").join(
        Markup(_FORMS.get(part[:1], "{}")).format(part.strip("`*")) for part in _MARKED.split(text)
    )
