"""The scan screen in a real browser: a fake camera, the release's own file, and a real server."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from conversion.artifact import read_build
from conversion.parity.confidences import write_confidence
from mobile_assets.bundle import write_bundle
from serving.access.tokens import make_id, make_token
from tests.mobile_assets.builds import LITERT, answer, make_build, make_confidence
from tests.mobile_assets.cloud_builds import make_cloud_build, make_cloud_tflite
from tests.mobile_assets.repositories import Repository
from tests.scan.camera import write_film
from tests.scan.conftest import CheckAccessibility, MakeBrowser, watch
from tests.serving.test_server import serve, wait_until_ready
from training.files import write_sums

RED = (200, 60, 60)
# The device's network gives these 48 % and 33 %; the wider one of the server is sure of the first.
REDDISH, GREY = (140, 110, 110), (120, 120, 120)
SURE, KNOWN = 0.6, 0.4
PHONE = {"viewport": {"width": 412, "height": 840}, "has_touch": True, "locale": "en-GB"}

# Chromium on Linux reads no barcodes: this stands for a browser that does.
READS_BARCODES = """
globalThis.BarcodeDetector = class {
  static getSupportedFormats = async () => ["ean_13"];
  detect = async () => [{ format: "ean_13", rawValue: "7310865004703" }];
};
"""

# Gives a picture to the page as by the mouse or the clipboard.
CARRY = """async ([bytes, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
  const place = document.querySelector(".scan");
  const options = { bubbles: true, cancelable: true };
  place.dispatchEvent(kind === "drop"
    ? new DragEvent("drop", { ...options, dataTransfer: data })
    : new ClipboardEvent("paste", { ...options, clipboardData: data }));
}"""

OpenScan = Callable[..., Page]


def make_plain(
    colour: tuple[int, int, int], kind: str = "PNG", size: tuple[int, int] = (320, 240)
) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colours, of which the device is sure, unsure, or says that they are no known item."""
    build = make_build(tmp_path_factory.mktemp("colours") / "build")
    for artifact in read_build(build).artifacts:
        found = make_confidence(sure=SURE, min_score=KNOWN)
        write_confidence(build / "parity", artifact.file_name, found)
    write_sums(build / "parity")
    return build


@pytest.fixture(scope="module")
def served(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of them, whose wider network is surer."""
    folder = tmp_path_factory.mktemp("served")
    cloud = make_cloud_build(folder / "cloud", make_cloud_tflite(0.2))
    bundle = write_bundle(build, folder / "colours.zip", cloud_dir=cloud)
    repository = Repository(folder / "repository")
    repository.add(bundle)
    with serve(repository.folder) as (address, _):
        # The page waits 8 s for an answer, which the first one may take where much else runs.
        wait_until_ready(address)
        yield address


@pytest.fixture(scope="module")
def sees_red(
    make_browser: MakeBrowser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    film = write_film(tmp_path_factory.mktemp("film") / "red.mjpeg", [make_plain(RED)])
    browser = make_browser(camera=film)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def sees_reddish(
    make_browser: MakeBrowser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    film = write_film(tmp_path_factory.mktemp("film") / "reddish.mjpeg", [make_plain(REDDISH)])
    browser = make_browser(camera=film)
    yield browser
    browser.close()


@pytest.fixture
def open_scan(served: str, complaints: list[str]) -> Iterator[OpenScan]:
    """Opens the page as a new user, who may have allowed that the server is asked."""
    contexts: list[BrowserContext] = []

    def open_page(browser: Browser, may_ask: bool = False, script: str = "") -> Page:
        context = browser.new_context(**PHONE)  # type: ignore[arg-type]
        contexts.append(context)
        if may_ask:
            context.add_init_script("localStorage.setItem('ghostlens.may-ask', 'yes')")
        context.add_init_script(script)
        page = context.new_page()
        watch(page, complaints)
        page.goto(f"{served}/scan/")
        expect(page.get_by_text("Point the camera at an item")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def start_camera(page: Page) -> None:
    page.get_by_role("button", name="Start the camera").click()


def choose_photo(page: Page, photo: bytes) -> None:
    file = {"name": "photo.png", "mimeType": "image/png", "buffer": photo}
    page.get_by_label("Photo").set_input_files(file)  # type: ignore[arg-type]


def test_an_answer_that_stays_sure_is_held_said_and_counted(
    sees_red: Browser, open_scan: OpenScan, check_accessibility: CheckAccessibility
) -> None:
    page = open_scan(sees_red, script=READS_BARCODES)
    check_accessibility(page)
    start_camera(page)
    expect(page.get_by_text("Held")).to_be_visible()
    expect(page.get_by_role("heading", name="red")).to_be_visible()
    source = re.compile(r"On this device, version 1\.0\.0, \d+ ms")
    expect(page.locator(".answer").get_by_text(source)).to_be_visible()
    expect(page.get_by_role("status").get_by_text(source)).to_have_text(
        re.compile(r"^red\. Sure\.")
    )
    check_accessibility(page)
    page.get_by_role("button", name="Count", exact=True).click()
    expect(page.get_by_text("Counted")).to_be_visible()
    # The same item again: it would be counted twice if it were held by itself.
    expect(page.locator(".answer").get_by_text(source)).to_be_visible()
    hold = page.get_by_role("button", name="Hold")
    expect(hold).to_be_enabled()
    check_accessibility(page)
    expect(page.locator(".finder").get_by_text("7310865004703")).to_be_visible()
    hold.press("Enter")
    expect(page.get_by_text("Barcode 7310865004703 (ean_13)")).to_be_visible()
    expect(page.locator(".actions")).to_be_focused()
    page.keyboard.press("Tab")  # goes on from where the button was
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.get_by_role("radio", name="green").check()
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_role("link", name="Counts").click()
    lines = page.get_by_role("listitem")
    expect(lines.filter(has_text=re.compile("green.*7310865004703"))).to_be_visible()
    expect(lines.filter(has_text="red")).to_be_visible()


def test_the_camera_is_off_while_nobody_looks_at_it(sees_red: Browser, open_scan: OpenScan) -> None:
    page = open_scan(sees_red)
    page.evaluate(
        """() => {
          const ask = MediaDevices.prototype.getUserMedia;
          MediaDevices.prototype.getUserMedia = async function (wanted) {
            const stream = await ask.call(this, wanted);
            (globalThis.opened ??= []).push(...stream.getTracks());
            globalThis.wanted = wanted;
            return stream;
          };
        }"""
    )
    states = "wanted => opened.map(({readyState}) => readyState).join(' ') === wanted"
    start_camera(page)
    expect(page.locator("video")).to_be_visible()
    assert page.evaluate("wanted.video.facingMode.ideal") == "environment"
    page.get_by_role("link", name="Settings").click()
    expect(page.locator("video")).to_have_count(0)
    page.wait_for_function(states, arg="ended")
    page.get_by_role("link", name="Scan").click()
    expect(page.locator("video")).to_be_visible()
    page.wait_for_function(states, arg="ended live")
    hide = """isHidden => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    expect(page.locator("video")).to_have_count(0)
    page.wait_for_function(states, arg="ended ended")
    page.evaluate(hide, False)
    expect(page.locator("video")).to_be_visible()


def test_what_is_unsure_stays_here_unless_asking_is_allowed(
    sees_reddish: Browser, open_scan: OpenScan, check_accessibility: CheckAccessibility
) -> None:
    page = open_scan(sees_reddish)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    start_camera(page)
    expect(page.get_by_role("heading", name="Perhaps red")).to_be_visible()
    expect(page.get_by_role("link", name="Allow it in Settings")).to_be_visible()
    check_accessibility(page)
    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_role("button", name="Count", exact=True)).to_be_disabled()
    check_accessibility(page)
    page.get_by_role("radio", name="red").check()
    expect(page.get_by_role("button", name="Count", exact=True)).to_be_enabled()
    assert not [url for url in asked if "/recognise" in url]


def test_the_server_answers_what_the_device_is_unsure_of(
    sees_reddish: Browser, open_scan: OpenScan, check_accessibility: CheckAccessibility
) -> None:
    page = open_scan(sees_reddish, may_ask=True)
    with page.expect_request("**/recognise?*") as asked:
        start_camera(page)
    assert asked.value.headers["content-type"] == "image/jpeg"
    source = page.locator(".answer").get_by_text("Asked the server, version 1.0.0")
    expect(source).to_be_visible()
    expect(page.get_by_role("heading", name="red")).to_be_visible()
    check_accessibility(page)
    # The same picture is not sent again.
    again: list[str] = []
    page.on("request", lambda request: again.append(request.url))
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Perhaps red")).to_be_visible()
    assert not [url for url in again if "/recognise" in url]


def test_without_a_network_the_devices_answer_stands(
    sees_reddish: Browser, open_scan: OpenScan, complaints: list[str]
) -> None:
    page = open_scan(sees_reddish, may_ask=True)
    page.context.set_offline(True)
    start_camera(page)
    expect(page.get_by_text("No network, so the server was not asked")).to_be_visible()
    expect(page.get_by_role("heading", name="Perhaps red")).to_be_visible()
    complaints.clear()  # the browser calls a request without a network an error


def test_a_busy_server_is_not_asked_until_it_says(
    browser: Browser, open_scan: OpenScan, complaints: list[str]
) -> None:
    page = open_scan(browser, may_ask=True)
    told = {"status": 503, "headers": {"Retry-After": "20"}, "json": {"title": "Busy"}}
    page.route("**/recognise?*", lambda route: route.fulfill(**told))  # type: ignore[arg-type]
    choose_photo(page, make_plain(REDDISH))
    expect(page.get_by_text("The server is busy. It can be asked again in 20 s.")).to_be_visible()
    expect(page.get_by_role("heading", name="Perhaps red")).to_be_visible()
    expect(page.get_by_role("button", name="Ask the server")).to_have_count(0)
    complaints.clear()


def test_a_chosen_photo_is_answered_as_python_answers_it(
    browser: Browser, open_scan: OpenScan, build: Path, check_accessibility: CheckAccessibility
) -> None:
    page = open_scan(browser)
    photo = make_plain(RED)
    choose_photo(page, photo)
    expect(page.get_by_role("heading", name="red")).to_be_visible()
    expected = answer((build / LITERT).read_bytes(), photo)[0]
    expect(page.get_by_role("radio", name="red")).to_be_checked()
    shown = page.get_by_role("meter", name="red").get_attribute("value")
    assert float(shown or 0) == pytest.approx(expected, abs=1e-5)
    check_accessibility(page)
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_role("option", name="green").click()
    expect(page.get_by_role("heading", name="green")).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"^The device said: red \(version 1\.0\.0, "))
    ).to_be_visible()
    page.get_by_role("button", name="Next").click()
    choose_photo(page, make_plain(GREY))
    expect(page.get_by_role("heading", name="Not a known item")).to_be_visible()
    check_accessibility(page)
    page.get_by_role("button", name="Name it").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_without_a_camera_photos_work_and_what_is_none_is_told(
    browser: Browser, open_scan: OpenScan, check_accessibility: CheckAccessibility
) -> None:
    page = open_scan(browser)
    start_camera(page)
    expect(page.get_by_role("alert")).to_have_text(re.compile("There is no camera here"))
    check_accessibility(page)
    choose_photo(page, b"no photo at all")
    expect(page.get_by_role("alert").get_by_text("cannot be opened as a photo")).to_be_visible()
    check_accessibility(page)
    choose_photo(page, make_plain(RED, size=(2100, 100)))
    expect(page.get_by_role("alert").get_by_text("too large or too thin")).to_be_visible()
    page.evaluate(CARRY, [list(make_plain(RED)), "drop"])
    expect(page.get_by_role("heading", name="red")).to_be_visible()
    page.evaluate(CARRY, [list(make_plain((60, 60, 200))), "paste"])
    expect(page.get_by_role("heading", name="blue")).to_be_visible()


