"""What the clients of all languages agree on, as one description: `clients/contract.json`.

Names, limits, patterns and the form of the two documents that a phone reads. The readers of Kotlin,
Swift and TypeScript are generated from it; what they read, Python's own readers must read alike,
which `vectors.json` binds: its malformed documents are made from this description.
"""

import inspect
import re
from pathlib import Path
from typing import Any

from conversion.artifact import KNOWN_SCORE, PROBABILITIES, RUNTIMES
from conversion.parity.confidences import FITTED_ON, ArtifactConfidence
from conversion.variants import PRECISIONS, VARIANTS
from mobile_assets import selftest
from mobile_assets.bucketing import SALT, WHOLE_SHARE_BP
from mobile_assets.conditions import NETWORKS, Conditions
from mobile_assets.deciding import ACTIONS, CODES
from mobile_assets.manifest import LABELS_NAME, MANIFEST_NAME, MAX_MANIFEST_BYTES, SCHEMA, Manifest
from mobile_assets.parts import FOLDERS, MAX_FILE_BYTES, MAX_FILES, BundledArtifact, File, Golden
from mobile_assets.platforms import PLATFORMS, RUNTIMES_OF
from mobile_assets.reading import SHA256, canonical_json
from mobile_assets.release import (
    CHANNEL,
    CHANNEL_ALLOWED,
    MAX_RELEASE_BYTES,
    RELEASE_NAME,
    RELEASE_SCHEMA,
    STABLE,
    Channel,
    PublishedVersion,
    Release,
    Rollout,
)
from mobile_assets.released import MAX_ARTIFACTS
from mobile_assets.versions import MAX_VERSION_CHARS
from training.evaluation.decisions import VERDICTS, Known, Threshold
from training.evaluation.temperature import MAX_TEMPERATURE, MIN_TEMPERATURE
from training.evaluation.unknown import GEN_GAMMA, GEN_TOP, SCORES
from training.hierarchy import Hierarchy
from training.labels import MIN_CLASSES
from training.preprocess import MAX_ASPECT, MAX_PIXELS, Preprocess

CONTRACT_SCHEMA = "ghostlens.contract/1"
CONTRACT_PATH = Path(__file__).parents[1] / "clients" / "contract.json"
_Json = dict[str, Any]
_NUMBER = "(0|[1-9][0-9]*)"
_IDENTIFIER = "(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_CORE = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
_SMALL = "(?:0|[1-9][0-9]{0,8})"
_MAX_TEXT_CHARS = 2000
_MAX_LICENCE_CHARS = 100_000
_MAX_NAME_CHARS = 64
# Regular expressions that mean the same in Java and ICU, for the whole text.
_PATTERNS = {
    "model_name": ("[a-z0-9]+(-[a-z0-9]+)*", _MAX_NAME_CHARS, "a-z, 0-9 and single '-'"),
    "model_version": (_CORE, _MAX_NAME_CHARS, "versions like 1.2.0 or 1.2.0-rc.1"),
    "semantic_version": (
        _CORE + r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
        MAX_VERSION_CHARS,
        "semantic versions",
    ),
    "system_version": (rf"{_SMALL}(?:\.{_SMALL}){{0,3}}", _MAX_NAME_CHARS, "versions like 17.4"),
    "runtime_version": (
        r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(?:[.+-].*)?",
        _MAX_TEXT_CHARS,
        "versions like 1.4.1",
    ),
    "bound": ("(>=|>|<=|<|=)(.+)", 256, "bounds like >=1.2.0"),
    "name": ("[a-z0-9][a-z0-9_.-]{0,63}", _MAX_NAME_CHARS, "a-z, 0-9, '_', '.', '-'"),
    "file_name": (
        "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,148}[A-Za-z0-9_-])?",
        150,
        "A-Z, a-z, 0-9, '.', '_', '-'",
    ),
    "sha256": (SHA256.pattern, 64, "64 lower-case hexadecimal digits"),
    "salt": (SALT.pattern, 32, "32 lower-case hexadecimal digits"),
    "channel_name": (CHANNEL.pattern, 32, CHANNEL_ALLOWED),
    "time": (
        "([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z",
        20,
        "RFC 3339 times in UTC, as in 2026-11-24T15:45:00Z",
    ),
    "schema": ("(.+)/([1-9][0-9]{0,8})", _MAX_TEXT_CHARS, "a name, a slash and a number"),
}
_CONSTANTS: _Json = {
    "manifest_schema": SCHEMA,
    "release_schema": RELEASE_SCHEMA,
    "manifest_name": MANIFEST_NAME,
    "release_name": RELEASE_NAME,
    "labels_name": LABELS_NAME,
    "stable": STABLE,
    "max_manifest_bytes": MAX_MANIFEST_BYTES,
    "max_release_bytes": MAX_RELEASE_BYTES,
    "max_json_depth": 32,
    "max_label_chars": 200,
    "max_channels": 100,
    "max_range_chars": 256,
    "max_bounds": 8,
    "whole_share_bp": WHOLE_SHARE_BP,
    "space_factor": 2,
    "min_labels": MIN_CLASSES,
    "max_pixels": MAX_PIXELS,
    "max_aspect": MAX_ASPECT,
    "gen_gamma": GEN_GAMMA,
    "gen_top": GEN_TOP,
    "max_probability_difference": selftest.MAX_PROBABILITY_DIFFERENCE,
    "max_known_score_difference": selftest.MAX_KNOWN_SCORE_DIFFERENCE,
}
_LISTS: dict[str, tuple[str, ...]] = {
    "platforms": PLATFORMS,
    "runtimes": RUNTIMES,
    "precisions": tuple(PRECISIONS),
    "networks": NETWORKS,
    "networks_of_conditions": ("any", "unmetered"),
    "roles": tuple(FOLDERS),
    "pulled_roles": ("labels", "golden", "licence"),
    "outputs": (PROBABILITIES, KNOWN_SCORE),
    "scores": SCORES,
    "resamplers": ("bilinear", "bicubic", "lanczos"),
    "fitted_on": FITTED_ON,
    "backends": tuple(sorted({variant.backend for variant in VARIANTS})),
}
_VERDICTS = {
    "sure": "the label stands",
    "coarse": "only the coarse class does",
    "unsure": "ask a better network, or a person",
    "unknown": "none of the labels",
}
_ACTIONS = {
    "none": "run on as you are",
    "take": "download the version and switch to it",
    "go-back": "run what the app was shipped with",
}


