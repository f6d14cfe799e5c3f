"""How a model comes to the scan page: first, as an update, over bad networks, and back."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from conversion.artifact import read_build
from mobile_assets.bundle import write_bundle
from mobile_assets.deltas import delta_path, make_delta
from serving.access.keys import Wish, create_key
from serving.settings import Settings
from serving.state.database import Database
from tests.mobile_assets.builds import (
    COLOURS,
    answer_all,
    make_build,
    make_photo,
    score_all,
    write_parity,
)
from tests.mobile_assets.repositories import Repository
from tests.scan.conftest import CheckAccessibility
from tests.scan.proxy import Change, Proxy
from tests.scan.test_staff import FILL_DEVICE
from tests.serving.test_server import serve
from training.files import sha256_bytes

GOOD, NEWER, WRONG = "1.0.0", "1.1.0", "1.2.0"
# All that the page is made of. A model of 10 MB and the runtime then are a first visit of 15 MB.
MOST_BEFORE_MODEL_BYTES = 200_000
MOST_RUNTIME_BYTES = 4_800_000
# Looks for a new service worker, and returns what becomes of it.
UPDATE_WORKER = """async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    await registration.update();
    const worker = registration.installing ?? registration.active;
    return new Promise((resolve) => {
        worker.onstatechange = () => {
            if (worker.state === "activated") resolve("activated");
            if (worker.state === "redundant") resolve("another build");
        };
    });
}"""


def make_bundle(folder: Path, version: str) -> Path:
    """A version; of the wrong one, what is expected of the golden photos is not what it answers."""
    build = make_build(folder / version, version, strength=0.05 if version == NEWER else 0.02)
    if version == WRONG:
        artifacts = read_build(build).artifacts
        data = (build / artifacts[0].file_name).read_bytes()
        answers = answer_all(data)
        turned = dict(zip(answers, [*list(answers.values())[1:], answers["red"]], strict=True))
        write_parity(build, artifacts, turned, score_all(data))
    return write_bundle(build, folder / f"{version}.zip")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Publishes three versions; each test says which is the current one."""
    folder = tmp_path_factory.mktemp("shop")
    made = Repository(folder / "repository")
    for version in (GOOD, NEWER, WRONG):
        made.add(make_bundle(folder, version))
    return made


@pytest.fixture(scope="module")
def way(shop: Repository) -> Iterator[Proxy]:
    """The way to a server of it."""
    with serve(shop.folder) as (address, _), Proxy(address).running() as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def start_anew(shop: Repository, way: Proxy) -> None:
    way.reset()
    shop.set_current("colours", GOOD)


@pytest.fixture(autouse=True)
def forgive_the_network(page: Page, complaints: list[str]) -> Iterator[None]:
    """Browsers call it an error when nothing, or nothing good, comes; here that is on purpose."""
    yield
    complaints[:] = [text for text in complaints if "Failed to load resource" not in text]


def open_settings(page: Page, way: Proxy) -> None:
    page.goto(f"{way.url}/scan/#settings")


def expect_in_use(page: Page, version: str) -> None:
    expect(page.get_by_text(f"colours {version}", exact=True)).to_be_visible()
    expect_idle(page)


def expect_idle(page: Page) -> None:
    button = page.get_by_role("button", name="Look for updates")
    expect(button).to_be_enabled()


def expect_told(page: Page, text: str) -> None:
    expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()


