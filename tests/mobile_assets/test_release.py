import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.errors import ManifestError
from mobile_assets.release import Release

GOOD = {
    "schema": "ghostlens.release/1",
    "model": "colours",
    "current": "1.1.0-rc.1",
    "versions": ["1.0.0", "1.1.0-rc.1"],
}


def test_round_trip() -> None:
    release = Release("colours", "1.0.0", ("1.0.0", "1.1.0-rc.1"))
    assert Release.from_bytes(release.to_bytes()) == release
    assert json.loads(release.to_bytes()) == GOOD | {"current": "1.0.0"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"current": "2.0.0"}, r"current is '2\.0\.0': allowed are \['1\.0\.0', '1\.1"),
        ({"current": "../1"}, "current is"),
        ({"model": "../x"}, "model is"),
        ({"versions": []}, "versions is"),
        ({"versions": ["1.1.0-rc.1", "1.1.0-rc.1"]}, "repeat"),
        ({"versions": ["1.1.0-rc.1", "01.0.0"]}, r"versions\[1\]"),
        ({"schema": "ghostlens.release/2"}, "newer"),
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
