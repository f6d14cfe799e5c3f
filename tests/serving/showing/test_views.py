import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mobile_assets.bundle import write_bundle
from serving.app import create_app
from serving.publishing.policy import deprecate
from serving.publishing.publish import change_release, publish
from serving.settings import Settings
from tests.mobile_assets.builds import LITERT, make_build, write_sums

PAGES = ("/", "/models/", "/models/colours", "/models/colours/1.1.0", "/models/colours/1.0.0")


@pytest.fixture(scope="module")
def client(published: Path) -> FlaskClient:
    """One for all tests of a repository that none of them changes."""
    return create_app(Settings(published)).test_client()


def list_addresses(page: str) -> set[str]:
    return set(re.findall(r'(?:href|src|action|data-url)="(/[^"#]*)"', page))


@pytest.mark.parametrize("address", PAGES)
def test_everything_that_a_page_leads_to_is_there(client: FlaskClient, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200 and response.mimetype == "text/html"
    for found in list_addresses(response.text):
        assert client.get(found).status_code in (200, 405), found


@pytest.mark.parametrize("address", [*PAGES, "/docs"])
def test_pages_take_nothing_from_elsewhere_and_run_no_inline_script(
    client: FlaskClient, address: str
) -> None:
    response = client.get(address)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r'(?:src|href|action)="(?!/|#)', response.text)
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", response.text)


def test_home_shows_each_model_and_leads_to_its_release(client: FlaskClient) -> None:
    page = client.get("/").text
    assert 'href="/models/colours/1.1.0"' in page and 'href="/models/colours"' in page
    assert "in 2 versions" in page
    assert "91.0 to 97.3 %" in page  # Wilson's, of 190 right of 200


def test_pages_work_without_anything_published_and_show_problems(
    repository: Path, tmp_path: Path
) -> None:
    empty = create_app(Settings(tmp_path / "nothing")).test_client()
    client = create_app(Settings(repository)).test_client()
    client.get("/")
    (repository / "metadata" / "timestamp.json").write_bytes(b"<script>")
    for address in ("/", "/models/"):
        nothing = empty.get(address)
        assert nothing.status_code == 200 and "Nothing is published yet" in nothing.text
        page = client.get(address).text
        assert "timestamp metadata are refused" in page
        assert "<script>" not in page


def test_the_list_shows_every_release_the_newest_first(client: FlaskClient) -> None:
    page = client.get("/models/").text
    assert page.index("/models/colours/1.1.0") < page.index("/models/colours/1.0.0")
    assert page.count("current in stable") == 1
    for name in ("Android", "iOS", "Web", "Python"):
        assert page.count(f"{name} ") == 2


def test_a_models_page_shows_versions_and_what_changed(client: FlaskClient) -> None:
    page = client.get("/models/colours").text
    assert page.index("1.1.0") < page.index("1.0.0")
    assert "Since 1.0.0:" in page and "The first version:" in page


def test_a_release_shows_files_with_hashes_and_how_they_compare(client: FlaskClient) -> None:
    shown = client.get("/v1/models/colours/versions/1.0.0").json
    assert shown is not None
    page = client.get("/models/colours/1.0.0").text
    files = [file for file in shown["files"] if file["role"] in ("artifact", "manifest")]
    assert len(files) == 4
    for file in files:
        assert file["sha256"] in page and f'href="{file["url"]}"' in page
    for words in ("LiteRT", "ExecuTorch", "Core ML", "100.00 %", "0.00 to 0.00", "1.0e-06"):
        assert words in page
    assert page.count('<span class="pill good">passed</span>') == 3
    assert "compared in LiteRT runtime on 200 photos" in page
    assert "made for the tests, CC0" in page
    assert "verified" not in page.split('id="files"')[1].split('id="code"')[0]


def test_a_release_tells_what_its_preprocessing_and_thresholds_are(client: FlaskClient) -> None:
    page = client.get("/models/colours/1.0.0").text
    assert "Crop the central 32 x 32 pixels" in page
    assert re.search(r"0\.60\s*<span class=\"quiet\">90\.0 % of photos, 95\.0 % right", page)


def test_what_a_release_holds_is_escaped(tmp_path: Path, key_folder: Path) -> None:
    build = make_build(tmp_path / "build")
    evil = "<script>alert(1)</script>"
    (build / "parity" / "report.md").write_text(f"# Parity {evil}\n")
    write_sums(build / "parity")
    publish(write_bundle(build, tmp_path / "b.zip"), tmp_path / "repository", key_folder)
    client = create_app(Settings(tmp_path / "repository")).test_client()
    page = client.get("/models/colours/1.0.0").text
    assert evil not in page and "Parity &lt;script&gt;" in page


def test_a_file_that_was_taken_by_hand_says_so_and_has_no_thresholds(
    tmp_path: Path, key_folder: Path
) -> None:
    build = make_build(tmp_path / "build")
    (build / "parity" / f"{LITERT}.json").unlink()
    write_sums(build / "parity")
    bundle = write_bundle(build, tmp_path / "b.zip", frozenset({LITERT}))
    publish(bundle, tmp_path / "repository", key_folder)
    client = create_app(Settings(tmp_path / "repository")).test_client()
    page = client.get("/models/colours/1.0.0").text
    assert "accepted by hand" in page and "not compared" in page
    assert "nothing that it says is sure" in page
    assert "There are no thresholds to judge by" in page


def test_the_changelog_can_be_had_as_a_file(client: FlaskClient) -> None:
    response = client.get("/models/colours/changelog.md")
    assert response.mimetype == "text/markdown"
    assert response.text.startswith("# colours\n")
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_what_is_not_there_has_no_page(client: FlaskClient, tmp_path: Path) -> None:
    for address in ("plums", "plums/changelog.md", "plums/1.0.0", "colours/9.9.9", "../colours"):
        assert client.get(f"/models/{address}").status_code == 404
    empty = create_app(Settings(tmp_path / "nothing")).test_client()
    for address in ("colours", "colours/1.0.0"):
        assert empty.get(f"/models/{address}").status_code == 503


def test_a_deprecated_version_is_marked_with_its_reason(repository: Path, key_folder: Path) -> None:
    reason = deprecate("1.0.0", "mixes up <red> and blue")
    change_release("colours", repository, [key_folder], reason)
    client = create_app(Settings(repository)).test_client()
    for address in ("/models/colours", "/models/colours/1.0.0"):
        page = client.get(address).text
        assert page.count(">deprecated</span>") == 1
        assert "mixes up &lt;red&gt; and blue" in page
    assert client.get("/models/").text.count(">deprecated</span>") == 1
    assert r"mixes up \<red\> and blue" in client.get("/models/colours/changelog.md").text
