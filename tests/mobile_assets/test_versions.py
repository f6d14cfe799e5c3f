import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.errors import VersionError
from mobile_assets.versions import (
    VersionRange,
    compare_versions,
    runs_on_executorch,
    system_key,
    version_key,
)

NUMBERS = st.integers(0, 12).map(str) | st.just("9007199254740993")
IDENTIFIERS = NUMBERS | st.from_regex(r"[0-9]{0,2}[A-Za-z-][0-9A-Za-z-]{0,2}", fullmatch=True)
PRERELEASES = st.lists(IDENTIFIERS, max_size=3).map(".".join)
VERSIONS = st.builds(
    lambda numbers, pre: ".".join(numbers) + (f"-{pre}" if pre else ""),
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
    PRERELEASES,
)
OPERATORS = {
    ">=": lambda order: order >= 0,
    ">": lambda order: order > 0,
    "<=": lambda order: order <= 0,
    "<": lambda order: order < 0,
    "=": lambda order: order == 0,
}


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(first: str, second: str, third: str) -> None:
    assert compare_versions(first, second) == -compare_versions(second, first)
    assert (compare_versions(first, second) == 0) == (first == second)
    low, middle, high = sorted((first, second, third), key=version_key)
    assert compare_versions(low, high) <= 0
    assert compare_versions(low, middle) <= 0 <= compare_versions(high, middle)


@given(VERSIONS, PRERELEASES.filter(bool))
def test_a_prerelease_comes_before_its_release_and_after_the_one_before(
    version: str, prerelease: str
) -> None:
    release = version.split("-")[0]
    major, minor, patch = release.split(".")
    following = f"{major}.{minor}.{int(patch) + 1}"
    assert compare_versions(f"{release}-{prerelease}", release) == -1
    assert compare_versions(release, f"{following}-{prerelease}") == -1


@given(VERSIONS, VERSIONS, st.sampled_from(list(OPERATORS)))
def test_a_range_of_one_bound_is_the_comparison(version: str, bound: str, operator: str) -> None:
    expected = OPERATORS[operator](compare_versions(version, bound))
    assert (version in VersionRange(operator + bound)) == expected


@given(VERSIONS, st.lists(st.tuples(st.sampled_from(list(OPERATORS)), VERSIONS), min_size=1))
def test_every_bound_of_a_range_must_hold(version: str, bounds: list[tuple[str, str]]) -> None:
    parts = [operator + bound for operator, bound in bounds[:8]]
    whole = " ".join(parts)
    if len(whole) <= 256:
        assert (version in VersionRange(whole)) == all(
            version in VersionRange(part) for part in parts
        )


@given(st.text(max_size=30))
def test_noise_gives_only_version_errors(noise: str) -> None:
    for read in (version_key, VersionRange, system_key):
        try:
            read(noise)
        except VersionError as error:
            assert "allowed are" in str(error)
    runs_on_executorch(noise, noise)


def test_a_version_that_is_none_names_itself_and_what_is_allowed() -> None:
    with pytest.raises(VersionError, match=r"the version '1\.2': allowed are semantic versions"):
        compare_versions("1.2", "1.2.0")
    with pytest.raises(VersionError, match=r"the range '\^1\.2\.3': allowed are 1 to 8 bounds"):
        VersionRange("^1.2.3")
    with pytest.raises(VersionError, match="the system's version '13a'"):
        system_key("13a")
