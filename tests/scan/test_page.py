"""The scan page as a browser opens it."""

import gzip
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.repositories import Repository
from tests.scan.building import BUILT
from tests.scan.conftest import CheckAccessibility


def test_it_opens_without_a_complaint(
    page: Page, address: str, check_accessibility: CheckAccessibility
) -> None:
    page.goto(f"{address}/scan/")
    expect(page.get_by_role("link", name="Scan")).to_be_visible()
    check_accessibility(page)


def test_the_address_without_a_slash_leads_to_it(address: str) -> None:
    with urllib.request.urlopen(f"{address}/scan") as answer:
        assert answer.url == f"{address}/scan/"


@pytest.mark.parametrize("kind", ["js", "wasm"])
def test_the_runtime_comes_compressed_once_to_those_who_take_it(address: str, kind: str) -> None:
    name = next((BUILT / "litert").glob(f"*/litert_wasm_internal.{kind}.gz"))
    url = f"{address}/scan/{name.relative_to(BUILT).as_posix().removesuffix('.gz')}"
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as packed, urllib.request.urlopen(url) as plain:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert plain.headers["Content-Encoding"] is None
        wanted = gzip.decompress(name.read_bytes())
        assert gzip.decompress(packed.read()) == plain.read() == wanted


def test_the_page_learns_where_files_lie_that_others_serve(repository: Repository) -> None:
    for files_url, told in (("", None), ("https://cdn.example/x/", "https://cdn.example/x")):
        client = create_app(Settings(repository.folder, files_url=files_url)).test_client()
        assert client.get("/scan/server.json").json == {"files_url": told}
