"""A thousand phones, a server that is killed, two bad versions: what must hold for each phone.

The story is told once for all tests of this file.
"""

from collections.abc import Iterator

import pytest

from serving.state.audit import SERVER, find_break
from tests.fleet.bundles import CRASHING, FIRST, SECOND, WRONG
from tests.fleet.fleet import AT_ONCE, LEAST_REPORTS, Fleet
from tests.fleet.phones import BUILT_IN, Phone
from tests.fleet.story import tell

PHONES = 1000
# Of all phones, besides those that a round is about; docs/studies/fleet.py uses all in each round.
USED_SHARE = 0.1
BAD = (WRONG, CRASHING)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("fleet"), PHONES)
    try:
        tell(made, USED_SHARE)
        yield made
    finally:
        assert "Traceback" not in made.server.stop()


def list_who_ran(fleet: Fleet, version: str) -> list[Phone]:
    return [phone for phone in fleet.phones if version in phone.life.ran]


def test_no_phone_is_ever_without_a_working_model_or_runs_unverified_bytes(fleet: Fleet) -> None:
    assert not fleet.observer.faults
    assert all(phone.life.ran for phone in fleet.phones)
    for phone in fleet.phones:
        assert not set(phone.life.ran[-1:]) & set(BAD), (phone.name, phone.life)


def test_raising_the_share_only_ever_adds_devices(fleet: Fleet) -> None:
    for phone in list_who_ran(fleet, SECOND):
        since = phone.life.ran[phone.life.ran.index(SECOND) :]
        # Only the rollback takes it away.
        assert since.count(FIRST) <= 1, phone.life
        if FIRST in since:
            assert since[-1] == FIRST and phone.life.codes["rolled-back"], phone.life
    at_1, at_10, at_100 = (fleet.reached[share_bp] for share_bp in (100, 1000, 10_000))
    assert at_1 < fleet.included[100] < at_10 < at_100
    assert at_10 == fleet.included[1000]


def test_a_raise_waits_for_reports(fleet: Fleet) -> None:
    of_it = [x for x in fleet.list_log() if x.version == SECOND and x.actor == SERVER]
    assert [entry.action for entry in of_it] == ["start", "hold", "raise", "raise"]
    assert [entry.details["share_bp"] for entry in of_it] == [100, 1000, 1000, 10_000]
    held, raised = of_it[1:3]
    assert 0 < held.details["reported"] < LEAST_REPORTS <= raised.details["reported"]
    assert any(phone.life.codes["held"] for phone in fleet.phones)


@pytest.mark.parametrize("version", BAD)
def test_a_bad_version_is_halted_by_the_server_before_5_percent_ran_it(
    fleet: Fleet, version: str
) -> None:
    decided = [entry for entry in fleet.list_log() if entry.version == version]
    assert [entry.action for entry in decided if entry.actor == SERVER] == ["start", "halt"]
    ran = list_who_ran(fleet, version)
    failed = [x for x in fleet.phones if version in x.life.failed + x.life.crashed]
    assert 0 < len(ran) < 0.05 * PHONES
    assert 3 <= len(failed) < 0.05 * PHONES
    assert fleet.observer.taken[version] < 0.05 * PHONES


def test_a_halt_takes_those_back_who_run_the_version(fleet: Fleet) -> None:
    back = [x for x in list_who_ran(fleet, WRONG) if x.life.ran[-1] != WRONG]
    assert back == list_who_ran(fleet, WRONG)
    for phone in list_who_ran(fleet, CRASHING):
        assert phone.life.ran[-1] != CRASHING


def test_a_killed_server_forgets_nothing_and_the_phones_go_on(fleet: Fleet) -> None:
    lost = [phone for phone in fleet.phones if phone.life.unreachable]
    assert lost
    assert all(SECOND in phone.life.ran for phone in lost)
    reported = fleet.count(SECOND)
    assert reported.failing == 0
    # The last report of a phone may still wait for the next time that it is used.
    assert len(list_who_ran(fleet, SECOND)) - AT_ONCE <= reported.reported
    assert find_break(fleet.list_log()) is None


def test_new_phones_begin_with_what_they_were_shipped_with(fleet: Fleet) -> None:
    new = list_who_ran(fleet, BUILT_IN)
    assert new
    for phone in new:
        assert phone.life.ran[:2] == [BUILT_IN, FIRST]


def test_a_rollback_reaches_the_phones(fleet: Fleet) -> None:
    back = [phone for phone in fleet.rolled_back if phone.life.ran[-1] == FIRST]
    assert back == fleet.rolled_back
    assert 2 * len(fleet.told_late) < len(back)