def come_online(context: BrowserContext) -> None:
    """Chromium tells a page that opened without a network of one only after another end of it."""
    for is_offline in (False, True, False):
        context.set_offline(is_offline)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def test_the_first_visit_brings_a_model_and_the_page_then_needs_no_network(
    page: Page, context: BrowserContext, way: Proxy, check_accessibility: CheckAccessibility
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    expect(page.get_by_text("Version 1.0.0 is installed.")).to_be_visible()
    # As this browser, which is British, writes times.
    expect(page.get_by_text(re.compile(r"^\d{1,2} \w+ \d{4}, \d\d:\d\d"))).to_be_visible()
    sent = {path: size for path, size in way.sent_bytes.items() if path.startswith("/scan/")}
    runtime_bytes = sum(size for path, size in sent.items() if path.startswith("/scan/litert/"))
    assert sum(sent.values()) - runtime_bytes < MOST_BEFORE_MODEL_BYTES
    assert 0 < runtime_bytes < MOST_RUNTIME_BYTES
    check_accessibility(page)
    context.set_offline(True)
    page.reload()
    expect_in_use(page, GOOD)
    expect_told(page, "You can go on scanning with version 1.0.0.")
    page.get_by_role("link", name="Scan").click()
    photo = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": make_photo(COLOURS["green"])}
    page.locator('input[type="file"]').set_input_files([photo])
    expect(page.get_by_text("green").first).to_be_visible()


def test_an_update_runs_at_once_in_all_tabs_and_the_user_can_leave_it(
    page: Page, context: BrowserContext, shop: Repository, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    other = context.new_page()
    open_settings(other, way)
    expect_in_use(other, GOOD)
    for tab in (page, other):
        tab.evaluate("window.isTheSame = true")
    shop.set_current("colours", NEWER)
    press(page, "Look for updates")
    for tab in (page, other):
        expect_in_use(tab, NEWER)
    press(page, f"Go back to {GOOD}")
    for tab in (page, other):
        expect_in_use(tab, GOOD)
        assert tab.evaluate("window.isTheSame")
    press(page, "Look for updates")
    expect(page.get_by_text(f"Version {NEWER} is not taken")).to_be_visible()
    expect_in_use(page, GOOD)
    downloads = len(way.find("/artifacts/"))
    press(page, f"Use {NEWER} again")
    expect_in_use(page, NEWER)
    assert len(way.find("/artifacts/")) == downloads


def test_an_update_takes_the_delta_in_place_of_the_file(
    page: Page, shop: Repository, way: Proxy
) -> None:
    old, new = (
        shop.stored(
            f"colours/{version}/artifacts/colours-{version}-litert-fp32.tflite"
        ).read_bytes()
        for version in (GOOD, NEWER)
    )
    name = f"artifacts/colours-{NEWER}-litert-fp32.tflite"
    delta = make_delta(old, new)
    stored = shop.put(delta_path("colours", NEWER, name, sha256_bytes(old)), delta)
    open_settings(page, way)
    expect_in_use(page, GOOD)
    assert not [path for path in way.sent_bytes if "zstd" in path]  # the decoder is for deltas
    way.reset()
    shop.set_current("colours", NEWER)
    press(page, "Look for updates")
    expect_in_use(page, NEWER)
    [asked] = way.find("/deltas/")
    assert asked.path.endswith(stored.name)
    assert way.sent_bytes[asked.path] == len(delta) < len(new)
    assert way.find("/artifacts/") == []


def test_a_version_that_does_not_start_is_left_for_the_one_before(
    page: Page, shop: Repository, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    shop.set_current("colours", NEWER)
    press(page, "Look for updates")
    expect_in_use(page, NEWER)
    page.add_init_script("""
        let left = 2;
        window.Worker = class extends Worker {
            constructor(...given) {
                if (left-- > 0) throw new Error("out of memory");
                super(...given);
            }
        };
    """)
    page.reload()
    expect_told(page, f"Version {NEWER} did not start")
    expect_in_use(page, GOOD)


def test_a_model_that_the_browser_deleted_comes_again(
    page: Page, context: BrowserContext, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    page.evaluate("""() => new Promise((resolve) => {
        indexedDB.deleteDatabase("ghostlens-models").onsuccess = resolve;
    })""")
    context.set_offline(True)
    page.reload()
    expect(page.get_by_text("None yet")).to_be_visible()
    expect_told(page, "The browser made room and deleted the model")
    come_online(context)
    expect_in_use(page, GOOD)


def test_without_space_nothing_is_taken(page: Page, context: BrowserContext, way: Proxy) -> None:
    page.goto(f"{way.url}/scan/icon.svg")
    quota = {"origin": way.url, "quotaSize": 10_000}
    context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", quota)
    open_settings(page, way)
    expect_told(page, "not enough space on this device")


def hold_until(event: threading.Event) -> Change:
    """Holds answers back, which then come as they are."""

    def hold(_: str, data: bytes) -> bytes:
        event.wait(60)
        return data

    return hold


def test_space_that_ends_amid_a_download_costs_the_update_and_nothing_else(
    page: Page, shop: Repository, way: Proxy
) -> None:
    page.add_init_script(FILL_DEVICE)
    open_settings(page, way)
    expect_in_use(page, GOOD)
    shop.set_current("colours", NEWER)
    full = threading.Event()
    way.changes["/artifacts/"] = way.changes["/deltas/"] = hold_until(full)
    with page.expect_request(re.compile("/(artifacts|deltas)/")):
        press(page, "Look for updates")
    page.evaluate("isFull = true")
    full.set()
    expect_told(page, "not enough space on this device")
    expect_told(page, f"You can go on scanning with version {GOOD}")
    page.evaluate("isFull = false")
    press(page, "Look for updates")
    expect_in_use(page, NEWER)


def test_a_download_that_the_user_stops_is_no_fault_and_goes_on_when_they_want(
    page: Page, way: Proxy
) -> None:
    sent = threading.Event()
    way.changes["/golden/"] = hold_until(sent)
    open_settings(page, way)
    press(page, "Stop")
    expect_idle(page)
    sent.set()
    expect(page.get_by_text("None yet")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    way.reset()
    press(page, "Look for updates")
    expect_in_use(page, GOOD)
    assert way.find("/artifacts/") == []  # it was here already


def test_everything_can_be_deleted_from_the_device(page: Page, way: Proxy) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    page.evaluate("localStorage.setItem('other', 'stays')")
    press(page, "Delete everything on this device")
    with page.expect_navigation():
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect_in_use(page, GOOD)
    kept = page.evaluate("Object.keys(localStorage).sort()")
    assert "other" in kept
    assert len(way.find("1.root.json")) == 2


def test_a_new_build_of_the_page_is_kept_beside_the_one_that_is_open(
    page: Page, context: BrowserContext, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    index = page.request.get(f"{way.url}/scan/").body()
    newer = index.replace(b'content="#12382b"', b'content="#123456"')
    digests = [hashlib.sha256(data).hexdigest()[:16].encode() for data in (index, newer)]
    way.changes["/scan/sw.js"] = lambda _, data: data.replace(*digests)
    # While the server still gives the index of before, nothing is kept.
    assert "another build" in page.evaluate(UPDATE_WORKER)
    way.changes["/scan/"] = lambda path, data: newer if path == "/scan/" else data
    assert page.evaluate(UPDATE_WORKER) == "activated"
    press(page, "Look for updates")
    expect_in_use(page, GOOD)
    context.set_offline(True)
    page.reload()
    expect_in_use(page, GOOD)
    assert page.locator('meta[name="theme-color"]').get_attribute("content") == "#123456"


def test_what_was_changed_is_thrown_away_and_what_was_cut_goes_on_where_it_stopped(
    page: Page, context: BrowserContext, way: Proxy
) -> None:
    way.changes["/artifacts/"] = lambda _, data: bytes(len(data))
    open_settings(page, way)
    expect_told(page, "What came is not what was signed")
    expect(page.get_by_text("None yet")).to_be_visible()
    way.reset()
    way.cut_at_bytes["/artifacts/"] = 200
    press(page, "Look for updates")
    expect_told(page, "the download goes on by itself when there is a network")
    ranges = [asked.range for asked in way.find("/artifacts/")]
    # How much of an answer that breaks off a browser hands over depends on the moment.
    kept = [int(text.strip("bytes=-") or 0) for text in ranges]
    assert len(kept) == 4 and kept[0] == 0 and kept == sorted(kept)
    way.reset()
    come_online(context)
    expect_in_use(page, GOOD)
    [rest] = [asked.range for asked in way.find("/artifacts/")]
    assert rest in {f"bytes={size}-" for size in range(max(kept[-1], 200), 801, 200)}
    expect(page.get_by_role("alert")).to_have_count(0)


def test_neither_a_release_that_answers_otherwise_nor_one_of_another_root_is_used(
    page: Page, shop: Repository, way: Proxy, tmp_path: Path
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    shop.set_current("colours", WRONG)
    press(page, "Look for updates")
    expect_told(page, "answers otherwise on this device than it should")
    expect_in_use(page, GOOD)
    impostor = Repository(tmp_path / "impostor")
    impostor.add(make_bundle(tmp_path, "2.0.0"))
    impostor.versions = {role: 100 for role in impostor.versions}  # newer than what the page saw
    impostor.commit()

    def replace(path: str, data: bytes) -> bytes:
        file = impostor.folder / path.removeprefix("/")
        return file.read_bytes() if file.exists() else data

    way.changes["/metadata/"] = replace
    press(page, "Look for updates")
    expect_told(page, "not signed by whom this device trusts")
    expect_in_use(page, GOOD)


def test_the_user_enters_the_key_that_the_server_wants_and_chooses_one_of_its_models(
    page: Page, shop: Repository, way: Proxy
) -> None:
    def add(path: str, data: bytes) -> bytes:
        if path != "/v1/models":
            return data
        models = json.loads(data)["models"]
        return json.dumps({"models": [*models, {**models[0], "model": "fruit"}]}).encode()

    way.host = "shop.example"
    open_settings(page, way)
    expect_told(page, "The server asks for a key")
    database = Database(Settings(shop.folder).state_place)
    key = create_key(database, Wish("till", frozenset({"pull"})), "ann", int(time.time() * 1000))
    database.close()
    way.changes["/v1/models"] = add
    page.get_by_label("API key").fill(key)
    press(page, "Save key")
    expect_told(page, "The server has several models")
    page.get_by_label("Which model").select_option("colours")
    expect_in_use(page, GOOD)
