"""A release's page in a real browser: its box to try it, its code, and how it can be reached."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from mobile_assets.bundle import write_bundle
from tests.mobile_assets.builds import COLOURS, add_variants, make_build, make_photo
from tests.mobile_assets.repositories import Repository
from tests.mobile_assets.typescript import run_node
from tests.scan.building import copy_app
from tests.serving.showing.test_code import read_code
from tests.serving.test_server import serve

RELEASE = "/models/colours/1.0.0"
AXE = """async () => {
    const rules = { "target-size": { enabled: true } };
    const { violations } = await axe.run({ resultTypes: ["violations"], rules });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}"""
OPEN_ALL = """document.querySelectorAll("details").forEach((entry) => {
    entry.removeAttribute("name");
    entry.open = true;
})"""
CONFIG = """import { defineConfig } from "vite";
import { alias } from "./vite.config.ts";
export default defineConfig({
  resolve: { alias },
  publicDir: false,
  build: {
    outDir: "recipe",
    target: "esnext",
    minify: false,
    lib: { entry: "src/recipe.ts", formats: ["es"], fileName: "recipe" },
  },
});
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A release with two files for browsers; one for all tests, as none of them changes it."""
    folder = tmp_path_factory.mktemp("published")
    add_variants(make_build(folder / "build"), "litert-int8")
    made = Repository(folder / "repository")
    made.add(write_bundle(folder / "build", folder / "colours.bundle.zip"))
    return made


@pytest.fixture(scope="module")
def address(repository: Repository) -> Iterator[str]:
    with serve(repository.folder) as (found, _):
        yield found


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scan page's sources, whose packages hold LiteRT.js, a bundler and axe."""
    return copy_app(tmp_path_factory.mktemp("recipe"))


def try_golden(page: Page, address: str) -> None:
    page.goto(address + RELEASE)
    page.get_by_role("button", name="red").click()
    expect(page.get_by_text("Do they agree?")).to_be_visible()


def find_faults(page: Page, app: Path) -> list[str]:
    """What axe has to say of the page; its script comes by the debugger, past the policy."""
    page.evaluate((app / "node_modules" / "axe-core" / "axe.min.js").read_text() + ";0")
    return [str(fault) for fault in page.evaluate(AXE)]


def test_a_golden_photo_is_shown_step_by_step_and_both_places_agree_by_any_file(
    page: Page, address: str
) -> None:
    try_golden(page, address)
    for words in ("60 x 44 pixels", "49 x 36 pixels", "32 x 32 pixels", "same first name"):
        expect(page.locator("#try-box")).to_contain_text(words)
    expect(page.locator("#try-box canvas")).to_have_count(3)
    status = page.locator("#try-box [role=status]")
    expect(status).to_have_text("red. This device says: red. The server says: red.")
    told = page.locator(".agreement .pill").last.inner_text()
    assert float(told.split()[-1]) < 0.02  # what the self-test allows between decoders
    expect(page.locator(".agreement")).to_contain_text("Both run the same file")
    page.get_by_label("Model file").select_option("int8")
    expect(page.locator(".agreement")).to_contain_text("the same network, here as int8")
    expect(page.locator("#try-box")).to_contain_text(
        "colours-1.0.0-litert-int8.tflite in LiteRT.js"
    )


def test_a_large_photo_is_turned_by_its_tag_before_it_is_shown(page: Page, address: str) -> None:
    lying = Image.new("RGB", (1200, 800), COLOURS["blue"])
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: a quarter to the right
    file = io.BytesIO()
    lying.save(file, "JPEG", exif=exif)
    page.goto(address + RELEASE)
    choose = page.locator("#try-box input[type=file]")
    choose.set_input_files({"name": "b.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
    expect(page.locator(".agreement")).to_contain_text("same first name")
    expect(page.locator("#try-box")).to_contain_text("800 x 1200 pixels")
    sizes = page.evaluate("Array.from(document.querySelectorAll('canvas'), (x) => x.height)")
    assert sizes == [600, 54, 32]  # of a large photo every other pixel is drawn


def test_nothing_is_sent_where_that_is_not_wanted(page: Page, address: str) -> None:
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.post_data else None)
    page.goto(address + RELEASE)
    page.get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="green").click()
    expect(page.locator("#try-box [role=status]")).to_have_text("green. This device says: green.")
    expect(page.get_by_text("On this server")).to_have_count(0)
    assert not [url for url in sent if "recognise" in url]


