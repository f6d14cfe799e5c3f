"""Pictures of the scan page in each of its states, for docs/scan-page.md and the README.

Run: python -m docs.studies.scan_pictures [REPOSITORY]

REPOSITORY is what `make demo` left (out/demo/repository): its release is published anew here, as
1.0.0 and as 1.1.0, with keys of this run. A headless Chromium sees built-in photos as its camera,
and is as large as a phone. Prints the size of each picture.
"""

import io
import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from mobile_assets.manifest import Manifest
from tests.mobile_assets.repositories import Repository
from tests.scan.camera import SIZE, write_film
from tests.scan.conftest import find_chromium
from tests.serving.test_server import serve
from training.photos import UNKNOWN
from training.sources.clutter import draw_clutter
from training.sources.synthetic import open_synthetic

PICTURES = Path(__file__).parents[1] / "images"
PHONE = {"viewport": {"width": 412, "height": 840}, "device_scale_factor": 2, "has_touch": True}
FIRST, SECOND = "1.0.0", "1.1.0"
# Of photos that training never saw: the demo's are of seed 0.
SEED = 7
PER_CLASS, CLUTTER = 6, 40
SHOWN = "orange"
BESIDE = ("sure", "coarse", "correct-search", "counts")
PATIENCE_MS = 60_000


def main() -> None:
    """Makes all pictures."""
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo/repository")
    with tempfile.TemporaryDirectory() as folder:
        shop = Repository(Path(folder) / "repository")
        model = publish(place, shop)
        keeping = {"GHOSTLENS_KEEP_PHOTOS": "1", "GHOSTLENS_KEEP_PHOTOS_DAYS": "90"}
        state = ("--state", str(Path(folder) / "state"))
        with serve(shop.folder, *state, settings=keeping) as (address, _):
            frames = find_frames(f"{address}/v1/models/{model}/recognise")
            with sync_playwright() as playwright:
                film = Path(folder) / "film.mjpeg"
                photographer = Photographer(playwright, address, film, frames)
                photographer.take_all(lambda: shop.set_current(model, SECOND))
    for path in sorted((PICTURES / "scan").glob("*.webp")):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    lay_side_by_side(PICTURES / "scan.png")


def publish(place: Path, shop: Repository) -> str:
    """Publishes the release that lies in a repository twice; returns its model."""
    [manifest_path] = place.glob("targets/*/*/*.manifest.json")
    data = manifest_path.read_bytes()
    manifest = Manifest.from_bytes(data)
    assert manifest.version == FIRST, f"{place} holds {manifest.version}, not {FIRST}"
    for version in (FIRST, SECOND):
        own = data if version == FIRST else replace(manifest, version=version).to_bytes()
        shop.put(f"{manifest.model}/{version}/manifest.json", own)
        for file in manifest.files:
            stored = next((manifest_path.parent / file.path).parent.glob(f"{file.sha256}.*"))
            shop.put(f"{manifest.model}/{version}/{file.path}", stored.read_bytes())
    shop.published[manifest.model] = [FIRST, SECOND]
    shop.set_current(manifest.model, FIRST)
    return manifest.model


def find_frames(url: str) -> dict[str, bytes]:
    """Returns a photo of each verdict as a camera sees it: the clearest one of its kind."""
    validation = open_synthetic(SEED, 1, PER_CLASS).validation
    found: dict[str, tuple[float, bytes]] = {}
    for photo in [*validation, *draw_clutter(SEED, CLUTTER)]:
        is_clutter = photo.class_index == UNKNOWN
        frame = widen(photo.read())
        request = urllib.request.Request(url, frame, {"Content-Type": "image/jpeg"})
        with urllib.request.urlopen(request) as reply:
            answer = json.load(reply)
        verdict, best = answer["verdict"], answer["answers"][0]
        clearness = {
            "sure": best["probability"] + (best["label"] == SHOWN),
            "coarse": answer["coarse"]["probability"] - best["probability"] / 2,
            "unsure": -answer["coarse"]["probability"],
            "unknown": -answer["known_score"],
        }[verdict]
        is_first = verdict not in found
        if is_clutter == (verdict == "unknown") and (is_first or clearness > found[verdict][0]):
            found[verdict] = (clearness, frame)
    return {verdict: frame for verdict, (_, frame) in found.items()}


def widen(photo: bytes) -> bytes:
    """Makes a square photo as wide as the camera's, by its own mirrored edges."""
    width, height = SIZE
    square = ImageOps.fit(Image.open(io.BytesIO(photo)).convert("RGB"), (height, height))
    edge = (width - height) // 2
    pixels = np.pad(np.asarray(square), ((0, 0), (edge, edge), (0, 0)), "reflect")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


