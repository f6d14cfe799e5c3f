from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.bucketing import is_included
from mobile_assets.bundle import open_bundle
from mobile_assets.conditions import Device, Running
from mobile_assets.deciding import (
    ACTIONS,
    CODES,
    GO_BACK,
    NONE,
    TAKE,
    Offer,
    Restraint,
    decide,
    object_to_taking,
)
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release, Rollout
from tests.mobile_assets.releases import (
    AT,
    NAMES,
    OFFERS,
    SALT,
    SHARES_BP,
    devices,
    releases,
    restraints,
)


@given(releases(), devices, restraints)
def test_whatever_is_asked_there_is_one_answer(
    release: Release, device: Device, restraint: Restraint
) -> None:
    decision = decide(release, device, OFFERS, restraint)
    assert decision.action in ACTIONS
    assert CODES[decision.code].split(":")[0].count(decision.action) == 1
    assert decision.reason
    assert (decision.artifact is not None) == (decision.action == TAKE)
    assert decision == decide(release, device, OFFERS, restraint)


@given(releases(), devices, restraints)
def test_what_the_policy_forbids_is_never_offered(
    release: Release, device: Device, restraint: Restraint
) -> None:
    decision = decide(release, device, OFFERS, restraint)
    if decision.action != TAKE:
        return
    version = decision.version
    assert version is not None
    channel, entry = release.channels[device.channel], release.find(version)
    rollout = channel.rollout
    assert version == channel.current or (
        rollout is not None
        and version == rollout.version
        and is_included(rollout.salt, device.device_id, rollout.share_bp)
        and is_included(rollout.salt, device.device_id, restraint.share_bp)
    )
    assert entry is not None
    assert entry.deprecated is None
    assert version not in device.refused
    assert version not in restraint.halted
    assert entry.conditions is None or entry.conditions.find_unmet(device) is None
    assert device.running is None or device.running != Running(version)
    # So a client that holds the answer against the signed policy alone takes it too.
    assert object_to_taking(release, device, version, OFFERS[version]) is None


@given(releases(), devices, restraints)
def test_a_server_can_only_hold_back(
    release: Release, device: Device, restraint: Restraint
) -> None:
    held = decide(release, device, OFFERS, restraint)
    free = decide(release, device, OFFERS)
    if held.action == TAKE and (free.action, free.version) != (held.action, held.version):
        assert held.version == release.channels[device.channel].current
    if held.action == GO_BACK and free.action != GO_BACK:
        assert device.running is not None
        assert restraint.halted or restraint.share_bp < 10_000


@given(releases(), devices, SHARES_BP, SHARES_BP)
def test_raising_the_share_takes_the_version_from_nobody(
    release: Release, device: Device, one_bp: int, other_bp: int
) -> None:
    low_bp, high_bp = sorted((one_bp, other_bp))
    device = replace(device, channel=STABLE, running=None)
    answers = []
    for share_bp in (low_bp, high_bp):
        channel = Channel("0.9.0", False, Rollout("1.1.0", share_bp, SALT, AT))
        answers.append(decide(replace(release, channels={STABLE: channel}), device, OFFERS))
    if answers[0].version == "1.1.0" and answers[0].action == TAKE:
        assert answers[1] == answers[0]


@given(releases(), devices, restraints)
def test_a_device_that_did_as_told_is_left_in_peace(
    release: Release, device: Device, restraint: Restraint
) -> None:
    first = decide(release, device, OFFERS, restraint)
    if first.action == TAKE:
        assert first.version is not None
        running = Running(first.version, OFFERS[first.version].manifest_sha256)
        device = replace(device, running=running)
    elif first.action == GO_BACK:
        device = replace(device, running=None)
    again = decide(release, device, OFFERS, restraint)
    assert again.action == NONE, (first, again)


@pytest.mark.parametrize("current", NAMES)
def test_a_version_that_a_client_was_told_of_must_be_of_its_channel(current: str) -> None:
    versions = tuple(PublishedVersion(name, AT) for name in NAMES)
    release = Release("colours", versions, {STABLE: Channel(current)})
    for version in NAMES:
        objection = object_to_taking(release, Device("web"), version, OFFERS[version])
        assert (objection is None) == (version == current)
        assert objection is None or objection.code == "not-offered"


@given(st.data())
def test_words_name_what_there_is(data: st.DataObject) -> None:
    release = data.draw(releases())
    answer = decide(release, Device("web", channel="nightly"), OFFERS)
    assert (
        answer.reason == f"there is no channel 'nightly': there are {', '.join(release.channels)}"
    )


def test_an_offer_counts_what_a_phone_downloads(bundle_path: Path) -> None:
    bundle = open_bundle(bundle_path)
    size_bytes = len(bundle.manifest_bytes)
    offer = Offer.from_manifest(bundle.manifest, "0" * 64, size_bytes)
    pulled_bytes = [
        file.size_bytes
        for file in bundle.manifest.files
        if file.role in ("labels", "golden", "licence")
    ]
    assert offer.other_bytes == size_bytes + sum(pulled_bytes)
    artifact = offer.choose_artifact(Device("android"))
    assert artifact is not None
    assert artifact.runtime == "litert"
