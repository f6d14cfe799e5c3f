"""Documents for the test vectors, whole and malformed: all languages must refuse the same ones.

The malformed ones are made from the description of the contract, one change each.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from mobile_assets.contract.description import make_contract
from mobile_assets.manifest import NAMES_SCHEMA, SCHEMA, Manifest
from mobile_assets.parts import BundledArtifact, File, Golden, Metrics
from mobile_assets.vector_decisions import RELEASES
from training.files import sha256_bytes
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import Preprocess

_Json = dict[str, Any]
_Path = tuple[str | int, ...]
_ARTIFACT, _PHOTO = "artifacts/produce.tflite", "golden/0.jpg"
# Where the models stand in the two whole documents.
_PLACES: tuple[tuple[str, str, _Path], ...] = (
    ("manifest", "manifest", ()),
    ("manifest", "preprocess", ("preprocess",)),
    ("manifest", "hierarchy", ("hierarchy",)),
    ("manifest", "artifact", ("artifacts", 0)),
    ("manifest", "golden", ("golden", 0)),
    ("manifest", "file", ("other_files", 0)),
    ("release", "release", ()),
    ("release", "published_version", ("versions", 0)),
    ("release", "channel", ("channels", "stable")),
    ("release", "rollout", ("channels", "stable", "rollout")),
    ("release", "conditions", ("versions", 2, "conditions")),
)
_MALFORMED: tuple[tuple[str, _Path, Any], ...] = (
    ("manifest", ("schema",), "ghostlens.bundle/99"),
    ("manifest", ("schema",), "other.bundle/3"),
    ("manifest", ("schema",), SCHEMA),
    ("manifest without names", ("schema",), NAMES_SCHEMA),
    ("manifest", ("version",), "1.0.0+build"),
    ("manifest", ("labels", 0), " apple"),
    ("manifest", ("labels", 0), "a\tb"),
    ("manifest", ("labels", 1), "apple"),
    ("manifest", ("preprocess", "resize_px"), 31),
    ("manifest", ("preprocess", "resize_px"), 65),
    ("manifest", ("hierarchy", "parents"), [0, 1]),
    ("manifest", ("hierarchy", "parents"), [0, 0, 0]),
    ("manifest", ("hierarchy", "parents"), [0, 1, 2]),
    ("manifest", ("artifacts", 0, "path"), "artifacts/../produce.tflite"),
    ("manifest", ("artifacts", 0, "path"), "/artifacts/produce.tflite"),
    ("manifest", ("artifacts", 0, "backend"), "vulkan"),
    ("manifest", ("artifacts", 0, "outputs"), [{"name": "a"}, {"name": "b"}]),
    ("manifest", ("artifacts", 0, "objections"), []),
    ("manifest", ("golden", 0, "label"), "lime"),
    ("manifest", ("golden", 0, "answers", _ARTIFACT), [0.5, 0.5]),
    ("manifest", ("golden", 0, "known_scores"), {}),
    ("manifest", ("other_files", 0, "path"), "Labels.txt"),
    ("manifest", ("other_files", 1, "path"), "golden/1.jpg"),
    ("manifest", ("other_files", 1, "role"), "cloud-golden"),
    ("manifest", ("other_files", 2, "path"), "names/zh-hans.json"),
    ("manifest", ("other_files", 2, "path"), "names/zh_CN.json"),
    ("manifest", ("other_files", 2, "path"), "names/zh-Hans.csv"),
    ("manifest", ("other_files", 2, "path"), "names/../zh.json"),
    ("manifest", ("other_files", 2, "path"), "zh-Hans.json"),
    ("release", ("channels", "Stable"), {"current": "1.0.0", "pinned": False, "rollout": None}),
    ("release", ("channels", "stable", "current"), "7.0.0"),
    ("release", ("channels", "stable", "rollout", "version"), "7.0.0"),
    ("release", ("versions", 1, "version"), "0.9.0"),
    ("release", ("versions", 0, "published_at"), "2026-02-29T00:00:00Z"),
    ("release", ("versions", 0, "published_at"), "2026-02-28T24:00:00Z"),
    ("release", ("versions", 2, "conditions", "min_os"), {"symbian": "9"}),
    ("release", ("versions", 2, "conditions", "min_os"), {"ios": "16a"}),
    ("release", ("versions", 2, "conditions", "app_version"), "^1.0.0"),
)
_NOT_JSON = (
    "",
    "{",
    '{"a": 1, "a": 2}',
    "[1,]",
    "[01]",
    "[1.]",
    "[.5]",
    "[+1]",
    "[NaN]",
    "[-Infinity]",
    "[1e999]",
    '["\\ud800"]',
    '["\\udc00\\ud800"]',
    '["\\x41"]',
    '["\\u12g4"]',
    '["a\tb"]',
    "['a']",
    "[1] 2",
    "tru",
    "\ufeff[1]",
    "[" * 34 + "]" * 34,
)


def make_documents() -> _Json:
    """Returns whole documents, changes that every reader must refuse, and texts that are no JSON.

    A change without a value removes what stands at its path.
    """
    manifest = _make_manifest()
    without = tuple(file for file in manifest.other_files if file.role != "names")
    valid = {
        "manifest": json.loads(manifest.to_bytes()),
        "manifest without names": json.loads(replace(manifest, other_files=without).to_bytes()),
        "release": RELEASES["rollout with conditions"],
    }
    models = make_contract()["models"]
    refused = [
        {"document": document, "path": [*place, field["key"]], **change}
        for document, model, place in _PLACES
        for field in models[model]["fields"]
        for change in _spoil(field)
    ]
    refused += [
        {"document": document, "path": [*place, "of-tomorrow"], "value": 1}
        for document, _, place in _PLACES
    ]
    refused += [
        {"document": document, "path": list(path), "value": value}
        for document, path, value in _MALFORMED
    ]
    return {"valid": valid, "refused": refused, "not_json": list(_NOT_JSON)}


def _spoil(field: _Json) -> Iterator[_Json]:
    """Yields changes of a member that the description does not allow."""
    kind = field["kind"]
    if not field.get("optional"):
        yield {}
    if kind in ("opaque", "json"):
        return
    if not field.get("nullable"):
        yield {"value": None}
    yield {"value": [] if kind == "flag" else True}
    if kind in ("whole", "number"):
        yield {"value": field["least"] - 1}
        yield {"value": field["most"] + 1}
        yield {"value": "1"}
    if kind == "whole":
        yield {"value": field["least"] + 0.5}
    if kind in ("text", "pattern", "one_of", "time", "range") and field.get("of") != "backends":
        yield {"value": ""}
    if kind in ("pattern", "one_of", "time", "range"):
        yield {"value": "\u00fc!"}
    if kind == "list" and field["least"]:
        yield {"value": []}


def _make_manifest() -> Manifest:
    """A manifest that is small and whole; its artifact was taken without parity figures."""
    labels = LabelSet(("apple", "lemon", "plum"))
    model_file = File(_ARTIFACT, "artifact", sha256_bytes(b"model"), 1000)
    artifact = BundledArtifact(
        model_file,
        "litert",
        "fp32",
        "",
        ("android", "ios", "web", "python"),
        {"name": "image", "layout": "nhwc"},
        ({"name": PROBABILITIES}, {"name": KNOWN_SCORE}),
        {"litert": "1.0"},
        None,
        None,
        accepted_by_hand=True,
        objections=("no photos to measure it on",),
    )
    answers: dict[str, tuple[float, ...]] = {_ARTIFACT: (0.75, 0.25, 0.0)}
    scores = {_ARTIFACT: -1.0}
    return Manifest(
        model="produce",
        version="1.0.0",
        architecture="ghostnet_100",
        checkpoint_sha256=sha256_bytes(b"checkpoint"),
        labels=labels,
        preprocess=Preprocess(32, 36),
        hierarchy=Hierarchy(LabelSet(("pome", "other")), (0, 1, 1)),
        metrics=Metrics(0.9, 1.0, 100),
        photos_source="made by a program",
        photos_licence="CC0-1.0",
        artifacts=(artifact,),
        golden=(Golden(_PHOTO, "apple", answers, scores),),
        other_files=(
            File("labels.txt", "labels", sha256_bytes(b"labels"), 17),
            File(_PHOTO, "golden", sha256_bytes(b"photo"), 900),
            File("names/zh-Hans.json", "names", sha256_bytes(b"names"), 60),
        ),
    )