def _text(most_chars: int = _MAX_TEXT_CHARS, **more: Any) -> _Json:
    return {"kind": "text", "most_chars": most_chars, **more}


def _of(kind: str, name: str, **more: Any) -> _Json:
    return {"kind": kind, "of": name, **more}


def _whole(least: int, most: int) -> _Json:
    return {"kind": "whole", "least": least, "most": most}


def _number(least: float = -1e30, most: float = 1e30, **more: Any) -> _Json:
    return {"kind": "number", "least": least, "most": most, **more}


def _list(item: _Json, most: int, least: int = 0) -> _Json:
    return {"kind": "list", "item": item, "least": least, "most": most}


def _map(item: _Json, most: int = 100_000, **more: Any) -> _Json:
    return {"kind": "map", "item": item, "most": most, **more}


_FLAG: _Json = {"kind": "flag"}
# There, but of no use to a phone: read by the server and by people.
_OPAQUE: _Json = {"kind": "opaque"}
_JSON: _Json = {"kind": "json"}
_SHA256 = _of("pattern", "sha256")
_VERSION = _of("pattern", "model_version")
_TIME: _Json = {"kind": "time"}
_MAX_LABELS = 100_000
_FILE_BYTES = _whole(0, MAX_FILE_BYTES)
_REACHED = dict.fromkeys(
    ("precision", "precision_interval_95", "coverage", "coverage_interval_95", "photos"), _OPAQUE
)
_REJECTION = dict.fromkeys(
    ("kept", "rejected", "named", "precision", "precision_interval_95"), _OPAQUE
)
_FITTED: _Json = {"target_precision": _OPAQUE, "cross_fitted": _OPAQUE}
_MODELS: dict[str, tuple[type, _Json]] = {
    "conditions": (
        Conditions,
        {
            "min_os": _map(_of("pattern", "system_version"), keys="platforms", optional=True),
            "app_version": {"kind": "range", "optional": True},
            "min_memory_bytes": {**_whole(1, 1 << 50), "optional": True},
            "network": _of("one_of", "networks_of_conditions", optional=True),
        },
    ),
    "published_version": (
        PublishedVersion,
        {
            "version": _VERSION,
            "published_at": _TIME,
            "conditions": _of("model", "conditions", nullable=True),
            "deprecated": _text(nullable=True),
        },
    ),
    "rollout": (
        Rollout,
        {
            "version": _VERSION,
            "share_bp": _whole(0, WHOLE_SHARE_BP),
            "salt": _of("pattern", "salt"),
            "started_at": _TIME,
        },
    ),
    "channel": (
        Channel,
        {
            "current": _VERSION,
            "pinned": _FLAG,
            "rollout": _of("model", "rollout", nullable=True),
        },
    ),
    "release": (
        Release,
        {
            "schema": _OPAQUE,
            "model": _of("pattern", "model_name"),
            "versions": _list(_of("model", "published_version"), 10_000, least=1),
            "channels": _map(_of("model", "channel"), 100),
        },
    ),
    "preprocess": (
        Preprocess,
        {
            "input_px": _whole(32, 1024),
            "resize_px": _whole(32, 2048),
            "resampler": _of("one_of", "resamplers"),
            "steps": _list(_text(), 100),
        },
    ),
    "hierarchy": (
        Hierarchy,
        {
            "coarse": _list(_text(), _MAX_LABELS, least=MIN_CLASSES),
            "parents": _list(_whole(0, _MAX_LABELS), _MAX_LABELS, least=MIN_CLASSES),
        },
    ),
    "threshold": (
        Threshold,
        {"min_probability": _number(0, 1, nullable=True), **_FITTED, **_REACHED},
    ),
    "known": (
        Known,
        {
            "score": _of("one_of", "scores"),
            "min_score": _number(-1e12, 1, nullable=True),
            **_FITTED,
            **_REJECTION,
        },
    ),
    "confidence": (
        ArtifactConfidence,
        {
            "fitted_on": _of("one_of", "fitted_on"),
            "temperature": _number(MIN_TEMPERATURE, MAX_TEMPERATURE),
            "sure": _of("model", "threshold"),
            "coarse": _of("model", "threshold", nullable=True),
            "known": _of("model", "known"),
        },
    ),
    "file": (
        File,
        {
            "path": _text(),
            "role": _of("one_of", "roles"),
            "sha256": _SHA256,
            "size_bytes": _FILE_BYTES,
        },
    ),
    "artifact": (
        BundledArtifact,
        {
            "path": _text(),
            "sha256": _SHA256,
            "size_bytes": _FILE_BYTES,
            "runtime": _of("one_of", "runtimes"),
            "precision": _of("one_of", "precisions"),
            "backend": _of("one_of", "backends"),
            "platforms": _list(_of("one_of", "platforms"), len(PLATFORMS), least=1),
            "input": _JSON,
            "outputs": _list(_JSON, 2, least=2),
            "tool_versions": _map(_text()),
            "parity": {**_OPAQUE, "presence": True},
            "confidence": _of("model", "confidence", nullable=True),
            "accepted_by_hand": _FLAG,
            "objections": _list(_text(), 50),
            "requires": _OPAQUE,
        },
    ),
    "golden": (
        Golden,
        {
            "file": _text(),
            "label": _text(),
            "answers": _map(_list(_number(0, 1), _MAX_LABELS)),
            "known_scores": _map(_number()),
        },
    ),
    "manifest": (
        Manifest,
        {
            "schema": _OPAQUE,
            "model": _of("pattern", "model_name"),
            "version": _VERSION,
            "architecture": _of("pattern", "name"),
            "checkpoint_sha256": _SHA256,
            "labels": _list(_text(), _MAX_LABELS, least=MIN_CLASSES),
            "preprocess": _of("model", "preprocess"),
            "hierarchy": _of("model", "hierarchy", nullable=True),
            "metrics": _OPAQUE,
            "photos_source": _text(),
            "photos_licence": _text(_MAX_LICENCE_CHARS),
            "artifacts": _list(_of("model", "artifact"), MAX_ARTIFACTS, least=1),
            "golden": _list(_of("model", "golden"), MAX_FILES),
            "other_files": _list(_of("model", "file"), MAX_FILES),
            "cloud": {**_OPAQUE, "presence": True},
            "comparison": _OPAQUE,
        },
    ),
}


