"""Finishes the OpenAPI document that APIFlask makes of views and forms: what holds for all of them.

Views say what is their own; which problems an operation can have, which headers an answer carries
and which key is needed follow from its address, its body and its scope, and are added here.
"""

import copy
import re
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from apiflask import APIFlask

from serving.access.scopes import SCOPES, find_scope
from serving.api import deprecation, samples
from serving.errors import MEDIA_TYPE
from serving.idempotency import HEADER as IDEMPOTENCY_HEADER
from serving.problems import KINDS, PROBLEM_REF

DESCRIPTION = (files("serving.api") / "description.md").read_text(encoding="utf-8")
OPENAPI_TAGS = {
    "Releases": "Which models and versions there are, which one a device should run, and how it "
    "did there.",
    "Recognition": "Names for photos that a device is not sure of.",
    "Open Inference Protocol": "The same network for what speaks version 2 of the protocol: "
    "Triton's and KServe's clients, gateways, load tests.",
    "Corrections": "What staff said of wrong answers, and what was decided about it.",
    "Files": "Signed metadata and published files, for TUF clients and caches.",
    "Health": "For whatever starts, stops and watches the server.",
}
KEY, KEY_HEADER = "bearer", "header"
_SECURITY_SCHEMES = {
    KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, as `python -m serving keys create` gives it. Each operation names "
        "the scope that the key must have.",
    },
    KEY_HEADER: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Of this request: as it was sent, or else made here.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:+/=-]{1,128}$"},
    },
    "Retry-After": {
        "description": "When it is worth to ask again, in seconds.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to give a key, and what is wrong with the one that was given.",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Of the content: what `If-None-Match` gives back.",
        "schema": {"type": "string"},
    },
    "Repr-Digest": {
        "description": "SHA-256 of the whole as it is sent (RFC 9530); `Want-Repr-Digest` asks for "
        "another, or for none.",
        "schema": {"type": "string"},
    },
    "Deprecation": {
        "description": "Since when the operation, or what was used of it, is deprecated (RFC "
        "9745): `@` and seconds since 1970.",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {
        "description": "From when on it may be gone (RFC 8594).",
        "schema": {"type": "string"},
    },
}
_HEADERS_OF_STATUS = {
    "401": ["WWW-Authenticate"],
    "403": ["WWW-Authenticate"],
    "429": ["Retry-After"],
    "503": ["Retry-After"],
}
_DESCRIPTIONS = {
    "304": "Not modified: what the client has is current",
    "413": "The body is too long",
    "414": "The address is too long",
    "429": "Too many requests, or none left of the quota",
}
# Where a kind of problem can arise, by what its operation's address holds; others can wherever
# their status can.
_PLACES: dict[str, tuple[str, ...]] = {
    "unknown-model": ("{model}",),
    "unknown-version": ("{version}", "/recognise", "/reports", "/corrections", "/usage", "/hold"),
    "unknown-channel": ("/recognise",),
    "unknown-file": ("{path}", "{name}", "/reports"),
    "not-current": ("/recognise",),
    "unknown-correction": ("{correction_id}",),
    "correction": ("/corrections",),
    "remote": ("/recognise", "/infer"),
    "no-artifact": ("/recognise", "/infer", "/ready", "/v2/models/{model}"),
    "malformed": ("/check", "/reports", "/corrections", "/usage", "/recognise", "/infer"),
    "inference": ("/infer",),
    "photo": ("/recognise", "/infer", "/corrections"),
    "platform": ("/check",),
    "busy": ("/recognise", "/infer", "}/ready"),
    "body-length": ("/recognise", "/infer"),
}
_OF_KEYS = ("idempotency", "running")
# Answers that hold only for the moment are never kept, and so have no tag.
_FRESH = ("/livez", "/readyz", "/v2/health", "/ready")
_BODY_STATUSES = ("400", "408", "413", "415", "422")
_UNREADY_FREE = ("/livez", "/v2/health/live")
_METHODS = ("get", "post", "put", "patch", "delete")
_NO_NUL = r"^[^\u0000]*$"
_PYTHON_END = re.compile(r"\\Z$")


