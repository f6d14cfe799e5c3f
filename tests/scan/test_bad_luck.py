"""What can go wrong beside: the page says so in plain words, and goes on with what it has."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from tuf.api.metadata import MetaFile, Timestamp

from mobile_assets.bundle import write_bundle
from tests.mobile_assets import builds
from tests.mobile_assets.builds import COLOURS, make_build, make_photo
from tests.mobile_assets.repositories import Repository
from tests.scan.conftest import MakeBrowser, watch
from tests.scan.proxy import Proxy
from tests.scan.test_delivery import expect_idle, expect_in_use, expect_told, open_settings, press
from tests.serving.test_server import serve
from training.labels import LabelSet

GOOD, RENAMED = "1.0.0", "2.0.0"
TIMESTAMP = "**/metadata/timestamp.json"
SAID = {
    401: "asks for a key",
    403: "does not allow downloading models",
    429: "busy or has a fault (HTTP 429)",
    503: "busy or has a fault (HTTP 503)",
    None: "The server cannot be reached.",
}


@pytest.fixture(scope="module")
def way(shop: Repository) -> Iterator[Proxy]:
    with serve(shop.folder) as (address, _), Proxy(address).running() as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def start_anew(page: Page, way: Proxy, complaints: list[str]) -> Iterator[None]:
    """Browsers call it an error when nothing, or nothing good, comes; here that is on purpose."""
    way.reset()
    yield
    complaints[:] = [text for text in complaints if "Failed to load resource" not in text]


def show(page: Page, colour: str) -> None:
    photo = make_photo(COLOURS[colour], width=320, height=240)
    file = {"name": "IMG_1.jpg", "mimeType": "image/jpeg", "buffer": photo}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]


def expect_it_goes_on(page: Page) -> None:
    """The model that is there still answers."""
    page.get_by_role("link", name="Scan").click()
    show(page, "green")
    expect(page.get_by_role("heading", name="green")).to_be_visible()


def count(page: Page) -> None:
    page.get_by_role("button", name="Count", exact=True).click()


def refuse(page: Page, status: int | None) -> None:
    def answer(route: Route) -> None:
        problem: dict[str, Any] = {"type": "/docs#problem", "title": "No", "status": status}
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, json=problem, content_type="application/problem+json")

    page.unroute_all()
    page.route(TIMESTAMP, answer)


def test_a_server_that_refuses_or_is_gone_is_told_and_the_model_goes_on(
    page: Page, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    for status, said in SAID.items():
        refuse(page, status)
        press(page, "Look for updates")
        expect_told(page, said)
        expect_told(page, f"You can go on scanning with version {GOOD}")
        expect_idle(page)
    expect_it_goes_on(page)


def test_signatures_that_have_run_out_are_told_and_the_model_goes_on(
    page: Page, shop: Repository, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    shop.commit()
    number = shop.versions["snapshot"]
    snapshot = MetaFile.from_data(number, shop.read_metadata(f"{number}.snapshot.json"), ["sha256"])
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    old = Timestamp(shop.versions["timestamp"], expires=yesterday, snapshot_meta=snapshot)
    way.changes["timestamp.json"] = lambda path, data: shop.sign(old)
    press(page, "Look for updates")
    expect_told(page, "The server's signatures have run out, or the clock of this device is wrong")
    expect_it_goes_on(page)


def test_without_simd_no_model_is_fetched_and_the_page_says_why(
    make_browser: MakeBrowser, way: Proxy, complaints: list[str]
) -> None:
    # V8 runs WebAssembly's SIMD by these instructions, and has none without them.
    browser = make_browser(flags=("--js-flags=--no-enable-sse4-1",))
    page = browser.new_page(locale="en-GB")
    watch(page, complaints)
    page.goto(f"{way.url}/scan/")
    expect_told(page, "This browser cannot run the model. Use a newer one.")
    assert way.find("/artifacts/") == []
    page.get_by_role("link", name="Counts").click()
    expect(page.get_by_text("Nothing is counted here yet")).to_be_visible()
    browser.close()


def test_a_runtime_that_the_browser_deleted_is_told_and_comes_again(
    page: Page, context: BrowserContext, way: Proxy
) -> None:
    open_settings(page, way)
    expect_in_use(page, GOOD)
    page.evaluate("""async () => {
        for (const name of await caches.keys()) {
            if (name.startsWith("ghostlens-runtime")) await caches.delete(name);
        }
    }""")
    context.new_cdp_session(page).send("Network.clearBrowserCache")
    context.set_offline(True)
    page.reload()
    expect_told(page, "A part of the page that runs the model is missing on this device")
    context.set_offline(False)
    page.reload()
    expect_in_use(page, GOOD)


def test_labels_that_change_while_an_answer_is_held_do_not_spoil_its_correction(
    page: Page,
    context: BrowserContext,
    shop: Repository,
    way: Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    colours = {"crimson": COLOURS["red"], "green": COLOURS["green"], "blue": COLOURS["blue"]}
    monkeypatch.setattr(builds, "COLOURS", colours)
    monkeypatch.setattr(builds, "LABELS", LabelSet(tuple(colours)))
    page.goto(f"{way.url}/scan/")
    expect(page.locator("input[type=file]")).to_be_enabled()
    show(page, "red")
    count(page)
    show(page, "green")
    expect(page.get_by_role("heading", name="green")).to_be_visible()
    shop.add(write_bundle(make_build(tmp_path / "build", RENAMED), tmp_path / "renamed.zip"))
    other = context.new_page()
    open_settings(other, way)
    expect_in_use(other, RENAMED)
    other.close()
    press(page, "Wrong?")
    page.get_by_role("option", name="red", exact=True).click()
    expect(page.get_by_role("heading", name="red")).to_be_visible()
    count(page)
    show(page, "red")
    expect(page.get_by_role("heading", name="crimson")).to_be_visible()
    count(page)
    page.get_by_role("link", name="Counts").click()
    expect(page.get_by_label("Number: red")).to_have_value("2")
    expect(page.get_by_label("Number: crimson")).to_have_value("1")
    expect(page.get_by_text("All corrections are sent.")).to_be_visible()
    listed = page.request.get(f"{way.upstream}/v1/models/colours/corrections").body()
    [said] = json.loads(listed)["corrections"]
    assert (said["version"], said["right"]["name"]) == (GOOD, "red")
