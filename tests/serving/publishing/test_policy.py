from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.release import STABLE, Channel, PublishedVersion, Release, Rollout
from serving.errors import PublishError, UnknownVersionError
from serving.publishing.policy import (
    FOR_ALL,
    Change,
    Plan,
    add_version,
    deprecate,
    pin,
    promote,
    roll_back,
    roll_out,
    unpin,
)
from tests.mobile_assets.releases import AT, NAMES, SALT

VERSIONS = tuple(PublishedVersion(name, AT) for name in NAMES)
ROLLOUT = Rollout("1.1.0", 100, SALT, AT)


def make(channel: Channel) -> Release:
    return Release("colours", VERSIONS, {STABLE: channel})


STEADY = make(Channel("1.0.0"))
ON_ITS_WAY = make(Channel("1.0.0", rollout=ROLLOUT))
PINNED = make(Channel("1.0.0", pinned=True))


def stable(release: Release) -> Channel:
    return release.channels[STABLE]


def test_the_first_version_is_for_all() -> None:
    release = add_version(None, "colours", "1.0.0", FOR_ALL)
    assert (release.names, stable(release)) == (("1.0.0",), Channel("1.0.0"))
    for plan in (Plan("beta"), Plan(share_bp=100), Plan(promoted=False)):
        with pytest.raises(PublishError, match="the first version of colours"):
            add_version(None, "colours", "1.0.0", plan)


def test_a_version_goes_where_its_plan_says() -> None:
    def publish(release: Release, plan: Plan) -> Release:
        return add_version(release, "colours", "1.2.0", plan)

    assert stable(publish(STEADY, FOR_ALL)) == Channel("1.2.0")
    assert stable(publish(STEADY, Plan(promoted=False))) == Channel("1.0.0")
    beta = publish(STEADY, Plan("beta"))
    assert (stable(beta), beta.channels["beta"]) == (Channel("1.0.0"), Channel("1.2.0"))
    rollout = stable(publish(STEADY, Plan(share_bp=100))).rollout
    assert rollout is not None
    assert (rollout.version, rollout.share_bp) == ("1.2.0", 100)
    assert stable(publish(PINNED, FOR_ALL)) == stable(PINNED)
    with pytest.raises(PublishError, match="pinned to colours"):
        publish(PINNED, Plan(share_bp=100))
    with pytest.raises(PublishError, match="is on its way in stable"):
        publish(ON_ITS_WAY, FOR_ALL)
    assert stable(publish(ON_ITS_WAY, Plan(promoted=False))).rollout == ROLLOUT


def test_a_raise_keeps_the_salt_and_a_new_rollout_has_another() -> None:
    raised = stable(roll_out(STABLE, "1.1.0", 1000)(ON_ITS_WAY)).rollout
    assert raised == replace(ROLLOUT, share_bp=1000)
    first = stable(roll_out(STABLE, "1.1.0", 1)(STEADY)).rollout
    second = stable(roll_out(STABLE, "1.1.0", 1)(STEADY)).rollout
    assert first is not None
    assert second is not None
    assert len({first.salt, second.salt, SALT}) == 3


def test_a_rollout_ends_by_promotion_or_back() -> None:
    assert stable(promote(STABLE)(ON_ITS_WAY)) == Channel("1.1.0")
    assert stable(roll_back(STABLE)(ON_ITS_WAY)) == Channel("1.0.0")
    assert stable(roll_back(STABLE, "0.9.0")(ON_ITS_WAY)) == Channel("0.9.0")
    assert stable(pin(STABLE)(ON_ITS_WAY)) == Channel("1.0.0", pinned=True)
    assert stable(unpin(STABLE)(PINNED)) == Channel("1.0.0")


@pytest.mark.parametrize(
    ("change", "release", "words"),
    [
        (promote(STABLE), STEADY, "name a version: no rollout is on its way in stable"),
        (promote(STABLE, "1.1.0"), PINNED, "pinned"),
        (promote(STABLE, "0.9.0"), ON_ITS_WAY, "1.1.0 is on its way"),
        (roll_out(STABLE, "0.9.0", 1), STEADY, "does not come after 1.0.0.* `rollback`"),
        (roll_out(STABLE, "1.1.0", 10_001), STEADY, "allowed are 0 to 100 %"),
        (roll_out("beta", "1.1.0", 1), STEADY, "no channel 'beta'; there are stable"),
        (roll_back(STABLE), STEADY, "name the version to go back to, of 0.9.0"),
        (roll_back(STABLE, "1.1.0"), STEADY, "1.1.0 comes after 1.0.0.* `promote`"),
        (roll_back(STABLE, "0.9.0"), PINNED, "pinned"),
        (deprecate("1.1.0", "bad"), ON_ITS_WAY, "is offered in stable: promote or roll back"),
        (deprecate("1.0.0", "bad"), STEADY, "is offered in stable"),
    ],
)
def test_what_makes_no_sense_is_refused(change: Change, release: Release, words: str) -> None:
    with pytest.raises(PublishError, match=words):
        change(release)


def test_a_deprecated_version_is_offered_nowhere() -> None:
    release = deprecate("1.1.0", "confuses limes")(STEADY)
    entry = release.find("1.1.0")
    assert entry is not None
    assert entry.deprecated == "confuses limes"
    for change in (promote(STABLE, "1.1.0"), roll_out(STABLE, "1.1.0", 1), pin(STABLE, "1.1.0")):
        with pytest.raises(PublishError, match="is deprecated: confuses limes"):
            change(release)


CHANGES = st.one_of(
    st.builds(promote, st.sampled_from([STABLE, "beta"]), st.none() | st.sampled_from(NAMES)),
    st.builds(roll_out, st.just(STABLE), st.sampled_from(NAMES), st.integers(0, 10_000)),
    st.builds(roll_back, st.just(STABLE), st.none() | st.sampled_from(NAMES)),
    st.builds(pin, st.just(STABLE), st.none() | st.sampled_from(NAMES)),
    st.builds(unpin, st.just(STABLE)),
    st.builds(deprecate, st.sampled_from(NAMES), st.just("bad")),
)


@given(st.lists(CHANGES, max_size=8))
def test_whatever_is_done_versions_stay_and_the_release_can_be_read(changes: list[Change]) -> None:
    release = STEADY
    for change in changes:
        try:
            release = change(release)
        except PublishError:
            continue
    assert [replace(entry, deprecated=None) for entry in release.versions] == list(VERSIONS)
    assert Release.from_bytes(release.to_bytes()) == release
    for channel in release.channels.values():
        for version in [channel.current, *([channel.rollout.version] if channel.rollout else [])]:
            entry = release.find(version)
            assert entry is not None
            assert entry.deprecated is None


def test_an_unknown_version_names_those_that_are_published() -> None:
    for change in (promote(STABLE, "9.0.0"), deprecate("9.0.0", "bad"), pin(STABLE, "9.0.0")):
        with pytest.raises(UnknownVersionError, match="published are: "):
            change(STEADY)