def build(app: APIFlask, public_scopes: Collection[str]) -> dict[str, Any]:
    """Returns the document as somebody sees it who needs no key for some scopes.

    Args:
        app: with all its views.
        public_scopes: what needs no key.
    """
    spec: dict[str, Any] = copy.deepcopy(app.spec)  # type: ignore[arg-type]
    for path, method, operation in list_operations(spec):
        scope = find_scope(app, _find_endpoint(app, path, method))
        _add_security(operation, scope, public_scopes)
    return spec


def finish(spec: dict[str, Any]) -> None:
    """Adds to a document what holds for all operations."""
    spec["info"]["license"] = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
    used = {tag for _, _, operation in list_operations(spec) for tag in operation["tags"]}
    spec["tags"] = [
        {"name": name, "description": OPENAPI_TAGS[name]}
        if name in OPENAPI_TAGS
        else {"name": name}
        for name in [*(x for x in OPENAPI_TAGS if x in used), *sorted(used - set(OPENAPI_TAGS))]
    ]
    components = spec["components"]
    components["headers"] = copy.deepcopy(_HEADERS)
    components["securitySchemes"] = copy.deepcopy(_SECURITY_SCHEMES)
    for path, method, operation in list_operations(spec):
        _require_body(operation, components["schemas"])
        _add_answers(path, method, operation)
        deprecation.describe_in(operation, components["schemas"])
        _describe_answers(path, method, operation)
        samples.describe_in(operation)
    _describe_schemas(spec)


def list_operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields address, method and operation of each."""
    for path, operations in spec["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield path, method, operations[method]


def name_schema(schema: dict[str, Any]) -> str:
    """Returns the name of the schema that is referred to; empty where none is."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _find_endpoint(app: APIFlask, path: str, method: str) -> str:
    address = re.sub(r"{(\w+)}", r"\1", path)
    endpoint, _ = app.url_map.bind("").match(address, method.upper())
    return str(endpoint)


def _add_security(
    operation: dict[str, Any], scope: str | None, public_scopes: Collection[str]
) -> None:
    if scope is None:
        operation["security"] = []
        return
    operation["security"] = [{KEY: [scope]}, {KEY_HEADER: [scope]}]
    operation["x-scope"] = scope
    words = f"Scope `{scope}`: {SCOPES[scope]}."
    if scope in public_scopes:
        operation["security"].append({})
        words += " Here it needs no key."
    operation["description"] = "\n\n".join(filter(None, [operation.get("description"), words]))


def _require_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    body = operation.get("requestBody")
    if body is not None:
        names = [name_schema(content["schema"]) for content in body["content"].values()]
        body.setdefault("required", any(schemas.get(name, {}).get("required") for name in names))


