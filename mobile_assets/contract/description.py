"""What the clients of all languages agree on, as one description: `clients/contract.json`.

Names, limits, patterns and the form of the two documents that a phone reads. The readers of Kotlin,
Swift and TypeScript are generated from it; what they read, Python's own readers must read alike,
which `vectors.json` binds: its malformed documents are made from this description.
"""

import inspect
import re
from pathlib import Path
from typing import Any

from conversion.artifact import (
    KNOWN_SCORE,
    MAX_NAME_CHARS,
    NAME,
    PROBABILITIES,
    RUNTIMES,
    VERSION,
)
from conversion.parity.confidences import FITTED_ON, ArtifactConfidence
from conversion.variants import PRECISIONS, VARIANTS
from mobile_assets import parts, selftest
from mobile_assets.bucketing import SALT, WHOLE_SHARE_BP
from mobile_assets.conditions import MAX_MEMORY_BYTES, NETWORKS, NETWORKS_OF_CONDITIONS, Conditions
from mobile_assets.deciding import ACTIONS, CODES, SPACE_FACTOR
from mobile_assets.installed import PULLED_ROLES
from mobile_assets.languages import NAMES_FILE, NAMES_FILE_ALLOWED, WANTED
from mobile_assets.manifest import (
    LABELS_NAME,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    NAMES_SCHEMA,
    SCHEMA,
    Manifest,
)
from mobile_assets.names import MAX_NAMES_BYTES
from mobile_assets.parts import (
    FOLDERS,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_LABELS,
    BundledArtifact,
    File,
    Golden,
)
from mobile_assets.platforms import PLATFORMS, RUNTIMES_OF
from mobile_assets.reading import (
    MAX_DEPTH,
    MAX_NUMBER,
    MAX_TEXT_CHARS,
    SCHEMA_NAME,
    SHA256,
    canonical_json,
)
from mobile_assets.release import (
    CHANNEL,
    CHANNEL_ALLOWED,
    MAX_CHANNELS,
    MAX_RELEASE_BYTES,
    MAX_VERSIONS,
    RELEASE_NAME,
    RELEASE_SCHEMA,
    STABLE,
    TIME,
    TIME_ALLOWED,
    Channel,
    PublishedVersion,
    Release,
    Rollout,
)
from mobile_assets.released import MAX_ARTIFACTS, MAX_LICENCE_CHARS
from mobile_assets.versions import (
    BOUND,
    MAJOR_MINOR,
    MAX_BOUNDS,
    MAX_RANGE_CHARS,
    MAX_VERSION_CHARS,
    SEMANTIC,
    SYSTEM,
)
from training.evaluation.decisions import LEAST_SCORE, VERDICTS, Known, Threshold
from training.evaluation.temperature import MAX_TEMPERATURE, MIN_TEMPERATURE
from training.evaluation.unknown import GEN_GAMMA, GEN_TOP, SCORES
from training.hierarchy import Hierarchy
from training.labels import MAX_LABEL_CHARS, MIN_CLASSES
from training.preprocess import (
    MAX_ASPECT,
    MAX_INPUT_PX,
    MAX_PIXELS,
    MAX_RESIZE,
    MIN_INPUT_PX,
    RESAMPLERS,
    Preprocess,
)

