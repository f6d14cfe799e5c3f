import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.export.web import export_web
from training.files import check_sums, sha256_file


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.policy = self.inline = ""
        self.scripts: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "script":
            self.scripts.append(found)
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found.get("content") or ""

    def handle_data(self, data: str) -> None:
        if self.scripts and self.scripts[-1].get("type") == "importmap" and not self.inline:
            self.inline = data


@pytest.fixture(scope="module")
def web(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("web") / "web"
    export_web(bundle, out)
    return out


def test_a_static_folder_is_written_whole(web: Path) -> None:
    check_sums(web)
    model = json.loads((web / "colours" / "model.json").read_text())
    assert model["file"] == "colours-1.0.0.tflite"
    assert sha256_file(web / "colours" / model["file"]) == model["artifact_sha256"]
    for photo in model["golden"]:
        assert (web / "colours" / photo["file"]).is_file()


def test_the_page_keeps_to_its_own_content_policy(web: Path) -> None:
    page = Page((web / "index.html").read_text())
    assert "'unsafe-inline'" not in page.policy and "'unsafe-eval'" not in page.policy
    assert "'wasm-unsafe-eval'" in page.policy
    digest = base64.b64encode(hashlib.sha256(page.inline.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.policy
    assert json.loads(page.inline)["imports"].keys() == {"@litertjs/core", "@litertjs/wasm-utils"}
    assert [script.get("src") for script in page.scripts] == [None, "first.js"]
    headers = (web / "_headers").read_text()
    assert page.policy in headers and "frame-ancestors 'none'" in headers
    assert "/colours/colours-1.0.0.tflite\n  Cache-Control: public, max-age=31536000" in headers


def test_the_script_parses_and_reads_files_that_are_there(web: Path) -> None:
    script = (web / "first.js").read_text()
    for name in re.findall(r"'\./(colours/[^']+)'", script):
        assert (web / name).is_file()
    assert "'golden/00-red.jpg'" in script
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, "--input-type=module", "--check"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_has_five_lines(web: Path) -> None:
    readme = (web / "README.md").read_text()
    lines = re.search(r"```js\nimport.*?\n\n(.*?)```", readme, re.DOTALL)
    assert lines is not None and len(lines[1].strip().splitlines()) == 5
    assert "npm install --no-save @litertjs/core@" in readme
    assert "§" not in readme


def test_bad_input_is_refused(bundle: Bundle, web: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no int8 artifact for web"):
        export_web(bundle, tmp_path / "out", precision="int8")
    assert not (tmp_path / "out").exists()
    with pytest.raises(BundleError, match="is not empty"):
        export_web(bundle, web)
