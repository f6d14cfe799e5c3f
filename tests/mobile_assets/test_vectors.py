"""Python gives the test vectors that lie in the repository; the other languages have their own."""

import json
from typing import Any

import pytest

from mobile_assets.bucketing import find_bucket, is_included
from mobile_assets.errors import ManifestError, VersionError
from mobile_assets.languages import choose_language
from mobile_assets.names import parse_names
from mobile_assets.vectors import VECTORS_PATH, vectors_bytes
from mobile_assets.versions import VersionRange, compare_versions, runs_on_executorch, system_key

VECTORS: dict[str, Any] = json.loads(VECTORS_PATH.read_bytes())


def test_the_file_is_what_this_version_makes() -> None:
    assert vectors_bytes() == VECTORS_PATH.read_bytes(), (
        "decisions changed: run `python -m mobile_assets vectors`, and look at the difference"
    )


def test_buckets_and_shares() -> None:
    for case in VECTORS["bucketing"]:
        if case["bucket"] is not None:
            assert find_bucket(case["salt"], case["device_id"]) == case["bucket"]
        for share_bp, included in case["included"].items():
            assert is_included(case["salt"], case["device_id"], int(share_bp)) == included
    # As `sha256sum` says of these 34 bytes.
    assert find_bucket("0" * 32, "a") == 0xEED7A200


def test_the_order_of_versions() -> None:
    ascending = VECTORS["version_order"]["ascending"]
    for index, version in enumerate(ascending):
        for later in ascending[index + 1 :]:
            assert compare_versions(version, later) == -1, (version, later)
            assert compare_versions(later, version) == 1, (version, later)
    for left, right in VECTORS["version_order"]["same"]:
        assert compare_versions(left, right) == 0
    for text in VECTORS["version_order"]["malformed"]:
        with pytest.raises(VersionError):
            compare_versions(text, text)


def test_ranges() -> None:
    for case in VECTORS["ranges"]["cases"]:
        assert (case["version"] in VersionRange(case["range"])) == case["contains"]
    for text in VECTORS["ranges"]["malformed"]:
        with pytest.raises(VersionError):
            VersionRange(text)


def test_systems_and_runtimes() -> None:
    for case in VECTORS["systems"]["cases"]:
        left, right = system_key(case["left"]), system_key(case["right"])
        assert (left > right) - (left < right) == case["order"]
    for text in VECTORS["systems"]["malformed"]:
        with pytest.raises(VersionError):
            system_key(text)
    for case in VECTORS["executorch"]:
        assert runs_on_executorch(case["made_with"], case["linked"]) == case["runs"]


def test_languages_and_names() -> None:
    for case in VECTORS["languages"]:
        assert choose_language(case["there"], case["wanted"]) == case["chosen"], case
    names = VECTORS["names"]["valid"]
    assert parse_names(json.dumps(names).encode(), "names", tuple(names)) == names
    for text in VECTORS["names"]["refused"]:
        with pytest.raises(ManifestError):
            parse_names(text.encode(), "names", ("apple",))


def test_every_outcome_of_a_decision_is_among_the_cases() -> None:
    found = {
        (case["decision"]["action"], case["decision"]["code"])
        for case in VECTORS["decisions"]["cases"]
    }
    assert found == {
        ("take", "first"),
        ("take", "new-version"),
        ("take", "rolled-back"),
        ("take", "other-content"),
        ("none", "up-to-date"),
        ("none", "not-in-rollout"),
        ("none", "held"),
        ("none", "deprecated"),
        ("none", "conditions"),
        ("none", "nothing-fits"),
        ("none", "no-space"),
        ("none", "network"),
        ("none", "refused-here"),
        ("none", "halted"),
        ("none", "no-channel"),
        ("go-back", "halted"),
        ("go-back", "refused-here"),
        ("go-back", "withdrawn"),
    }
