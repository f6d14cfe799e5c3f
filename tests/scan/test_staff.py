"""What staff do with the scan page: count, correct and hand over, with and without a network."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import FilePayload, Page, Route, expect

from mobile_assets.bundle import write_bundle
from serving.cli import main
from tests.mobile_assets.builds import COLOURS, make_build, make_photo
from tests.mobile_assets.repositories import Repository
from tests.scan.building import APP
from tests.scan.conftest import CheckAccessibility
from tests.serving import test_server
from tests.serving.test_server import clean_environment, serve

WORDS = json.loads((APP / "src" / "words" / "zh-Hans.json").read_text(encoding="utf-8"))
BLUE = "蓝色"
# Refuses to write as a browser without space does, whose own quota counts only after half a minute.
FILL_DEVICE = """
globalThis.isFull = false;
const open = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode) {
  if (isFull && mode === "readwrite") throw new DOMException("no space", "QuotaExceededError");
  return open.call(this, stores, mode);
};
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a repository and the server's state lie; the colours have names in Chinese."""
    made = tmp_path_factory.mktemp("staff")
    table = made / "names.csv"
    table.write_text("label,zh-Hans\nred,红色\ngreen,绿色\nblue,蓝色\n", encoding="utf-8")
    bundle = write_bundle(make_build(made / "build"), made / "named.bundle.zip", names=table)
    Repository(made / "repository").add(bundle)
    return made


@pytest.fixture(scope="module")
def place(folder: Path) -> tuple[str, ...]:
    """What tells commands where the server has its things."""
    return "--repository", str(folder / "repository"), "--state", str(folder / "state")


