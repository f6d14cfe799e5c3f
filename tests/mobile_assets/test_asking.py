import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_assets import asking, placing
from mobile_assets import client as client_module
from mobile_assets.asking import ServerAnswer
from mobile_assets.bundle import open_bundle
from mobile_assets.cli import main
from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device
from mobile_assets.deciding import Decision
from mobile_assets.errors import ManifestError, PullError, SelfTestError
from mobile_assets.reading import Node
from mobile_assets.release import STABLE, Channel, Rollout
from mobile_assets.selftest import SelfTestReport
from mobile_assets.trust import TrustedRepository
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import LITERT, MODEL
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import PUBLISHED_AT, Repository, Server
from tests.mobile_assets.test_attacks import republish, turn_answers
from tests.mobile_assets.test_transfer import serve_app
from tests.mobile_assets.wire import Wire

DEVICE = Device("android", app_version="1.0.0")


@pytest.fixture
def phone(wire: Wire, repository: Repository, tmp_path: Path) -> Iterator[BundleClient]:
    with serve_app(wire) as url:
        yield BundleClient(tmp_path / "cache", url, repository.trusted_root, timeout_s=5)


def waiting(client: BundleClient) -> list[Path]:
    return list((client.cache_dir / MODEL / "reports").glob("*.json"))


def test_an_update_takes_tests_reports_and_is_up_to_date(
    phone: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    first = phone.update(MODEL, DEVICE)
    assert first.check.decision.code == "first" and first.pull is not None
    assert version_in_use(phone) == "1.0.0" and not waiting(phone)
    again = phone.update(MODEL, DEVICE)
    assert (again.check.decision.code, again.pull) == ("up-to-date", None)
    repository.add(second_bundle_path)
    assert phone.check(MODEL, DEVICE).decision.code == "new-version"
    assert version_in_use(phone) == "1.0.0", "a check changes nothing"
    phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.1.0"


def test_a_check_that_finds_nothing_new_fetches_no_file(phone: BundleClient, wire: Wire) -> None:
    phone.update(MODEL, DEVICE)
    wire.fetched_bytes.clear()
    assert phone.update(MODEL, DEVICE).check.decision.code == "up-to-date"
    assert not wire.fetched_bytes


def test_a_device_keeps_its_id_and_only_those_included_take_a_rollout(
    phone: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    phone.update(MODEL, DEVICE)
    device_id = (phone.cache_dir / ".device-id").read_text()
    repository.add(second_bundle_path)
    rollout = Rollout("1.1.0", 10_000, "0" * 32, PUBLISHED_AT)
    repository.put_release(MODEL, {STABLE: Channel("1.0.0", rollout=rollout)})
    nobody = replace(DEVICE, device_id="")
    assert phone.update(MODEL, nobody).check.decision.code == "not-in-rollout"
    phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.1.0"
    assert (phone.cache_dir / ".device-id").read_text() == device_id


def test_a_server_can_hold_back_and_never_widen(
    phone: BundleClient,
    repository: Repository,
    second_bundle_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.add(second_bundle_path)
    repository.set_current(MODEL, "1.0.0")

    def answer(action: str, version: str, sha256: str | None) -> None:
        said = ServerAnswer(Decision(action, "halted", "said so", version), sha256, 60)
        monkeypatch.setattr(client_module, "ask_server", lambda *_: said)

    answer("none", "1.0.0", None)
    assert phone.update(MODEL, DEVICE).pull is None
    answer("take", "1.1.0", "0" * 64)
    assert phone.update(MODEL, DEVICE).check.decision.code == "not-offered"
    answer("take", "1.0.0", "0" * 64)
    assert phone.update(MODEL, DEVICE).check.decision.code == "not-offered"
    phone.pull(MODEL, "android")
    answer("go-back", "1.0.0", None)
    phone.update(MODEL, DEVICE)
    assert phone.start(MODEL) is None


def test_a_failed_self_test_is_reported_and_not_offered_again(
    phone: BundleClient, wire: Wire, repository: Repository, second_bundle_path: Path
) -> None:
    phone.update(MODEL, DEVICE)
    repository.add(second_bundle_path)
    second = open_bundle(second_bundle_path)
    republish(repository, second, turn_answers(second.manifest))
    with pytest.raises(SelfTestError, match="expected 'blue'"):
        phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.0.0" and not waiting(phone)
    passed, failed = wire.reports
    assert (passed["version"], passed["passed"]) == ("1.0.0", True)
    assert (failed["version"], failed["passed"], failed["event"]) == ("1.1.0", False, "self-test")
    assert failed["figures"]["max_probability_difference"] > 0.02
    assert phone.update(MODEL, DEVICE).check.decision.code == "refused-here"
    republish(repository, second, second.manifest)
    assert phone.update(MODEL, replace(DEVICE, app_version="1.0.1")).pull is not None


def test_the_report_tells_how_long_the_self_test_took_not_the_download(
    phone: BundleClient, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    download, test = TrustedRepository.download, placing.run_golden

    def download_slowly(*what: Any, **more: Any) -> None:
        now_s[0] += 100
        download(*what, **more)

    def test_quickly(*what: Any) -> SelfTestReport:
        now_s[0] += 2
        return test(*what)

    monkeypatch.setattr(placing.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(TrustedRepository, "download", download_slowly)
    monkeypatch.setattr(placing, "run_golden", test_quickly)
    phone.update(MODEL, DEVICE)
    [report] = wire.reports
    assert report["figures"]["duration_ms"] == pytest.approx(2000)


def test_reports_that_cannot_be_sent_wait_and_stop_nothing(
    phone: BundleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(client_module.Reports, "send", lambda *_: 0)
        phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.0.0" and len(waiting(phone)) == 1
    phone.update(MODEL, DEVICE)
    assert not waiting(phone)


def test_a_newer_server_may_say_more(phone: BundleClient, wire: Wire) -> None:
    def say_more(answer: dict[str, Any]) -> None:
        answer["please"] = {"be": "quick"}
        answer["manifest"]["signed_by"] = "us"
        for file in answer["files"]:
            file["colour"] = "blue"

    wire.change_answer = say_more
    assert phone.update(MODEL, DEVICE).pull is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "dance"}, "action is 'dance': allowed are none, take, go-back"),
        ({"action": None}, "action is None"),
        ({"check_again_s": -1}, "check_again_s"),
        ({"manifest": {}}, "manifest.sha256 is missing"),
        ({"files": 7}, "files is 7"),
        ({"files": [{"url": "https://caches/x"}]}, "path is missing"),
    ],
)
def test_a_malformed_answer(
    phone: BundleClient, wire: Wire, change: dict[str, Any], message: str
) -> None:
    phone.update(MODEL, DEVICE)
    wire.change_answer = lambda answer: answer.update(change)
    with pytest.raises(ManifestError, match=message):
        phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.0.0"


ANSWER = {
    "model": MODEL,
    "channel": "stable",
    "action": "take",
    "code": "first",
    "reason": "you run none yet",
    "version": "1.0.0",
    "manifest": {"url": "/m", "sha256": "0" * 64, "size_bytes": 1},
    "files": [{"path": "labels.txt", "role": "labels", "sha256": "0" * 64, "url": "/f"}],
    "check_again_s": 60,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*ANSWER, "more"]), VALUES, max_size=3), st.data())
