"""Model files at another origin, as at a CDN, which browsers ask for leave to read."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.mobile_assets.repositories import Repository
from tests.scan.conftest import CheckAccessibility
from tests.scan.proxy import Proxy
from tests.scan.test_delivery import come_online, expect_in_use, expect_told, open_settings, press
from tests.serving.test_server import serve

VERSION = "1.0.0"
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def places(shop: Repository) -> Iterator[tuple[Proxy, Proxy]]:
    """The ways to the page's server, and to another one that has the files."""
    with Proxy("").running() as files, Proxy("").running() as way:
        own = {"GHOSTLENS_FILES_URL": f"{files.url}/targets"}
        other = {"GHOSTLENS_CORS_ORIGINS": way.url}
        with (
            serve(shop.folder, settings=own) as (way.upstream, _),
            serve(shop.folder, settings=other) as (files.upstream, _),
        ):
            yield way, files


@pytest.fixture
def way(places: tuple[Proxy, Proxy]) -> Proxy:
    places[0].reset()
    return places[0]


@pytest.fixture
def files(places: tuple[Proxy, Proxy]) -> Proxy:
    places[1].reset()
    return places[1]


def test_they_are_downloaded_in_parts_verified_and_kept_for_when_there_is_no_network(
    page: Page,
    context: BrowserContext,
    way: Proxy,
    files: Proxy,
    complaints: list[str],
) -> None:
    files.cut_at_bytes["/artifacts/"] = 200
    open_settings(page, way)
    expect_told(page, "the download goes on by itself when there is a network")
    expect(page.get_by_text("None yet")).to_be_visible()
    files.reset()
    come_online(context)
    expect_in_use(page, VERSION)
    [rest] = [asked.range for asked in files.find("/artifacts/") if asked.range]
    assert rest.startswith("bytes=") and way.find("/targets/") == []
    context.set_offline(True)
    page.reload()
    expect_in_use(page, VERSION)
    expect_told(page, f"You can go on scanning with version {VERSION}.")
    complaints.clear()  # of what broke off, and of the network that was not there


def test_where_they_are_changed_or_may_not_be_read_the_page_says_so_and_runs_nothing(
    page: Page,
    way: Proxy,
    files: Proxy,
    complaints: list[str],
    check_accessibility: CheckAccessibility,
) -> None:
    files.changes["/artifacts/"] = lambda _, data: bytes(len(data))
    open_settings(page, way)
    expect_told(page, "What came is not what was signed")
    files.reset()
    files.dropped.add(ALLOWED)
    press(page, "Look for updates")
    expect_told(page, "does not let this page read them")
    check_accessibility(page)
    expect(page.get_by_text("None yet")).to_be_visible()
    assert complaints and all(files.url in text or "Failed" in text for text in complaints)
    complaints.clear()
    files.reset()
    press(page, "Look for updates")
    expect_in_use(page, VERSION)