@pytest.fixture(scope="module")
def address(folder: Path, place: tuple[str, ...]) -> Iterator[str]:
    """A server that keeps photos of corrections."""
    keeping = clean_environment() | {"GHOSTLENS_KEEP_PHOTOS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_server, "clean_environment", lambda: keeping)
        with serve(folder / "repository", *place[2:]) as (found, _):
            yield found


@pytest.fixture
def page(page: Page, complaints: list[str]) -> Iterator[Page]:
    """A page without a network may fail to load what it then does without."""
    yield page
    complaints[:] = [text for text in complaints if "Failed to load resource" not in text]


def open_scan(page: Page, address: str) -> None:
    """Opens the page, and waits until it recognises and would open without a network."""
    page.goto(f"{address}/scan/")
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    expect(page.locator("input[type=file]")).to_be_enabled()


def show(page: Page, colour: str) -> None:
    photo = make_photo(COLOURS[colour], width=320, height=240)
    chooser = page.locator("input[type=file]")
    expect(chooser).to_be_enabled()
    chooser.set_input_files(FilePayload(name="1.jpg", mimeType="image/jpeg", buffer=photo))


def export(page: Page, button: str) -> tuple[str, list[dict[str, str]]]:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf"), "Excel takes it for another encoding"
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    return download.value.suggested_filename, list(rows)


def run_corrections(*arguments: str | Path) -> str:
    done = CliRunner().invoke(main, ["corrections", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_is_counted_without_a_network_survives_and_is_exported(
    page: Page, address: str, check_accessibility: CheckAccessibility
) -> None:
    open_scan(page, address)
    page.context.set_offline(True)
    for _ in range(2):
        show(page, "red")
        page.get_by_role("button", name="Count", exact=True).click()
    expect(page.get_by_text("Counted: red, 2 in all")).to_be_visible()
    page.goto(f"{address}/scan/#count")
    page.reload()
    page.get_by_label("Place").fill('=HYPERLINK("x")')
    page.get_by_label("Place").press("Enter")
    page.get_by_role("link", name="Scan").click()
    show(page, "green")
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_role("link", name="Counts").click()
    page.get_by_label("Number: red").fill("12")
    page.get_by_label("Number: red").press("Enter")
    page.get_by_role("button", name="One more: red").click()
    page.get_by_role("button", name="Delete green").press("Enter")
    expect(page.get_by_text("1 item, 13 pieces")).to_be_visible()
    expect(page.get_by_role("button", name="Delete red")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Delete this count").press("Enter")
    expect(page.get_by_text("Nothing is counted here yet")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_text("2 items, 14 pieces")).to_be_visible()
    check_accessibility(page)
    name, [red, green] = export(page, "Save as CSV")
    assert name.startswith("counts-20") and name.endswith(".csv")
    assert (red["item"], red["count"], red["site"], red["version"]) == ("red", "13", "", "1.0.0")
    assert (green["item"], green["count"], green["site"]) == ("green", "1", '\'=HYPERLINK("x")')
    assert "T" in red["first_counted_at"] and red["first_counted_at"] <= red["last_counted_at"]


def test_a_new_count_keeps_the_one_before_and_a_full_device_keeps_all(
    page: Page, address: str
) -> None:
    page.add_init_script(FILL_DEVICE)
    page.goto(f"{address}/scan/#count")
    page.get_by_label("Place").fill("branch 12")
    page.get_by_role("link", name="Scan").click()
    show(page, "red")
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_role("link", name="Counts").click()
    page.get_by_role("button", name="Start a new count").click()
    expect(page.get_by_text("Nothing is counted here yet")).to_be_visible()
    page.get_by_role("combobox", name="Count").select_option(index=1)
    page.evaluate("isFull = true")
    page.get_by_role("button", name="One more: red").click()
    expect(page.get_by_role("alert").get_by_text("no space left")).to_be_visible()
    expect(page.get_by_label("Number: red")).to_have_value("1")
    page.evaluate("isFull = false")
    page.get_by_role("button", name="One more: red").click()
    expect(page.get_by_text("1 item, 2 pieces")).to_be_visible()
    name, [row] = export(page, "Save as CSV")
    assert name.endswith("-branch-12.csv") and row["site"] == "branch 12"


def test_a_correction_without_a_network_arrives_once_in_the_export_for_training(
    page: Page,
    address: str,
    place: tuple[str, ...],
    tmp_path: Path,
    check_accessibility: CheckAccessibility,
) -> None:
    page.add_init_script("localStorage.setItem('ghostlens.language', 'zh-Hans')")
    open_scan(page, address)
    show(page, "red")
    page.get_by_role("button", name=WORDS["scan.wrong"]).click()
    dialog = page.get_by_role("dialog", name=WORDS["correct.title"])
    photo = dialog.get_by_label(WORDS["correct.photo"])
    expect(photo).not_to_be_checked()
    photo.check()
    # A tap on a name is the end: what else there is to say stands above the names.
    boxes = [found.bounding_box() for found in (photo, dialog.get_by_role("listbox"))]
    assert boxes[0] and boxes[1] and boxes[0]["y"] < boxes[1]["y"]
    page.context.set_offline(True)
    search = dialog.get_by_role("combobox", name=WORDS["correct.search"])
    search.press("ArrowDown")
    expect(dialog.get_by_role("option")).to_have_count(3)
    search.fill(BLUE[0])
    expect(dialog.get_by_role("option", selected=True)).to_have_count(0)
    search.press("ArrowDown")  # to the first of what was found, and not past it
    expect(dialog.get_by_role("option", selected=True)).to_have_text(f"{BLUE} blue")
    check_accessibility(page)
    search.press("Enter")
    expect(page.get_by_text(WORDS["correct.done"].format(name=BLUE))).to_be_visible()
    page.get_by_role("link", name=WORDS["tab.count"]).click()
    expect(page.get_by_text(WORDS["correct.held-offline"])).to_be_visible()
    check_accessibility(page)
    page.reload()
    expect(page.get_by_text(WORDS["correct.waiting.one"].format(count=1))).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text(WORDS["correct.all-sent"])).to_be_visible()
    run_corrections("export", "colours", "--open-too", "--out", tmp_path / "new", *place)
    with (tmp_path / "new" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["label"], row["answered"], row["split"]) == ("blue", "red", "train")
    with Image.open(tmp_path / "new" / row["path"]) as photo:
        assert photo.size == (320, 240)


def answer_with(status: int, kind: str) -> Any:
    problem = {"type": f"/docs#{kind}", "title": "No", "status": status, "detail": "no such label"}

    def answer(route: Route) -> None:
        route.fulfill(status=status, json=problem, content_type="application/problem+json")

    return answer


def test_a_refused_correction_is_shown_and_can_be_sent_again(page: Page, address: str) -> None:
    open_scan(page, address)
    page.route("**/corrections", answer_with(401, "key-needed"))
    show(page, "green")
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_role("combobox").fill("a durian")
    page.get_by_role("option", name="“a durian”: not in the list").click()
    page.get_by_role("link", name="Counts").click()
    expect(page.get_by_text("The server wants a key that may report")).to_be_visible()
    page.unroute("**/corrections")
    page.route("**/corrections", answer_with(422, "request"))
    page.reload()
    expect(page.get_by_text("The server did not take this one. no such label")).to_be_visible()
    page.unroute("**/corrections")
    page.get_by_role("button", name="Try again: a durian").click()
    expect(page.get_by_text("All corrections are sent.")).to_be_visible()
