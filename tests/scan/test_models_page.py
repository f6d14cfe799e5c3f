"""A release's page in a real browser: its box to try it, its code, and how it can be reached."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.mobile_assets.builds import COLOURS, make_photo
from tests.mobile_assets.repositories import Repository
from tests.mobile_assets.typescript import run_node
from tests.scan.building import copy_app
from tests.serving.showing.test_code import read_code

RELEASE = "/models/colours/1.0.0"
CONFIG = """import { defineConfig } from "vite";
import { alias } from "./vite.config.ts";
export default defineConfig({
  resolve: { alias },
  publicDir: false,
  build: {
    outDir: "recipe",
    target: "esnext",
    lib: { entry: "src/recipe.ts", formats: ["es"], fileName: "recipe" },
  },
});
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scan page's sources, whose packages hold LiteRT.js, a bundler and axe."""
    return copy_app(tmp_path_factory.mktemp("recipe"))


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


def test_the_typescript_code_pulls_the_release_and_recognises(
    page: Page, address: str, app: Path, repository: Repository, complaints: list[str]
) -> None:
    page.goto(address + RELEASE)
    code = read_code(page.content(), "web")[-1]
    (app / "src" / "recipe.ts").write_text(code)
    (app / "src" / "root.json").write_bytes(repository.trusted_root)
    (app / "recipe.config.ts").write_text(CONFIG)
    run_node("node_modules/typescript/bin/tsc", "--noEmit", cwd=app)
    run_node("node_modules/vite/bin/vite.js", "build", "--config", "recipe.config.ts", cwd=app)

    def send(route: Route) -> None:
        folder, _, name = route.request.url.removeprefix(f"{address}/").partition("/")
        places = {"recipe": app / "recipe", "litert": app / "node_modules/@litertjs/core/wasm"}
        path = places[folder] / name
        if name == "":
            route.fulfill(body="<!doctype html><title>An app</title>", content_type="text/html")
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
