from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.deciding import Restraint
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release, Rollout
from serving import rollouts
from serving.reports import Report, take_report
from serving.rollouts import HALTED, PAUSED, Rollouts
from serving.rule import Counts, Rule
from serving.state.audit import list_entries
from serving.state.database import Database
from serving.state.times import now_ms
from tests.mobile_assets.releases import AT, SALT

NEW = "1.1.0"
VERSIONS = (PublishedVersion("1.0.0", AT), PublishedVersion(NEW, AT))


def at_share(share_bp: int, salt: str = SALT) -> Release:
    channel = Channel("1.0.0", rollout=Rollout(NEW, share_bp, salt, AT))
    return Release("colours", VERSIONS, {STABLE: channel})


class Server:
    """A server process's view of the state, and phones that report to it."""

    def __init__(self, place: Path | str) -> None:
        self.place, self.database = place, Database(place)
        self.rollouts = Rollouts(self.database)
        self.sent = 0
        self.others: list[Server] = []

    def open_another(self) -> "Server":
        """Returns another process's view."""
        self.others.append(Server(self.place))
        return self.others[-1]

    def close(self) -> None:
        for server in (self, *self.others):
            server.database.close()

    def report(self, release: Release, device: str, passed: bool, version: str = NEW) -> bool:
        self.sent += 1
        found = Report(f"{id(self)}-{self.sent}", device, version, "self-test", passed, {})
        return take_report(self.database, self.rollouts, release, found)

    def offer(self, *devices: str) -> None:
        for device in devices:
            self.rollouts.note_offer("colours", NEW, device)

    def restrain(self, release: Release) -> Restraint:
        return self.rollouts.restrain(release, STABLE)

    def list_actions(self) -> list[str]:
        with self.database.read() as connection:
            return [entry.action for entry in list_entries(connection)]


@pytest.fixture
def server(state_place: Path | str) -> Iterator[Server]:
    made = Server(state_place)
    yield made
    made.close()


def name(count: int, start: int = 0) -> list[str]:
    return [f"phone-{number}" for number in range(start, start + count)]


def test_the_first_share_takes_effect_at_once(server: Server) -> None:
    assert server.restrain(at_share(100)) == Restraint(share_bp=100)
    assert server.restrain(at_share(100)) == Restraint(share_bp=100)
    assert server.list_actions() == ["start"]


def test_a_raise_waits_for_twenty_reports_at_the_share_before(server: Server) -> None:
    server.restrain(at_share(100))
    server.offer(*name(30))
    assert server.restrain(at_share(1000)) == Restraint(share_bp=100)
    for device in name(19):
        server.report(at_share(1000), device, True)
    assert server.restrain(at_share(1000)) == Restraint(share_bp=100)
    server.report(at_share(1000), "phone-19", True)
    assert server.restrain(at_share(1000)) == Restraint(share_bp=1000)
    # What was reported at 1 % says nothing of 10 %.
    assert server.restrain(at_share(10_000)) == Restraint(share_bp=1000)
    assert server.list_actions() == ["start", "hold", "raise", "hold"]


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    later_ms = now_ms() + 1000 * seconds
    monkeypatch.setattr(rollouts, "now_ms", lambda: later_ms)


