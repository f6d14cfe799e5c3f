"""The examples of the document, its page and docs/api.md: whole programs that are run."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serving.api.samples import LANGUAGES, OPERATIONS, read_examples
from tests.conftest import ROOT
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.mobile_assets.typescript import install_packages, require_node, run_node
from tests.serving.test_server import ask, serve

EXAMPLES = ROOT / "serving" / "api" / "examples"
# --json came with 7.82; --retry heeds Retry-After since 7.66.
LEAST_CURL = (7, 82)
COMPILER = {
    "target": "ES2022",
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "lib": ["ES2022", "DOM", "DOM.Iterable"],
    "types": ["node"],
    "strict": True,
    "skipLibCheck": True,
    "moduleDetection": "force",  # each is a program of its own
    "outDir": "out",
}
# What each prints: Python and TypeScript a line in words, curl the answer.
EXPECTED = {
    "models": ("colours 1.1.0", {"models": [{"model": "colours", "current": "1.1.0"}]}),
    "check": (r"take 1\.1\.0 .+", {"action": "take", "version": "1.1.0"}),
    "recognise": ("sure red", {"verdict": "sure", "version": "1.1.0"}),
    "infer": ("sure red", {"model_version": "1.1.0"}),
    "report": ("counted", {"counted": True}),
    "correct": ("(open|duplicate) the photo: (off|not-sent|duplicate)", {"photo": {"kept": False}}),
    "usage": ("counted", {"counted": True}),
}


@pytest.fixture(scope="module")
def given(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the programs are given, by variables of the environment."""
    folder = tmp_path_factory.mktemp("examples")
    photo = folder / "photo.jpg"
    photo.write_bytes(make_photo(COLOURS["red"]))
    with serve(published, "--state", str(folder / "state")) as (address, _):
        files = json.load(ask(f"{address}/v1/models/colours/versions/1.0.0"))["files"]
        yield {
            "SERVER": address,
            "KEY": "",
            "MODEL": "colours",
            "DEVICE": "till-3",
            "VERSION": "1.0.0",
            "PHOTO": str(photo),
            "LABEL": "green",
            "RIGHT": "red",
            "SCANNED_AT": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "DAY": f"{datetime.now(UTC):%Y-%m-%d}",
            "ARTIFACT_SHA256": next(x["sha256"] for x in files if x["role"] == "artifact"),
        }


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TypeScript programs, compiled; any error of a type fails."""
    require_node()
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(install_packages(), target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module"}')
    for path in EXAMPLES.glob("*.ts"):
        shutil.copy(path, folder)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER}))
    run_node("node_modules/typescript/bin/tsc", "-p", ".", cwd=folder)
    return folder / "out"


def require_curl() -> None:
    """Skips the test, with the reason, where there is no curl that knows what the examples use."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed here: its examples are not run")
    words = subprocess.run([curl, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", words)[:2])
    if version < LEAST_CURL:
        pytest.skip(f"curl is {version}: the examples need {LEAST_CURL}")


def run(command: list[str | Path], given: dict[str, str]) -> str:
    ids = {name: str(uuid.uuid4()) for name in ("REPORT_ID", "CORRECTION_ID")}
    done = subprocess.run(
        command, env=os.environ | ids | given, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def holds(found: object, expected: object) -> bool:
    """Tells whether an answer has what is expected of it, and perhaps more."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(key in found and holds(found[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return all(holds(*pair) for pair in zip(found, expected, strict=True))
    return found == expected


@pytest.mark.parametrize("name", EXPECTED)
def test_the_examples_in_python_run(given: dict[str, str], name: str) -> None:
    assert re.fullmatch(EXPECTED[name][0], run([sys.executable, EXAMPLES / f"{name}.py"], given))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_examples_with_curl_run(given: dict[str, str], name: str) -> None:
    require_curl()
    found = json.loads(run(["sh", "-eu", EXAMPLES / f"{name}.sh"], given))
    assert holds(found, EXPECTED[name][1]), found


@pytest.mark.parametrize("name", EXPECTED)
def test_the_examples_in_typescript_run(given: dict[str, str], compiled: Path, name: str) -> None:
    assert re.fullmatch(EXPECTED[name][0], run(["node", compiled / f"{name}.js"], given))


def test_the_document_and_its_page_show_every_example(client: FlaskClient) -> None:
    assert set(EXPECTED) == set(OPERATIONS.values()) == {x.stem for x in EXAMPLES.iterdir()}
    spec, page = client.get("/openapi.json").json, client.get("/docs").text
    shown = {
        operation["operationId"]: operation["x-codeSamples"]
        for operations in spec["paths"].values()
        for operation in operations.values()
        if "x-codeSamples" in operation
    }
    assert set(shown) == set(OPERATIONS)
    for operation, name in OPERATIONS.items():
        assert [sample["lang"] for sample in shown[operation]] == list(LANGUAGES)
        assert [sample["source"] for sample in shown[operation]] == list(
            read_examples(name).values()
        )
    assert page.count("<summary>TypeScript</summary>") == len(OPERATIONS)


def test_the_handbook_shows_the_same_examples() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    for name in EXPECTED:
        for source in read_examples(name).values():
            assert source.strip() in text, name
