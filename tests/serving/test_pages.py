import re
from pathlib import Path

from flask.testing import FlaskClient

from serving.app import create_app
from serving.publishing.policy import deprecate
from serving.publishing.publish import change_release
from serving.settings import Settings


def test_home_shows_models_versions_parity_and_downloads_that_work(client: FlaskClient) -> None:
    page = client.get("/").text
    for words in ("colours", "1.1.0", "1.0.0", "LiteRT", "ExecuTorch", "Core ML", "100.00 %"):
        assert words in page
    addresses = set(re.findall(r'(?:href|src|action|data-url)="(/[^"#]*)"', page))
    assert len([address for address in addresses if address.startswith("/targets/")]) == 8
    for address in addresses:
        assert client.get(address).status_code in (200, 405), address


def test_home_works_without_anything_published_and_shows_problems(
    repository: Path, tmp_path: Path
) -> None:
    empty = create_app(Settings(tmp_path / "nothing")).test_client().get("/")
    assert empty.status_code == 200
    assert "Nothing is published yet" in empty.text
    client = create_app(Settings(repository)).test_client()
    client.get("/")
    (repository / "metadata" / "timestamp.json").write_bytes(b"<script>")
    page = client.get("/").text
    assert "timestamp metadata are refused" in page
    assert "<script>" not in page


def test_pages_take_nothing_from_elsewhere_and_run_no_inline_script(client: FlaskClient) -> None:
    for address in ("/", "/docs"):
        response = client.get(address)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r'(?:src|href|action)="(?!/|#)', response.text)
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", response.text)


def test_a_models_page_shows_versions_and_what_changed(client: FlaskClient) -> None:
    response = client.get("/models/colours")
    assert response.status_code == 200 and response.mimetype == "text/html"
    page = response.text
    assert page.index("1.1.0") < page.index("1.0.0")
    assert "Since 1.0.0:" in page and "The first version:" in page
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page)
    for address in re.findall(r'href="(/[^"#]*)"', page):
        assert client.get(address).status_code == 200, address


def test_home_leads_to_a_models_page(client: FlaskClient) -> None:
    assert 'href="/models/colours"' in client.get("/").text


def test_the_changelog_can_be_had_as_a_file(client: FlaskClient) -> None:
    response = client.get("/models/colours/changelog.md")
    assert response.mimetype == "text/markdown"
    assert response.text.startswith("# colours\n")
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_a_model_that_is_not_there_has_no_page(client: FlaskClient, tmp_path: Path) -> None:
    for address in ("/models/plums", "/models/plums/changelog.md", "/models/../colours"):
        assert client.get(address).status_code == 404
    empty = create_app(Settings(tmp_path / "nothing")).test_client()
    assert empty.get("/models/colours").status_code == 503


def test_a_deprecated_version_is_marked_with_its_reason(repository: Path, key_folder: Path) -> None:
    reason = deprecate("1.0.0", "mixes up <red> and blue")
    change_release("colours", repository, [key_folder], reason)
    client = create_app(Settings(repository)).test_client()
    for address in ("/", "/models/colours"):
        page = client.get(address).text
        assert page.count(">deprecated</span>") == 1
        assert "mixes up &lt;red&gt; and blue" in page
    assert r"mixes up \<red\> and blue" in client.get("/models/colours/changelog.md").text