def test_a_raise_waits_for_all_devices_where_there_are_few(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.restrain(at_share(100))
    pass_time(monkeypatch, 5400)
    assert server.restrain(at_share(1000)).share_bp == 100, "nobody was offered it yet"
    server.offer("a", "b")
    server.report(at_share(1000), "a", True)
    assert server.restrain(at_share(1000)).share_bp == 100
    server.report(at_share(1000), "b", True)
    assert server.restrain(at_share(1000)).share_bp == 1000


def test_the_first_device_that_asks_is_not_all_of_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.restrain(at_share(100))
    server.restrain(at_share(1000))
    server.offer("a")
    server.report(at_share(1000), "a", True)
    assert server.restrain(at_share(1000)).share_bp == 100
    # Nobody reports any more; time alone tells that the others had the chance to ask.
    pass_time(monkeypatch, 5000)
    assert server.restrain(at_share(1000)).share_bp == 100
    pass_time(monkeypatch, 5400 + 60)
    assert server.restrain(at_share(1000)).share_bp == 1000
    assert server.list_actions() == ["start", "hold", "raise"]


def test_failures_too_few_to_halt_keep_a_raise_waiting(server: Server) -> None:
    server.restrain(at_share(100))
    server.offer("a", "b")
    for device in ("a", "b"):
        server.report(at_share(1000), device, False)
    assert server.restrain(at_share(1000)) == Restraint(share_bp=100)
    server.rollouts.resume("colours", NEW, "ann", "both were rooted phones")
    assert server.restrain(at_share(1000)) == Restraint(share_bp=1000)


def test_a_lower_share_takes_effect_at_once(server: Server) -> None:
    server.restrain(at_share(1000))
    assert server.restrain(at_share(100)) == Restraint(share_bp=100)
    assert server.list_actions() == ["start", "lower"]


def test_a_rollout_that_fails_is_halted_and_only_a_person_ends_that(server: Server) -> None:
    release = at_share(100)
    server.restrain(release)
    for device in name(3):
        assert not server.restrain(release).halted
        server.report(release, device, False)
    assert server.restrain(release).halted == {NEW}
    for device in name(200):
        server.report(release, device, True)
    assert server.restrain(release).halted == {NEW}
    server.rollouts.resume("colours", NEW, "ann", "the test photos were wrong")
    assert server.restrain(release) == Restraint(share_bp=100)
    assert server.rollouts.count("colours", NEW) == Counts(0, 0, 0)
    assert server.list_actions() == ["start", "halt", "resume"]


def test_a_halt_holds_in_every_process_that_shares_the_state(server: Server) -> None:
    release, other = at_share(100), server.open_another()
    assert other.restrain(release) == server.restrain(release)
    for device in name(3):
        server.report(release, device, False)
    assert other.restrain(release).halted == {NEW}
    other.rollouts.resume("colours", NEW, "ann", "all is well")
    assert not server.restrain(release).halted
    server.rollouts.hold("colours", "1.0.0", HALTED, "ann", "recalled")
    assert other.restrain(release).halted == {"1.0.0"}


def test_reports_of_many_threads_are_all_counted(server: Server) -> None:
    release = at_share(10_000)
    with ThreadPoolExecutor(8) as pool:
        others = [server.open_another() for _ in range(8)]
        results = pool.map(
            lambda number: others[number % 8].report(release, f"phone-{number}", number % 4 > 0),
            range(64),
        )
        assert all(results)
    assert server.rollouts.count("colours", NEW) == Counts(0, 64, 16)
    assert server.restrain(release).halted == {NEW}
    assert server.list_actions().count("halt") == 1


def test_a_device_counts_once_by_its_latest_report(server: Server) -> None:
    release = at_share(100)
    for passed in (False, False, False, True):
        server.report(release, "phone", passed)
    assert server.rollouts.count("colours", NEW) == Counts(0, 1, 0)
    found = Report("same", "other", NEW, "start", False, {})
    assert take_report(server.database, server.rollouts, release, found)
    repeated = replace(found, device_id="third")
    assert not take_report(server.database, server.rollouts, release, repeated)
    assert server.rollouts.count("colours", NEW) == Counts(0, 2, 1)


def test_a_version_that_is_not_rolled_out_is_not_halted_by_itself(server: Server) -> None:
    for device in name(10):
        server.report(at_share(100), device, False, version="1.0.0")
    assert not server.restrain(at_share(100)).halted


def test_a_pause_offers_it_to_nobody_new(server: Server) -> None:
    release = at_share(5000)
    server.rollouts.hold("colours", NEW, PAUSED, "ann", "the weekend")
    assert server.restrain(release) == Restraint(share_bp=0)
    server.rollouts.resume("colours", NEW, "ann", "monday")
    assert server.restrain(release) == Restraint(share_bp=5000)


def test_a_resume_takes_the_signed_share_also_where_nobody_asked_since(server: Server) -> None:
    server.rollouts.resume("colours", NEW, "ann", "one phone only", at_share(5000))
    assert server.restrain(at_share(5000)) == Restraint(share_bp=5000)
    server.rollouts.resume("colours", NEW, "ann", "for all of us", at_share(10_000))
    assert server.restrain(at_share(10_000)) == Restraint(share_bp=10_000)


def test_a_report_before_the_first_check_begins_no_rollout(server: Server) -> None:
    server.report(at_share(5000), "a", True)
    assert not server.list_actions()


def test_another_rollout_of_a_channel_begins_anew(server: Server) -> None:
    server.restrain(at_share(10_000))
    assert server.restrain(at_share(100, "f" * 32)) == Restraint(share_bp=100)


def test_without_its_state_a_server_offers_nothing_new(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"x" * 4096)
    broken = Server(tmp_path)
    assert broken.restrain(at_share(10_000)) == Restraint(share_bp=0)
    unknown = broken.rollouts.restrain(at_share(100), "nightly")
    assert unknown == Restraint()


@given(st.integers(0, 200), st.integers(0, 200))
def test_more_failures_never_end_a_halt_and_more_passes_never_cause_one(
    failing: int, passing: int
) -> None:
    rule, reported = Rule(), failing + passing
    if rule.stops(failing, reported):
        assert rule.stops(failing + 1, reported + 1)
    else:
        assert not rule.stops(failing, reported + 1)
    assert not rule.stops(min(failing, 2), reported)