def make_contract() -> _Json:
    """Returns the description, as `clients/contract.json` holds it."""
    return {
        "schema": CONTRACT_SCHEMA,
        "constants": _CONSTANTS,
        "patterns": {
            name: {"pattern": pattern, "max_chars": most, "allowed": allowed}
            for name, (pattern, most, allowed) in _PATTERNS.items()
        },
        "enumerations": {
            "verdict": {name: _VERDICTS[name] for name in VERDICTS},
            "action": {name: _ACTIONS[name] for name in ACTIONS},
            "code": CODES,
        },
        "lists": {name: list(words) for name, words in _LISTS.items()},
        "folders": FOLDERS,
        "runtimes_of": {name: list(runtimes) for name, runtimes in RUNTIMES_OF.items()},
        "variants": [
            {**vars(variant), "executed_here": variant.executed_here} for variant in VARIANTS
        ],
        "models": {name: _describe(kind, members) for name, (kind, members) in _MODELS.items()},
    }


def contract_bytes() -> bytes:
    """Returns the bytes of `clients/contract.json`."""
    return canonical_json(make_contract())


def _describe(kind: type, members: _Json) -> _Json:
    """Returns a model's members, with the words that the Python class has for them."""
    about = inspect.getdoc(kind) or ""
    words = _read_attributes(about)
    fields = [
        {"key": key, **form, **({"about": words[key]} if key in words else {})}
        for key, form in members.items()
    ]
    return {"about": about.partition("\n")[0].rstrip("."), "fields": fields}


def _read_attributes(about: str) -> dict[str, str]:
    """Returns what a docstring in Google's style says of each attribute."""
    section = about.partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(words.split()).rstrip(".") for name, words in entries}
