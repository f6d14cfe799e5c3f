"""Signed metadata and published files, for TUF clients and caches."""

from functools import partial
from typing import Any

from apiflask import APIBlueprint
from apiflask.schemas import FileSchema
from flask import Response, redirect

from serving.access import needs
from serving.api.sending import send_representation
from serving.coding import Representation, from_bytes
from serving.context import get_storage
from serving.publishing.objects import find_cache_control, find_content_type

blueprint = APIBlueprint("files", __name__, tag="Files")
_SIGNED = {
    "type": "object",
    "description": "As TUF's specification describes it, and as it was signed.",
    "required": ["signatures", "signed"],
    "properties": {
        "signatures": {"type": "array", "items": {"type": "object"}},
        "signed": {"type": "object"},
    },
}
_TARGET_RESPONSES = {
    206: "A part",
    307: "Served elsewhere",
    304: "Not modified",
    412: "Other content",
    416: "No such part",
}


@blueprint.get("/metadata/<name>")
@needs("pull")
@blueprint.output(FileSchema(type="string", format="binary"), content_type="application/json")
@blueprint.doc(responses={304: "Not modified", 412: "Other content"})
def send_metadata(name: str) -> Response:
    """Download signed metadata, as TUF clients do."""
    plain = from_bytes(get_storage().read_metadata(name))
    return send_representation(plain, find_content_type(name), find_cache_control(name))


@blueprint.get("/targets/<path:path>")
@needs("pull")
@blueprint.output(
    FileSchema(type="string", format="binary"), content_type="application/octet-stream"
)
@blueprint.doc(responses=_TARGET_RESPONSES)
def send_target(path: str) -> Response:
    """Download a published file.

    The name holds the SHA-256, so that the content at an address never changes. `Range` and
    `If-Range` fetch a part; `Repr-Digest` gives the SHA-256 of the whole, as it is sent: text
    comes compressed to those who accept gzip.
    """
    storage = get_storage()
    url = storage.find_elsewhere(path)
    if url is not None:
        return redirect(url, 307, Response)  # type: ignore[return-value]
    file = storage.find_file(path)
    open_part = partial(storage.open_file, file)
    plain = Representation(file.sha256, file.size_bytes, file.sha256, open_part)
    return send_representation(plain, find_content_type(path), find_cache_control(path))


def describe_in(spec: dict[str, Any]) -> None:
    """Corrects an OpenAPI document: no body with 304, and a part is of the type of the whole."""
    metadata = spec["paths"]["/metadata/{name}"]["get"]
    metadata["responses"]["200"]["content"]["application/json"]["schema"] = _SIGNED
    for path in spec["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            responses.get("304", {}).pop("content", None)
            if "206" in responses:
                responses["206"]["content"] = responses["200"]["content"]
