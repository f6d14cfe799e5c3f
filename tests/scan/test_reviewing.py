"""The page where corrections are reviewed, in a browser."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from serving.access.keys import Wish, create_key
from serving.settings import Settings
from serving.state.database import Database
from tests.mobile_assets.repositories import Repository
from tests.scan.conftest import CheckAccessibility
from tests.serving.corrections.conftest import say
from tests.serving.test_server import serve
from training.files import sha256_bytes

LIST = "/v1/models/colours/corrections"


@pytest.fixture
def corrected(address: str) -> Iterator[str]:
    """A server that was told of two wrong answers."""
    for device in ("one", "another"):
        said = say("green", device, version="1.0.0", site="Branch 12")
        request = urllib.request.Request(
            address + LIST, json.dumps(said).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).close()
    yield address


def list_decided(address: str) -> dict[str, object]:
    with urllib.request.urlopen(address + LIST) as answer:
        found = json.load(answer)["corrections"]
    return {one["device"]: (one["state"], (one["final"] or {}).get("name")) for one in found}


def test_each_is_decided_with_the_keyboard(
    page: Page, corrected: str, check_accessibility: CheckAccessibility
) -> None:
    page.goto(f"{corrected}/corrections")
    check_accessibility(page)
    page.get_by_label("Accept as").first.fill("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Accepted as blue. There is no photo")
    expect(page.get_by_role("button", name="Accept")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Rejected")
    check_accessibility(page)
    # The newest stands first.
    one, another = (sha256_bytes(name.encode()) for name in ("one", "another"))
    assert list_decided(corrected) == {another: ("accepted", "blue"), one: ("rejected", None)}


def test_a_refused_decision_is_said_and_can_be_mended(
    page: Page, corrected: str, complaints: list[str]
) -> None:
    page.goto(f"{corrected}/corrections")
    page.get_by_label("Accept as").first.fill("mauve")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("no label 'mauve'")
    complaints.clear()  # the browser notes that the answer was 422
    page.get_by_label("Accept as").first.fill("")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Accepted as green")


def test_a_key_that_may_not_review_is_told_so_as_a_page(
    browser: Browser,
    repository: Repository,
    tmp_path: Path,
    check_accessibility: CheckAccessibility,
) -> None:
    database = Database(Settings(repository.folder, state=tmp_path).state_place)
    wish = Wish("till", frozenset({"pull"}))
    key = create_key(database, wish, "ann", int(time.time() * 1000))
    database.close()
    guarded = {"GHOSTLENS_PUBLIC_SCOPES": ""}
    with serve(repository.folder, "--state", str(tmp_path), settings=guarded) as (address, _):
        context = browser.new_context(http_credentials={"username": "till", "password": key})
        page = context.new_page()
        page.goto(f"{address}/corrections")
        expect(page.get_by_role("heading", name="Your key does not open this page")).to_be_visible()
        expect(page.get_by_text("with the scope admin")).to_be_visible()
        check_accessibility(page)
        context.close()