def test_a_file_that_is_no_photo_is_refused_in_plain_words(
    page: Page, address: str, complaints: list[str]
) -> None:
    page.goto(address + RELEASE)
    notes = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no photo"}
    page.locator("#try-box input[type=file]").set_input_files(notes)  # type: ignore[arg-type]
    box = page.locator("#try-box")
    expect(box).to_contain_text("This browser cannot read the file as a photo.")
    expect(box).to_contain_text("The server did not recognise it:")
    complaints.clear()  # of the request that was refused


def test_a_model_file_that_was_changed_on_its_way_is_not_run(page: Page, address: str) -> None:
    page.route("**/*.tflite", lambda route: route.fulfill(body=b"another file"))
    page.goto(address + RELEASE)
    page.get_by_role("button", name="red").click()
    expect(page.locator("#try-box")).to_contain_text("another file than the release names")
    expect(page.locator("#try-box")).to_contain_text("On this server")


def test_without_the_server_this_device_still_answers(
    page: Page, address: str, complaints: list[str]
) -> None:
    page.route("**/recognise*", lambda route: route.abort())
    page.goto(address + RELEASE)
    page.get_by_role("button", name="blue").click()
    status = page.locator("#try-box [role=status]")
    expect(status).to_have_text("blue. This device says: blue. The server cannot be reached.")
    complaints.clear()  # of the request that failed


def test_axe_finds_nothing_to_object_to_in_light_and_dark(
    page: Page, address: str, app: Path
) -> None:
    for path in ("/", "/models/", RELEASE):
        if path == RELEASE:
            try_golden(page, address)
            page.evaluate(OPEN_ALL)
        else:
            page.goto(address + path)
        # All pages have their colours of one file: the longest page is enough of the dark.
        for scheme in ("light", "dark") if path == RELEASE else ("light",):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert find_faults(page, app) == [], (path, scheme)


def test_code_is_copied_by_keyboard_and_that_is_said(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address + RELEASE)
    page.get_by_text("Python", exact=True).click()
    button = page.locator("#code-python .copy").last
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Copied")
    expect(page.locator("p.unseen[role=status]").last).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == read_code(page.content(), "python")[-1]
    page.evaluate(
        "window.kept = navigator.clipboard;"
        "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    )
    page.locator("#code-python .copy").first.click()  # by the old command
    expect(page.locator("#code-python .copy").first).to_have_text("Copied")
    assert page.evaluate("window.kept.readText()") == read_code(page.content(), "python")[0]


def test_the_typescript_code_pulls_the_release_and_recognises(
    page: Page, address: str, app: Path, repository: Repository, complaints: list[str]
) -> None:
    page.goto(address + RELEASE)
    code = read_code(page.content(), "web")[-1]
    (app / "src" / "recipe.ts").write_text(code)
    (app / "src" / "root.json").write_bytes(repository.trusted_root)
    (app / "recipe.config.ts").write_text(CONFIG)
    (app / "tsconfig.recipe.json").write_text(
        '{"extends": "./tsconfig.json", "include": ["src/recipe.ts"]}'
    )
    run_node("node_modules/typescript/bin/tsc", "-p", "tsconfig.recipe.json", cwd=app)
    run_node("node_modules/vite/bin/vite.js", "build", "--config", "recipe.config.ts", cwd=app)

    def send(route: Route) -> None:
        folder, _, name = route.request.url.removeprefix(f"{address}/").partition("/")
        places = {"recipe": app / "recipe", "litert": app / "node_modules/@litertjs/core/wasm"}
        path = places[folder] / name
        if name == "":
            # Without an icon of its own, the browser would ask the server for one.
            icon = '<link rel="icon" href="data:,">'
            html = f"<!doctype html>{icon}<title>An app</title>"
            route.fulfill(body=html, content_type="text/html")
        else:
            kind = "application/wasm" if name.endswith(".wasm") else "text/javascript"
            route.fulfill(body=path.read_bytes(), content_type=kind)

    page.route(re.compile(f"^{re.escape(address)}/(recipe|litert)/"), send)
    page.goto(f"{address}/recipe/")
    photo = make_photo(COLOURS["blue"])
    found = page.evaluate(
        """async (photo) => {
            const { recognise } = await import("/recipe/recipe.js");
            return recognise(new Blob([new Uint8Array(photo)]));
        }""",
        list(photo),
    )
    assert found["verdict"] == "sure" and found["answers"][0]["label"] == "blue"
    complaints.clear()  # LiteRT tells what it does as errors