class Photographer:
    """Uses the page as staff do, and takes a picture of each state."""

    def __init__(
        self, playwright: Playwright, address: str, film: Path, frames: dict[str, bytes]
    ) -> None:
        """Starts a browser."""
        self.playwright, self.address, self.film, self.frames = playwright, address, film, frames
        write_film(film, [frames["sure"]])
        self.browser = self.launch("--use-fake-ui-for-media-stream")

    def launch(self, *flags: str) -> Browser:
        """Starts a browser whose camera plays the film."""
        film = f"--use-file-for-fake-video-capture={self.film}"
        fake = "--use-fake-device-for-media-stream"
        return self.playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", fake, film, *flags]
        )

    def take_all(self, update: Callable[[], None]) -> None:
        """Takes them; `update` makes the second version the current one."""
        shutil.rmtree(PICTURES / "scan", ignore_errors=True)
        (PICTURES / "scan").mkdir()
        with self.open() as page:
            self.take(page, "ready")
            self.scan(page)
            self.correct(page)
            self.count_offline(page)
            self.update(page, update)
        with self.open(color_scheme="dark") as page:
            self.see(page, "sure")
            self.take(page, "sure-dark")
        with self.open(locale="zh-CN") as page:
            self.see(page, "sure")
            self.take(page, "sure-chinese")
            page.locator(".held-actions button, .actions button").nth(1).click()
            self.take(page, "correct-chinese")
        self.browser = self.launch()
        with self.open() as page:
            press(page, "Start the camera")
            expect(page.get_by_text("The camera is not allowed")).to_be_visible()
            self.take(page, "camera-refused")

    @contextmanager
    def open(self, **settings: Any) -> Iterator[Page]:
        """Opens the page as a new user, once its model is there."""
        context = self.browser.new_context(**{**PHONE, "locale": "en-GB", **settings})
        page = context.new_page()
        page.goto(f"{self.address}/scan/")
        expect(page.locator("input[type=file]")).to_be_enabled(timeout=PATIENCE_MS)
        yield page
        context.close()

    def take(self, page: Page, name: str) -> None:
        """Takes a picture of what the phone shows."""
        page.evaluate("document.activeElement?.blur()")
        page.wait_for_timeout(300)
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        picture.save(PICTURES / "scan" / f"{name}.webp", quality=80, method=6)

    def see(self, page: Page, verdict: str) -> None:
        """Points the camera at a photo of a verdict."""
        write_film(self.film.with_suffix(".new.mjpeg"), [self.frames[verdict]])
        self.film.with_suffix(".new.mjpeg").replace(self.film)
        page.locator(".tabs a").nth(1).click()
        page.locator(".tabs a").nth(0).click()
        if page.evaluate("localStorage.getItem('ghostlens.camera')") is None:
            page.locator(".actions .primary").click()
        expect(page.locator(f".headline.{verdict}")).to_be_visible(timeout=PATIENCE_MS)
        page.wait_for_timeout(1500)

    def scan(self, page: Page) -> None:
        """Looks at one thing of each verdict."""
        self.see(page, "coarse")
        self.take(page, "live")
        for verdict in ("coarse", "unsure", "unknown"):
            self.see(page, verdict)
            press(page, "Hold")
            self.take(page, verdict)
            press(page, "Next")
        page.get_by_role("link", name="Settings").click()
        page.get_by_label("Ask the server when this device is not sure").check()
        self.see(page, "unsure")
        expect(page.get_by_text("Asked the server").first).to_be_visible(timeout=PATIENCE_MS)
        self.take(page, "asked")
        self.see(page, "sure")
        self.take(page, "sure")

    def correct(self, page: Page) -> None:
        """Looks for another name."""
        press(page, "Wrong?")
        page.get_by_role("combobox").fill("le")
        self.take(page, "correct-search")
        page.keyboard.press("Escape")

    def count_offline(self, page: Page) -> None:
        """Counts and corrects without a network."""
        page.get_by_role("dialog").wait_for(state="hidden")
        press(page, "Count")
        page.context.set_offline(True)
        self.see(page, "unsure")
        press(page, "Hold")
        press(page, "Wrong?")
        page.get_by_role("option").nth(1).click()
        press(page, "Count")
        page.get_by_role("link", name="Counts").click()
        page.get_by_label("Place").fill("branch 12")
        page.get_by_role("button", name="One more").first.click()
        self.take(page, "counts")
        expect(page.get_by_text("as soon as there is a network")).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_text("as soon as there is a network").scroll_into_view_if_needed()
        self.take(page, "offline")
        page.context.set_offline(False)

    def update(self, page: Page, update: Callable[[], None]) -> None:
        """Gets a version that was changed on the way, and then the whole one."""
        page.get_by_role("link", name="Settings").click()
        update()
        page.route(f"**/{SECOND}/*manifest.json", lambda route: route.fulfill(body="changed"))
        press(page, "Look for updates")
        expect(page.get_by_role("alert")).to_be_visible(timeout=PATIENCE_MS)
        self.take(page, "problem")
        page.unroute_all()
        press(page, "Look for updates")
        back = page.get_by_role("button", name=f"Go back to {FIRST}")
        expect(back).to_be_visible(timeout=PATIENCE_MS)
        self.take(page, "updated")


def press(page: Page, name: str) -> None:
    """Presses a button."""
    page.get_by_role("button", name=name, exact=True).click()


def lay_side_by_side(path: Path) -> None:
    """Puts some of the pictures into one for the README, about half as large."""
    pictures = [Image.open(PICTURES / "scan" / f"{name}.webp").convert("RGB") for name in BESIDE]
    width, height = (side * 9 // 16 for side in pictures[0].size)
    gap = width // 16
    whole = Image.new("RGB", ((width + gap) * len(pictures) - gap, height), "white")
    for number, picture in enumerate(pictures):
        whole.paste(picture.resize((width, height)), ((width + gap) * number, 0))
    whole.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