CONTRACT_SCHEMA = "ghostlens.contract/1"
CONTRACT_PATH = Path(__file__).parents[1] / "clients" / "contract.json"
_Json = dict[str, Any]
# Regular expressions that mean the same in Java, ICU, JavaScript and Python, for the whole text.
# Those that bound the length themselves need no other limit than that of any text.
_PATTERNS: dict[str, tuple[re.Pattern[str], int, str]] = {
    "model_name": (NAME, MAX_NAME_CHARS, "a-z, 0-9 and single '-'"),
    "model_version": (VERSION, MAX_NAME_CHARS, "versions like 1.2.0 or 1.2.0-rc.1"),
    "semantic_version": (SEMANTIC, MAX_VERSION_CHARS, "semantic versions"),
    "system_version": (SYSTEM, MAX_TEXT_CHARS, "versions like 17.4"),
    "runtime_version": (MAJOR_MINOR, MAX_TEXT_CHARS, "versions like 1.4.1"),
    "bound": (BOUND, MAX_RANGE_CHARS, "bounds like >=1.2.0"),
    "name": (parts.NAME, MAX_TEXT_CHARS, "a-z, 0-9, '_', '.', '-'"),
    "file_name": (parts.FILE_NAME, MAX_TEXT_CHARS, "A-Z, a-z, 0-9, '.', '_', '-'"),
    "names_file": (NAMES_FILE, MAX_TEXT_CHARS, NAMES_FILE_ALLOWED),
    "wanted_language": (WANTED, MAX_TEXT_CHARS, "tags like zh-cn, in lower case"),
    "sha256": (SHA256, MAX_TEXT_CHARS, "64 lower-case hexadecimal digits"),
    "salt": (SALT, MAX_TEXT_CHARS, "32 lower-case hexadecimal digits"),
    "channel_name": (CHANNEL, MAX_TEXT_CHARS, CHANNEL_ALLOWED),
    "time": (TIME, MAX_TEXT_CHARS, TIME_ALLOWED),
    "schema": (SCHEMA_NAME, MAX_TEXT_CHARS, "a name, a slash and a number"),
}
_CONSTANTS: _Json = {
    "manifest_schema": SCHEMA,
    "names_schema": NAMES_SCHEMA,
    "release_schema": RELEASE_SCHEMA,
    "manifest_name": MANIFEST_NAME,
    "release_name": RELEASE_NAME,
    "labels_name": LABELS_NAME,
    "stable": STABLE,
    "max_manifest_bytes": MAX_MANIFEST_BYTES,
    "max_release_bytes": MAX_RELEASE_BYTES,
    "max_names_bytes": MAX_NAMES_BYTES,
    "max_json_depth": MAX_DEPTH,
    "max_label_chars": MAX_LABEL_CHARS,
    "max_channels": MAX_CHANNELS,
    "max_range_chars": MAX_RANGE_CHARS,
    "max_bounds": MAX_BOUNDS,
    "whole_share_bp": WHOLE_SHARE_BP,
    "space_factor": SPACE_FACTOR,
    "min_labels": MIN_CLASSES,
    "max_pixels": MAX_PIXELS,
    "max_aspect": MAX_ASPECT,
    "gen_gamma": GEN_GAMMA,
    "gen_top": GEN_TOP,
    "max_probability_difference": selftest.MAX_PROBABILITY_DIFFERENCE,
    "max_known_score_difference": selftest.MAX_KNOWN_SCORE_DIFFERENCE,
}
_OUTPUTS = (PROBABILITIES, KNOWN_SCORE)
_LISTS: dict[str, tuple[str, ...]] = {
    "platforms": PLATFORMS,
    "runtimes": RUNTIMES,
    "precisions": tuple(PRECISIONS),
    "networks": NETWORKS,
    "networks_of_conditions": NETWORKS_OF_CONDITIONS,
    "roles": tuple(FOLDERS),
    "pulled_roles": PULLED_ROLES,
    "outputs": _OUTPUTS,
    "scores": SCORES,
    "resamplers": tuple(RESAMPLERS),
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


def _text(most_chars: int = MAX_TEXT_CHARS, **more: Any) -> _Json:
    return {"kind": "text", "most_chars": most_chars, **more}


def _of(kind: str, name: str, **more: Any) -> _Json:
    return {"kind": kind, "of": name, **more}


def _whole(least: int, most: int) -> _Json:
    return {"kind": "whole", "least": least, "most": most}


def _number(least: float = -MAX_NUMBER, most: float = MAX_NUMBER, **more: Any) -> _Json:
    return {"kind": "number", "least": least, "most": most, **more}


def _list(item: _Json, most: int, least: int = 0) -> _Json:
    return {"kind": "list", "item": item, "least": least, "most": most}


def _map(item: _Json, most: int = MAX_LABELS, **more: Any) -> _Json:
    return {"kind": "map", "item": item, "most": most, **more}


_FLAG: _Json = {"kind": "flag"}
# There, but of no use to a phone: read by the server and by people.
_OPAQUE: _Json = {"kind": "opaque"}
_JSON: _Json = {"kind": "json"}
_SHA256 = _of("pattern", "sha256")
_VERSION = _of("pattern", "model_version")
_TIME: _Json = {"kind": "time"}
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
            "min_memory_bytes": {**_whole(1, MAX_MEMORY_BYTES), "optional": True},
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
            "versions": _list(_of("model", "published_version"), MAX_VERSIONS, least=1),
            "channels": _map(_of("model", "channel"), MAX_CHANNELS),
        },
    ),
    "preprocess": (
        Preprocess,
        {
            "input_px": _whole(MIN_INPUT_PX, MAX_INPUT_PX),
            "resize_px": _whole(MIN_INPUT_PX, MAX_RESIZE * MAX_INPUT_PX),
            "resampler": _of("one_of", "resamplers"),
            "steps": _list(_text(), parts.MAX_STEPS),
        },
    ),
    "hierarchy": (
        Hierarchy,
        {
            "coarse": _list(_text(), MAX_LABELS, least=MIN_CLASSES),
            "parents": _list(_whole(0, MAX_LABELS), MAX_LABELS, least=MIN_CLASSES),
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
            "min_score": _number(LEAST_SCORE, 1, nullable=True),
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
            "outputs": _list(_JSON, len(_OUTPUTS), least=len(_OUTPUTS)),
            "tool_versions": _map(_text()),
            "parity": {**_OPAQUE, "presence": True},
            "confidence": _of("model", "confidence", nullable=True),
            "accepted_by_hand": _FLAG,
            "objections": _list(_text(), parts.MAX_OBJECTIONS),
            "requires": _OPAQUE,
        },
    ),
    "golden": (
        Golden,
        {
            "file": _text(),
            "label": _text(),
            "answers": _map(_list(_number(0, 1), MAX_LABELS)),
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
            "labels": _list(_text(), MAX_LABELS, least=MIN_CLASSES),
            "preprocess": _of("model", "preprocess"),
            "hierarchy": _of("model", "hierarchy", nullable=True),
            "metrics": _OPAQUE,
            "photos_source": _text(),
            "photos_licence": _text(MAX_LICENCE_CHARS),
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
            name: {"pattern": pattern.pattern, "max_chars": most, "allowed": allowed}
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