def _add_answers(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds the statuses that follow from what an operation is."""
    answers = operation["responses"]
    statuses = [] if path.startswith(_UNREADY_FREE) else ["503"]
    if not path.startswith(_FRESH[:3]):
        statuses += ["401", "403", "429"]
    if "requestBody" in operation:
        statuses += _BODY_STATUSES
    if "{" in path:
        statuses += ["404", "422"]
    if any(entry["in"] == "query" for entry in operation["parameters"]):
        statuses.append("414")
    if method == "get" and not path.endswith(_FRESH) and not path.startswith(_FRESH[:3]):
        answers.setdefault("304", {})
        statuses.append("412")
    for status in statuses:
        answer = answers.setdefault(status, {})
        if not answer.get("content"):
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_REF}}}


def _describe_answers(path: str, method: str, operation: dict[str, Any]) -> None:
    """Says of each answer which problems it can be, and which headers it carries."""
    answers = operation["responses"]
    is_tagged = "304" in answers
    for status, answer in answers.items():
        names = ["X-Request-ID", *_HEADERS_OF_STATUS.get(status, [])]
        if is_tagged and status in ("200", "206", "304"):
            names += ["ETag"]
        if method == "get" and path.startswith(("/targets", "/metadata")) and status < "300":
            names += ["Repr-Digest"]
        headers = answer.setdefault("headers", {})
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        if MEDIA_TYPE in answer.get("content", {}):
            _describe_problems(path, operation, status, answer)
        phrase = HTTPStatus(int(status)).phrase
        answer.setdefault("description", _DESCRIPTIONS.get(status, phrase))
    operation["responses"] = dict(sorted(answers.items()))


def _describe_problems(
    path: str, operation: dict[str, Any], status: str, answer: dict[str, Any]
) -> None:
    found = {
        name: title
        for _, of_kind, name, title in KINDS
        if str(of_kind) == status and _can_arise(name, path, operation)
    }
    if found:
        answer["description"] = "; ".join(found.values())
        answer["x-problem-types"] = [f"/docs#{name}" for name in found]


def _can_arise(name: str, path: str, operation: dict[str, Any]) -> bool:
    if name in _OF_KEYS:
        return any(entry["name"] == IDEMPOTENCY_HEADER for entry in operation["parameters"])
    return name not in _PLACES or any(part in path for part in _PLACES[name])


def _describe_schemas(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    answers = _list_schemas(spec, _list_answers) - _list_schemas(spec, _list_bodies)
    for name, schema in schemas.items():
        properties = schema.get("properties", {})
        optional = {field for field, form in properties.items() if form.pop("x-optional", False)}
        for form in properties.values():
            _modernise(form)
        if name in answers:
            # An answer may gain members, and has all that it is said to have.
            schema.pop("additionalProperties", None)
            schema["required"] = sorted(set(properties) - optional)
        for form in properties.values() if name not in answers else ():
            _forbid_nul(form)
    for _, _, operation in list_operations(spec):
        for parameter in operation["parameters"]:
            _forbid_nul(parameter["schema"])


def _forbid_nul(form: dict[str, Any]) -> None:
    """Says of free text that the character U+0000 is refused (`serving.api.receiving`)."""
    is_text = form.get("type") in ("string", ["string", "null"])
    if is_text and not {"enum", "const", "format", "pattern", "contentEncoding"} & set(form):
        form["pattern"] = _NO_NUL
    if isinstance(form.get("items"), dict):
        _forbid_nul(form["items"])


def _modernise(form: dict[str, Any]) -> None:
    """Writes a field as JSON Schema 2020-12 has it."""
    if "example" in form:
        form["examples"] = [form.pop("example")]
    if "pattern" in form:
        form["pattern"] = "^" + _PYTHON_END.sub("$", form["pattern"].removeprefix("^"))
    if isinstance(form.get("items"), dict):
        _modernise(form["items"])


def _list_schemas(
    spec: dict[str, Any], list_contents: Callable[[dict[str, Any]], Iterator[Any]]
) -> set[str]:
    """Returns the names of all schemas that some contents of the operations hold."""
    waiting = [
        part for _, _, operation in list_operations(spec) for part in list_contents(operation)
    ]
    seen: set[str] = set()
    while waiting:
        new = set(_find_refs(waiting.pop())) - seen
        seen |= new
        waiting += [spec["components"]["schemas"][name] for name in new]
    return seen


def _list_answers(operation: dict[str, Any]) -> Iterator[Any]:
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            yield content["schema"]


def _list_bodies(operation: dict[str, Any]) -> Iterator[Any]:
    yield from operation.get("requestBody", {}).get("content", {}).values()


def _find_refs(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield name_schema(value)
        for part in value.values():
            yield from _find_refs(part)
    elif isinstance(value, list):
        for part in value:
            yield from _find_refs(part)