def test_a_photo_that_comes_before_the_model_is_answered_when_the_model_is_there(
    page: Page, served: str
) -> None:
    held: list[Route] = []
    page.route("**/*.tflite", lambda route: held.append(route))
    with page.expect_request("**/*.tflite"):
        page.goto(f"{served}/scan/")
    page.evaluate(CARRY, [list(make_plain(RED)), "drop"])
    expect(page.get_by_role("alert").get_by_text("looked at as soon as")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_role("heading", name="red")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_refused_camera_is_told_and_may_be_tried_again(
    make_browser: MakeBrowser,
    open_scan: OpenScan,
    tmp_path: Path,
    check_accessibility: CheckAccessibility,
) -> None:
    film = write_film(tmp_path / "red.mjpeg", [make_plain(RED)], 0.1)
    browser = make_browser(camera=film, allowed=False)
    page = open_scan(browser)
    start_camera(page)
    expect(page.get_by_role("alert")).to_have_text(re.compile("The camera is not allowed"))
    check_accessibility(page)
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("video")).to_be_visible()
    browser.close()


def test_a_page_over_plain_http_says_why_nothing_works(
    make_browser: MakeBrowser, served: str, check_accessibility: CheckAccessibility
) -> None:
    browser = make_browser(flags=("--host-resolver-rules=MAP phone.test 127.0.0.1",))
    page = browser.new_context(**PHONE).new_page()  # type: ignore[arg-type]
    page.goto(f"{served.replace('127.0.0.1', 'phone.test')}/scan/")
    told = page.get_by_role("alert").filter(has_text="This address is not secure")
    expect(told).to_be_visible()
    expect(page.locator("button")).to_have_count(0)
    check_accessibility(page)
    page.get_by_role("link", name="Settings").click()
    field = page.get_by_label("API key")
    field.fill("the right one")
    page.get_by_role("button", name="Save key").press("Enter")
    expect(page.get_by_role("alert").get_by_text("This is no key")).to_be_visible()
    expect(field).to_be_focused()
    check_accessibility(page)
    field.fill(make_token(make_id()))
    page.get_by_role("button", name="Save key").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_text("This is no key")).to_have_count(0)
    expect(page.get_by_role("button", name="Look for updates")).to_be_enabled()
    expect(told).to_be_visible()
    check_accessibility(page)
    browser.close()


def test_nothing_scrolls_sideways_where_the_screen_is_narrow_or_the_text_large(
    sees_red: Browser, open_scan: OpenScan
) -> None:
    page = open_scan(sees_red)
    page.set_viewport_size({"width": 320, "height": 568})
    start_camera(page)
    expect(page.get_by_text("Held")).to_be_visible()
    for size in ("100%", "200%"):
        page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
        assert page.evaluate("document.documentElement.scrollWidth") == 320
    count = page.get_by_role("button", name="Count", exact=True)
    box = count.bounding_box()
    assert box is not None and box["height"] >= 48 and box["y"] >= 568 * 0.6