def test_any_answer_is_read_or_refused(change: dict[str, Any], data: st.DataObject) -> None:
    answer = {**ANSWER, **change}
    for name in data.draw(st.lists(st.sampled_from([*ANSWER]), max_size=1)):
        answer.pop(name, None)
    try:
        read = asking.read_answer(json.dumps(answer).encode(), "https://us", MODEL)
    except ManifestError:
        return
    assert read.decision.action == answer["action"] and read.files_url is None


def test_files_come_from_where_the_server_says_and_are_verified(
    repository: Repository, tmp_path: Path
) -> None:
    with Server(repository.folder / "targets").running() as caches:
        wire = Wire(create_app(Settings(repository.folder, files_url=f"{caches.url}/")))
        with serve_app(wire) as url:
            phone = BundleClient(tmp_path / "cache", url, repository.trusted_root, timeout_s=5)
            caches.requested.clear()
            phone.update(MODEL, DEVICE)
            assert version_in_use(phone) == "1.0.0"
            assert not wire.list_fetched(LITERT)
            assert sum(LITERT in path for path in caches.requested) == 1


@pytest.mark.parametrize("folder", ["a/b", ""])
def test_the_address_of_files_is_found_in_the_answer(folder: str) -> None:
    sha256 = "0" * 64
    stored = f"colours/1.0.0/golden/{sha256}.a.jpg"
    file = {"path": "golden/a.jpg", "sha256": sha256}
    base = f"https://caches/{folder}".rstrip("/")

    def find(url: str, server: str = "https://us") -> str | None:
        root = Node({"files": [{**file, "url": url}]}, "", "answer")
        return asking.find_files_url(root, server, "colours/1.0.0")

    assert find(f"{base}/{stored}") == base
    assert find(f"/targets/{stored}") is None
    assert find(f"{base}/elsewhere") is None
    assert find(f"https://[/{stored}") is None and find(f"https:///{stored}") is None
    plain = f"{base}/{stored}".replace("https:", "http:")
    assert find(plain) is None, "who looks at https:// shall not be seen over http://"
    assert find(plain, "http://us") == base.replace("https:", "http:")


def test_a_server_that_is_gone(phone: BundleClient) -> None:
    phone.update(MODEL, DEVICE)
    phone.base_url = "http://127.0.0.1:9"
    with pytest.raises(PullError, match="unreachable"):
        phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.0.0"


def test_the_command_does_as_an_app_does(phone: BundleClient, tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(phone.trusted_root)
    where = ["--url", phone.base_url, "--root", str(tmp_path / "root.json")]
    words = ["update", MODEL, *where, "--platform", "android", "--out", str(phone.cache_dir)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "take: you run none yet (first)" in done.output
    done = CliRunner().invoke(main, [*words, "--channel", "nightly"])
    assert "(no-channel)" in done.output
    done = CliRunner().invoke(main, ["pull", *words[1:], "--channel", "nightly"])
    assert "no channel 'nightly'" in done.output
    assert version_in_use(phone) == "1.0.0"
