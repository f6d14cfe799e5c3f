"""What the OpenAPI document says of bodies that are no forms of ours: those of `infer`.

JSON Schema cannot say that there are as many data as the shape says, nor what a photo is: a request
that fits these schemas can still be refused with 400 or 422.
"""

from typing import Any

from serving.inference.messages import HEADER_LENGTH, IMAGE, MAX_BATCH, MAX_ID_CHARS, OUTPUTS, PHOTO
from serving.inference.protocol import blueprint
from serving.inference.tensors import BYTES, PIXEL_TYPES

_INFER_PATHS = ("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer")
_COUNT = {"type": "integer", "minimum": 1, "maximum": MAX_BATCH}
_BINARY_SIZE = {
    "type": "object",
    "properties": {
        "binary_data_size": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Bytes of the data that follow the JSON, in place of `data`.",
        }
    },
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "InferenceRequest": {
        "type": "object",
        "description": "A request of the protocol.",
        "required": ["inputs"],
        "properties": {
            "id": {
                "type": ["string", "null"],
                "maxLength": MAX_ID_CHARS,
                "description": "Comes back with the answer.",
            },
            "parameters": {"$ref": "#/components/schemas/InferenceParameters"},
            "inputs": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "description": "Pixels, or photos' files.",
                "items": {
                    "oneOf": [
                        {"$ref": "#/components/schemas/InferenceImage"},
                        {"$ref": "#/components/schemas/InferencePhoto"},
                    ]
                },
            },
            "outputs": {
                "type": "array",
                "maxItems": len(OUTPUTS),
                "uniqueItems": True,
                "description": "Those that are wanted, each once; all without.",
                "items": {"$ref": "#/components/schemas/InferenceWanted"},
            },
        },
    },
    "InferenceParameters": {
        "type": "object",
        "description": "Of a request; others mean nothing here.",
        "properties": {
            "timeout": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "What the client waits, in microseconds; 0 is as long as the server "
                "allows.",
            },
            "binary_data_output": {
                "type": "boolean",
                "description": "Whether all outputs shall follow as binary data.",
            },
        },
    },
    "InferenceImage": {
        "type": "object",
        "description": "Pixels as the manifest's steps give them.",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"const": IMAGE},
            "datatype": {"type": "string", "enum": list(PIXEL_TYPES)},
            "shape": {
                "type": "array",
                "description": "N, side, side, 3.",
                "prefixItems": [
                    _COUNT,
                    {"type": "integer", "minimum": 1},
                    {"type": "integer", "minimum": 1},
                    {"const": 3},
                ],
                "items": {"type": "integer"},
                "minItems": 4,
                "maxItems": 4,
            },
            "parameters": _BINARY_SIZE,
            "data": {
                "type": "array",
                "minItems": 1,
                "items": {},
                "description": "RGB of 0 to 255, row by row, flat or nested.",
            },
        },
    },
    "InferencePhoto": {
        "type": "object",
        "description": "Photos' files.",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"const": PHOTO},
            "datatype": {"const": BYTES},
            "shape": {
                "type": "array",
                "description": "N, or N, 1.",
                "prefixItems": [_COUNT, {"const": 1}],
                "items": {"type": "integer"},
                "minItems": 1,
                "maxItems": 2,
            },
            "parameters": _BINARY_SIZE,
            "data": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_BATCH,
                "items": {"type": "string", "contentEncoding": "base64"},
            },
        },
    },
    "InferenceWanted": {
        "type": "object",
        "description": "An output that is wanted.",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "enum": list(OUTPUTS)},
            "parameters": {
                "type": "object",
                "properties": {
                    "binary_data": {"type": "boolean"},
                    "classification": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "Of probabilities the most probable so many, as texts.",
                    },
                },
            },
        },
    },
}
# One red pixel.
_RED_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGO4IycHAALyARlzRAvLAAAAAElFTkSuQmCC"
)
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/InferenceRequest"},
            "example": {
                "inputs": [{"name": PHOTO, "datatype": BYTES, "shape": [1], "data": [_RED_PNG]}],
                "outputs": [{"name": "label"}, {"name": "verdict"}],
            },
        },
        "application/octet-stream": {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": f"The JSON, of as many bytes as `{HEADER_LENGTH}` says, and then "
                "the input's binary data. 0 makes the whole body one photo's file, as does no such "
                "header with what is no JSON object.",
            }
        },
    },
}
_BINARY_ANSWER = {
    "schema": {
        "type": "string",
        "format": "binary",
        "description": "Where binary data was asked for: the JSON, of as many bytes as "
        f"`{HEADER_LENGTH}` says, and then the outputs' data.",
    }
}


def describe_in(spec: dict[str, Any]) -> None:
    """Adds to an OpenAPI document the bodies of requests, which have no forms to be made from.

    And tells operations of a model from those of one of its versions, which one view answers.
    """
    for path, operations in spec["paths"].items():
        if path.startswith(f"{blueprint.url_prefix}/") and "{version}" in path:
            for operation in operations.values():
                operation["operationId"] += "_of_version"
    for path in _INFER_PATHS:
        operation = spec["paths"][path]["post"]
        operation["requestBody"] = _BODY
        operation["responses"]["200"]["content"]["application/octet-stream"] = _BINARY_ANSWER
    spec["components"]["schemas"] |= _SCHEMAS
