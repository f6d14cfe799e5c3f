"""The Kotlin and Swift sources: generated as they should be, compiled, and true to the vectors."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mobile_assets.contract.description import CONTRACT_PATH, make_contract
from mobile_assets.contract.sources import make_sources
from mobile_assets.errors import ManifestError
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact, File, Golden
from mobile_assets.reading import read_json
from mobile_assets.release import Channel, PublishedVersion, Release, Rollout
from mobile_assets.vectors import VECTORS_PATH
from tests.conftest import ROOT

CLIENTS = CONTRACT_PATH.parent
_CACHE = ROOT / ".cache" / "kotlin"
# Its jar holds the Kotlin compiler, under the same licence, Apache-2.0; 81 MB.
_KERNEL = "kotlin-jupyter-kernel==0.19.0.944"
_JARS = ("kotlin-jupyter-kernel-", "kotlin-stdlib-", "kotlin-reflect-", "kotlin-script-runtime-")
_TIMEOUT_S = 300
_NO_NETWORK = re.compile(r"No matching distribution|Temporary failure|Connection|Network")


def find_jars() -> list[Path]:
    """The compiler's jars, downloaded once; skips where that cannot be done."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("there is no java here: the Kotlin client is not compiled")
    if not (_CACHE / "done").exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(_CACHE)]
        done = subprocess.run([*command, _KERNEL], capture_output=True, text=True, check=False)
        if done.returncode and _NO_NETWORK.search(done.stderr):
            pytest.skip(f"the Kotlin compiler could not be downloaded: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
        [wheel] = _CACHE.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".jar") and name.rpartition("/")[2].startswith(_JARS):
                    (_CACHE / name.rpartition("/")[2]).write_bytes(archive.read(name))
        wheel.unlink()
        (_CACHE / "done").touch()
    return sorted(_CACHE.glob("*.jar"))


def run_java(*arguments: str) -> str:
    done = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", *arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


def count_passed(told: str) -> int:
    [(passed, failed)] = re.findall(r"^(\d+) passed, (\d+) failed$", told, re.MULTILINE)
    assert failed == "0", told
    return int(passed)


def test_generated_files_are_what_the_generator_writes() -> None:
    for path, data in make_sources().items():
        assert path.read_bytes() == data, f"{path}: run `python -m mobile_assets contract`"


@pytest.mark.parametrize(
    ("name", "kind", "added", "flattened"),
    [
        ("file", File, set(), set()),
        ("golden", Golden, set(), set()),
        ("rollout", Rollout, set(), set()),
        ("channel", Channel, set(), set()),
        ("published_version", PublishedVersion, set(), set()),
        ("release", Release, {"schema"}, set()),
        ("manifest", Manifest, {"schema"}, set()),
        ("artifact", BundledArtifact, {"path", "sha256", "size_bytes"}, {"file"}),
    ],
)
def test_models_have_the_members_of_the_python_classes(
    name: str, kind: type, added: set[str], flattened: set[str]
) -> None:
    keys = {field["key"] for field in make_contract()["models"][name]["fields"]}
    assert keys == {entry.name for entry in fields(kind)} - flattened | added


def test_kotlin_passes_all_vectors(tmp_path: Path) -> None:
    jars = find_jars()
    library = next(str(jar) for jar in jars if jar.name.startswith("kotlin-stdlib-"))
    sources = [str(CLIENTS / "kotlin" / "src" / part / "kotlin") for part in ("main", "test")]
    told = run_java(
        "-cp",
        os.pathsep.join(map(str, jars)),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        *("-no-stdlib", "-no-reflect", "-cp", library, "-d", str(tmp_path), *sources),
    )
    assert "error:" not in told
    classes = os.pathsep.join([str(tmp_path), library])
    assert count_passed(run_java("-cp", classes, "ghostlens.VectorsKt", str(VECTORS_PATH))) > 1500


def edit(value: Any, path: list[str | int], change: dict[str, Any]) -> Any:
    """A document with the change made, or without what stands there."""
    changed = json.loads(json.dumps(value))
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if "value" in change:
        holder[path[-1]] = change["value"]
    else:
        del holder[path[-1]]
    return changed


def test_python_refuses_the_documents_that_the_description_makes() -> None:
    documents = json.loads(VECTORS_PATH.read_bytes())["documents"]
    readers = {"manifest": Manifest.from_bytes, "release": Release.from_bytes}
    for name, whole in documents["valid"].items():
        readers[name](json.dumps(whole).encode())
    accepted = []
    for change in documents["refused"]:
        name = change["document"]
        spoilt = edit(documents["valid"][name], change["path"], change)
        try:
            readers[name](json.dumps(spoilt).encode())
            accepted.append(change)
        except ManifestError:
            pass
    assert accepted == []
    for text in documents["not_json"]:
        with pytest.raises(ManifestError):
            read_json(text.encode(), "text", 1 << 20)


def test_the_vectors_hold_every_verdict_and_every_turn() -> None:
    vectors = json.loads(VECTORS_PATH.read_bytes())
    found = {case["verdict"] for case in vectors["verdicts"]["cases"]}
    assert found == {"sure", "coarse", "unsure", "unknown"}
    assert set(vectors["preprocess"]["turns"]["turned"]) == set("12345678")


def test_swift_passes_all_vectors(tmp_path: Path) -> None:
    if shutil.which("swift") is None:
        pytest.skip(
            "there is no `swift` here, and neither PyPI, npm nor Debian 12 has one: "
            "the Swift client is not compiled"
        )
    package = tmp_path / "swift"
    shutil.copytree(CLIENTS / "swift", package, ignore=shutil.ignore_patterns(".build"))
    done = subprocess.run(
        ["swift", "run", "GhostlensVectors", str(VECTORS_PATH)],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    assert count_passed(done.stdout) > 1500
