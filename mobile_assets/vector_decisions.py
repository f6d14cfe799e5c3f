"""Cases of the decision for the test vectors: releases, devices, and what each should run."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count
from typing import Any

from mobile_assets.bucketing import WHOLE_SHARE_BP, is_included
from mobile_assets.conditions import Conditions, Device, Running, RuntimeOfApp
from mobile_assets.deciding import (
    NOTHING_HELD_BACK,
    Offer,
    OfferedArtifact,
    Restraint,
    decide,
)
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release, Rollout
from mobile_assets.versions import VersionRange
from training.files import sha256_bytes

_MODEL = "produce"
_PUBLISHED_AT = "2026-11-24T12:00:00Z"
_SALT = "5f0c1d9e2b7a48369c0de4f1a2b3c4d5"
_SHARE_BP = 1000
_OTHER_BYTES = 50_000
_MB = 1_000_000
_ALL = Conditions(
    min_os={"android": "8.0", "ios": "16.0"},
    app_version=VersionRange(">=1.2.0 <3.0.0"),
    min_memory_bytes=2_000 * _MB,
    network="unmetered",
)
_Case = tuple[str, Device, Restraint]


def _make_artifact(version: str, name: str, size_bytes: int) -> OfferedArtifact:
    runtime, precision, backend, platforms = {
        "a.tflite": ("litert", "fp32", "", ("android", "ios", "web", "python")),
        "b.tflite": ("litert", "int8", "", ("android", "ios", "web", "python")),
        "c.pte": ("executorch", "fp32", "xnnpack", ("android", "ios")),
        "d.pte": ("executorch", "fp16", "vulkan", ("android",)),
        "e.mlpackage.zip": ("coreml", "fp16", "", ("ios",)),
    }[name]
    return OfferedArtifact(
        f"artifacts/{name}",
        runtime,
        precision,
        backend,
        platforms,
        "1.4.1" if runtime == "executorch" else "",
        sha256_bytes(f"{version}/{name}".encode()),
        size_bytes,
    )


def _make_offer(version: str, *names: str) -> Offer:
    sizes = {"a.tflite": 20, "b.tflite": 6, "c.pte": 21, "d.pte": 11, "e.mlpackage.zip": 10}
    return Offer(
        sha256_bytes(version.encode()),
        tuple(_make_artifact(version, name, sizes[name] * _MB) for name in names or sizes),
        _OTHER_BYTES,
    )


_OFFERS = {
    "0.9.0": _make_offer("0.9.0"),
    "1.0.0": _make_offer("1.0.0"),
    "1.1.0": _make_offer("1.1.0"),
    # In the order of the archive, which is not that of faithfulness.
    "1.2.0-rc.1": _make_offer("1.2.0-rc.1", "b.tflite", "a.tflite"),
}


def _make_release(
    current: str, rollout: str = "", share_bp: int = _SHARE_BP, **changes: Any
) -> Release:
    on_its_way = Rollout(rollout, share_bp, _SALT, _PUBLISHED_AT) if rollout else None
    versions = [PublishedVersion(version, _PUBLISHED_AT) for version in _OFFERS]
    changed = current if "deprecated" in changes else rollout or current
    return Release(
        _MODEL,
        tuple(
            replace(entry, **changes) if entry.version == changed else entry for entry in versions
        ),
        {STABLE: Channel(current, False, on_its_way), "beta": Channel("1.2.0-rc.1", True)},
    )


_RELEASES = {
    "steady": _make_release("1.1.0"),
    "oldest": _make_release("0.9.0"),
    "rollout": _make_release("1.0.0", "1.1.0"),
    "rollout of nothing": _make_release("1.0.0", "1.1.0", 0),
    "rollout to all": _make_release("1.0.0", "1.1.0", WHOLE_SHARE_BP),
    "rollout of what is current": _make_release("1.1.0", "1.1.0"),
    "conditions": _make_release("1.1.0", conditions=_ALL),
    "rollout with conditions": _make_release("1.0.0", "1.1.0", conditions=_ALL),
    "deprecated": _make_release("1.1.0", deprecated="confuses limes and lemons"),
}
RELEASES = {name: json.loads(release.to_bytes()) for name, release in _RELEASES.items()}
OFFERS = {version: asdict(offer) for version, offer in _OFFERS.items()}


def _find_device(included: bool) -> str:
    names = (f"device-{number}" for number in count(1))
    return next(name for name in names if is_included(_SALT, name, _SHARE_BP) == included)


_IN, _OUT = _find_device(True), _find_device(False)
_PHONE = Device("android", device_id=_OUT)
_LUCKY = Device("android", device_id=_IN)
_FULL = replace(
    _LUCKY,
    os_version="14",
    app_version="2.0.0",
    memory_bytes=4_000 * _MB,
    free_bytes=1_000 * _MB,
    network="unmetered",
)


def _run(version: str, device: Device = _PHONE, **changes: Any) -> Device:
    return replace(device, running=Running(version), **changes)


def _hold(*halted: str, share_bp: int = WHOLE_SHARE_BP) -> Restraint:
    return Restraint(frozenset(halted), share_bp)


def _list_steady() -> Iterator[_Case]:
    executorch, litert = RuntimeOfApp("executorch"), RuntimeOfApp("litert")
    other = Running("1.1.0", sha256_bytes(b"other"))
    yield "runs nothing", _PHONE, NOTHING_HELD_BACK
    yield "no id", Device("android"), NOTHING_HELD_BACK
    for platform in ("ios", "web", "python", "symbian"):
        yield f"on {platform}", Device(platform), NOTHING_HELD_BACK
    for version in ("0.9.0", "1.0.0", "1.1.0", "1.2.0-rc.1", "1.0.1", "7", ""):
        yield f"runs {version!r}", _run(version), NOTHING_HELD_BACK
    same = Running("1.1.0", _OFFERS["1.1.0"].manifest_sha256)
    yield "runs the same bytes", replace(_PHONE, running=same), NOTHING_HELD_BACK
    yield "runs other bytes", replace(_PHONE, running=other), NOTHING_HELD_BACK
    refused = replace(_PHONE, running=other, refused=("1.1.0",))
    yield "runs other bytes, which failed", refused, NOTHING_HELD_BACK
    yield "beta", replace(_PHONE, channel="beta"), NOTHING_HELD_BACK
    yield "beta, of two precisions", replace(_PHONE, channel="beta", precision="int8"), _hold()
    yield "from beta to stable", _run("1.2.0-rc.1"), NOTHING_HELD_BACK
    yield "no such channel", _run("1.0.0", channel="nightly"), NOTHING_HELD_BACK
    yield "links two runtimes", replace(_PHONE, runtimes=(executorch, litert)), NOTHING_HELD_BACK
    yield "links Core ML", replace(_PHONE, runtimes=(RuntimeOfApp("coreml"),)), NOTHING_HELD_BACK
    for precision in ("int8", "fp16", "palette6"):
        yield f"wants {precision}", replace(_PHONE, precision=precision), NOTHING_HELD_BACK
    fp16 = replace(_PHONE, precision="fp16", runtimes=(executorch,))
    yield "wants a delegate's precision", fp16, NOTHING_HELD_BACK
    yield "which another platform has not", replace(fp16, platform="ios"), NOTHING_HELD_BACK
    for linked in ("1.3.0", "1.4.0", "1.5.2", "1.6.0", "main"):
        runtimes = (RuntimeOfApp("executorch", linked),)
        yield f"links ExecuTorch {linked}", replace(_PHONE, runtimes=runtimes), NOTHING_HELD_BACK
        yield f"{linked}, or LiteRT", replace(_PHONE, runtimes=(*runtimes, litert)), _hold()
    yield "failed here", _run("1.0.0", refused=("1.1.0",)), NOTHING_HELD_BACK
    yield "failed while in use", _run("1.1.0", refused=("1.1.0",)), NOTHING_HELD_BACK
    for free_bytes in (0, 40_099_999, 40_100_000):
        yield f"{free_bytes} free", replace(_PHONE, free_bytes=free_bytes), NOTHING_HELD_BACK
    artifact = _OFFERS["1.1.0"].artifacts[0].sha256
    yield "has the file", replace(_PHONE, free_bytes=100_000, have=(artifact,)), _hold()
    yield "the current one halted", _run("1.0.0"), _hold("1.1.0")
    yield "halted while in use", _run("1.1.0"), _hold("1.1.0")
    yield "an old one halted while in use", _run("1.0.0"), _hold("1.0.0")
    full = _run("1.0.0", free_bytes=0)
    yield "an old one halted, and the disk full", full, _hold("1.0.0")


def _list_rolled_back() -> Iterator[_Case]:
    yield "rolled back", _run("1.1.0"), NOTHING_HELD_BACK
    yield "rolled back, and the disk full", _run("1.1.0", free_bytes=0), NOTHING_HELD_BACK
    yield "rolled back to what failed", _run("1.1.0", refused=("0.9.0",)), NOTHING_HELD_BACK


def _list_rollout() -> Iterator[_Case]:
    for device, name in ((_LUCKY, "in"), (_PHONE, "out"), (Device("android"), "no id")):
        yield f"{name}: runs nothing", device, NOTHING_HELD_BACK
        for version in ("0.9.0", "1.0.0", "1.1.0"):
            yield f"{name}: runs {version}", _run(version, device), NOTHING_HELD_BACK
            yield f"{name}: {version}, halted", _run(version, device), _hold("1.1.0")
            yield f"{name}: {version}, paused", _run(version, device), _hold(share_bp=0)
    yield "in, failed", _run("1.0.0", _LUCKY, refused=("1.1.0",)), NOTHING_HELD_BACK
    full = _run("1.1.0", _LUCKY, free_bytes=0)
    yield "in, halted, and the disk full", full, _hold("1.1.0")
    yield "in, all halted", _run("1.1.0", _LUCKY), _hold("1.0.0", "1.1.0")


def _list_conditions() -> Iterator[_Case]:
    yield "says nothing", _LUCKY, NOTHING_HELD_BACK
    yield "all hold", _FULL, NOTHING_HELD_BACK
    yield "says nothing, runs an older one", _run("1.0.0", _LUCKY), NOTHING_HELD_BACK
    yield "says nothing, runs it", _run("1.1.0", _LUCKY), NOTHING_HELD_BACK
    yield "no condition for the web", replace(_FULL, platform="web", os_version=None), _hold()
    for os_version in ("7.1.2", "8", "8.0.0", "13a"):
        yield f"Android {os_version}", replace(_FULL, os_version=os_version), NOTHING_HELD_BACK
    for os_version in ("15.8.3", "16.0"):
        device = replace(_FULL, platform="ios", os_version=os_version)
        yield f"iOS {os_version}", device, NOTHING_HELD_BACK
    for app_version in ("1.2.0-rc.1", "1.2.0", "2.9.9+77", "3.0.0-rc.1", "3.0.0", "2.0"):
        yield f"app {app_version}", replace(_FULL, app_version=app_version), NOTHING_HELD_BACK
    for memory_bytes in (1_999_999_999, 2_000_000_000):
        yield f"memory {memory_bytes}", replace(_FULL, memory_bytes=memory_bytes), _hold()
    yield "metered", replace(_FULL, network="metered"), NOTHING_HELD_BACK
    yield "metered, runs it", _run("1.1.0", _FULL, network="metered"), NOTHING_HELD_BACK
    yield "which network is not said", replace(_FULL, network=None), NOTHING_HELD_BACK


def _list_deprecated() -> Iterator[_Case]:
    yield "runs nothing", _PHONE, NOTHING_HELD_BACK
    yield "runs an older one", _run("1.0.0"), NOTHING_HELD_BACK
    yield "runs it", _run("1.1.0"), NOTHING_HELD_BACK


_CASES = {
    "steady": _list_steady,
    "oldest": _list_rolled_back,
    "rollout": _list_rollout,
    "rollout of nothing": _list_rollout,
    "rollout to all": _list_rollout,
    "rollout of what is current": _list_rollout,
    "conditions": _list_conditions,
    "rollout with conditions": _list_conditions,
    "deprecated": _list_deprecated,
}


def make_decisions() -> list[dict[str, Any]]:
    """Returns the cases, each with what `decide` says."""
    return [_describe(name, *case) for name, list_cases in _CASES.items() for case in list_cases()]


def _describe(name: str, about: str, device: Device, restraint: Restraint) -> dict[str, Any]:
    decision = decide(_RELEASES[name], device, _OFFERS, restraint)
    return {
        "about": about,
        "release": name,
        "device": device.to_json(),
        "restraint": {"halted": sorted(restraint.halted), "share_bp": restraint.share_bp},
        "decision": {
            "action": decision.action,
            "code": decision.code,
            "version": decision.version,
            "artifact": decision.artifact,
        },
    }
