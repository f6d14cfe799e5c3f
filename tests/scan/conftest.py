"""A real browser in front of a real server process."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from mobile_assets.bundle import write_bundle
from tests.mobile_assets.builds import make_build
from tests.mobile_assets.repositories import Repository
from tests.mobile_assets.typescript import install_packages
from tests.scan.building import APP
from tests.serving.test_server import serve

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Containers have no user namespaces and little shared memory.
_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")
# What a page shows in a moment may take long where two of these tests share slow cores; a test that
# passes does not wait.
expect.set_options(timeout=60_000)
_WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")

MakeBrowser = Callable[..., Browser]
OpenPage = Callable[..., Page]
CheckAccessibility = Callable[[Page], None]


def find_chromium() -> str:
    """Returns the command of a browser; skips the test where there is none."""
    for name in filter(None, (os.environ.get("CHROMIUM"), *_NAMES)):
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    pytest.skip("no Chromium here (Debian's package is `chromium`): the scan page stays untried")


@pytest.fixture(scope="session")
def make_browser() -> Iterator[MakeBrowser]:
    """Starts browsers.

    `camera` is a file of pictures (.y4m or .mjpeg) that the camera sees; without `allowed` it is
    refused until a context is granted it.
    """
    command = find_chromium()
    with sync_playwright() as playwright:

        def make(
            camera: Path | None = None, flags: tuple[str, ...] = (), allowed: bool = True
        ) -> Browser:
            seen = ["--use-fake-ui-for-media-stream"] if allowed else []
            seen += ["--use-fake-device-for-media-stream"] if camera else []
            seen += [f"--use-file-for-fake-video-capture={camera}"] if camera else []
            return playwright.chromium.launch(
                executable_path=command, args=[*_FLAGS, *seen, *flags]
            )

        yield make


@pytest.fixture(scope="session")
def browser(make_browser: MakeBrowser) -> Iterator[Browser]:
    """A browser without a camera, for all tests that need no flags of their own."""
    made = make_browser()
    yield made
    made.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new user: nothing stored, a phone's screen."""
    made = browser.new_context(
        viewport={"width": 412, "height": 840}, has_touch=True, locale="en-GB"
    )
    yield made
    made.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the pages of a test complained about: script errors and refusals by the policy."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Iterator[Page]:
    """A page that may not complain; a test that expects it to clears `complaints`."""
    made = context.new_page()
    watch(made, complaints)
    yield made
    assert complaints == []


def watch(page: Page, complaints: list[str]) -> None:
    """Notes errors of scripts, and what the console calls an error."""

    def note(message: ConsoleMessage) -> None:
        # A device asks for the next root until there is none (TUF 1.0, 5.3.3).
        is_next_root = message.location["url"].endswith(".root.json")
        if message.type == "error" and not is_next_root:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))


@pytest.fixture(scope="session")
def check_accessibility() -> CheckAccessibility:
    """Says whether a page, as it is now, breaks a rule of WCAG 2.2 A or AA that axe can check."""
    script = (install_packages(APP) / "axe-core" / "axe.min.js").read_text()

    def check(page: Page) -> None:
        page.evaluate(script)
        found = page.evaluate("rules => axe.run(document, {runOnly: rules})", list(_WCAG))
        broken = [
            f"{rule['id']}: {node['html']}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert found["passes"], "axe looked at nothing"
        assert broken == []

    return check


@pytest.fixture(scope="session")
def colours_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1.0.0 of a model that knows colours, whose LiteRT file is tiny and real."""
    folder = tmp_path_factory.mktemp("colours")
    return write_bundle(make_build(folder / "build"), folder / "colours.bundle.zip")


@pytest.fixture
def repository(colours_bundle: Path, tmp_path: Path) -> Repository:
    """A repository that publishes it."""
    made = Repository(tmp_path / "repository")
    made.add(colours_bundle)
    return made


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, colours_bundle: Path) -> Repository:
    """One that publishes it for all tests of a file."""
    made = Repository(tmp_path_factory.mktemp("shop") / "repository")
    made.add(colours_bundle)
    return made


@pytest.fixture
def address(repository: Repository) -> Iterator[str]:
    """The address of a server process."""
    with serve(repository.folder) as (found, _):
        yield found
