import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.errors import ManifestError
from mobile_assets.release import Release
from tests.mobile_assets.releases import AT, SALT, releases


def entry(version: str) -> dict[str, Any]:
    return {"version": version, "published_at": AT, "conditions": None, "deprecated": None}


ROLLOUT = {"version": "1.1.0-rc.1", "share_bp": 100, "salt": SALT, "started_at": AT}
STABLE = {"current": "1.0.0", "pinned": False, "rollout": ROLLOUT}
GOOD = {
    "schema": "ghostlens.release/2",
    "model": "colours",
    "versions": [entry("1.0.0"), entry("1.1.0-rc.1")],
    "channels": {"stable": STABLE},
}


@given(releases())
def test_round_trip(release: Release) -> None:
    assert Release.from_bytes(release.to_bytes()) == release


def test_the_layout_is_that_of_the_contract() -> None:
    release = Release.from_bytes(json.dumps(GOOD).encode())
    assert json.loads(release.to_bytes()) == GOOD
    assert release.names == ("1.0.0", "1.1.0-rc.1")
    assert release.current == "1.0.0"


def stable(**changes: Any) -> dict[str, Any]:
    return {"channels": {"stable": STABLE | changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (stable(current="2.0.0"), r"channels\.stable\.current is '2\.0\.0': allowed are \['1\.0"),
        (stable(current="../1"), r"channels\.stable\.current is"),
        (stable(pinned=0), r"pinned is 0: it must be true or false"),
        (stable(rollout=ROLLOUT | {"version": "3.0.0"}), r"rollout\.version is '3\.0\.0'"),
        (stable(rollout=ROLLOUT | {"share_bp": 10_001}), r"share_bp is 10001"),
        (stable(rollout=ROLLOUT | {"share_bp": 0.5}), r"share_bp is 0\.5"),
        (stable(rollout=ROLLOUT | {"salt": "aa"}), "32 lower-case hexadecimal digits"),
        (stable(rollout=ROLLOUT | {"started_at": "2026-11-24"}), "RFC 3339"),
        (stable(rollout=ROLLOUT | {"started_at": "2026-02-30T12:00:00Z"}), "no such day"),
        ({"channels": {}}, "channels has no 'stable'"),
        ({"channels": {"stable": STABLE, "Beta": STABLE}}, r"channels\.Beta is .*a letter first"),
        ({"model": "../x"}, "model is"),
        ({"versions": []}, "versions is"),
        ({"versions": [entry("1.0.0"), entry("1.0.0")]}, "repeat"),
        ({"versions": [entry("1.0.0"), entry("01.0.0")]}, r"versions\[1\]\.version"),
        ({"schema": "ghostlens.release/3"}, "newer"),
        ({"schema": "ghostlens.release/1"}, r"allowed is 'ghostlens.release/2'"),
        ({"extra": 1}, "extra is not known"),
    ],
)
def test_bad_values_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        Release.from_bytes(json.dumps(GOOD | changes).encode())


@given(st.binary(max_size=100))
def test_noise_gives_only_manifest_errors(noise: bytes) -> None:
    with pytest.raises(ManifestError):
        Release.from_bytes(noise)
