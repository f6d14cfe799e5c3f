"""The TypeScript client: its own tests, and an app on it against the real server."""

import io
import json
import re
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mobile_assets.bundle import open_bundle
from tests.mobile_assets.builds import COLOURS, MODEL, answer_all, make_photo
from tests.mobile_assets.repositories import Repository, Server
from tests.mobile_assets.test_bringing import find_file, put_delta
from tests.mobile_assets.typescript import (
    VECTORS,
    NodePhone,
    run_node,
)
from tests.serving.test_server import serve
from training.files import sha256_bytes

MakePhone = Callable[[str, Repository], NodePhone]


def list_answers(tflite: bytes) -> dict[str, list[float]]:
    """What a LiteRT file says of the golden photos, by the photo's SHA-256."""
    given = answer_all(tflite)
    return {sha256_bytes(make_photo(colour)): given[label] for label, colour in COLOURS.items()}


@pytest.fixture(scope="module")
def answers(build_dir: Path) -> dict[str, list[float]]:
    return list_answers(next(build_dir.glob("*.tflite")).read_bytes())


@pytest.fixture
def make_phone(package: Path, answers: dict[str, list[float]], tmp_path: Path) -> MakePhone:
    def make(url: str, repository: Repository) -> NodePhone:
        folder = tmp_path / "phone"
        folder.mkdir(exist_ok=True)
        (folder / "root.json").write_bytes(repository.trusted_root)
        return NodePhone(package, url, folder, answers)

    return make


@pytest.fixture(scope="module")
def served(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Repository, str]]:
    """A server process of a repository with version 1.0.0."""
    repository = Repository(tmp_path_factory.mktemp("served") / "repository")
    repository.add(bundle_path)
    with serve(repository.folder) as (address, _):
        yield repository, address


def test_the_package_passes_its_own_tests(package: Path) -> None:
    files = sorted(str(path) for path in (package / "build" / "test").glob("*.test.js"))
    told = run_node("--test", *files, cwd=package, GHOSTLENS_VECTORS=str(VECTORS))
    assert re.search(r"^# fail 0$", told, re.MULTILINE)
    assert int(re.findall(r"^# pass (\d+)$", told, re.MULTILINE)[0]) > 100
    for line in re.findall(r"^ok .* # SKIP .*$", told, re.MULTILINE):
        print(line)


def test_an_app_pulls_tests_and_starts_what_the_server_process_publishes(
    served: tuple[Repository, str], make_phone: MakePhone, build_dir: Path
) -> None:
    repository, address = served
    phone = make_phone(f"{address}/", repository)
    nothing, update = phone.do("start", "update")
    assert nothing is None
    assert (update["action"], update["code"], update["taken"]) == ("take", "first", "1.0.0")
    assert update["photos"] == len(COLOURS)
    assert update["difference"] < 1e-6
    started, _, again = phone.do("start", "confirm", "update")
    tflite = next(build_dir.glob("*.tflite")).read_bytes()
    assert started == {"version": "1.0.0", "sha256": sha256_bytes(tflite)}
    assert again["code"] == "up-to-date"


def test_what_an_app_reports_reaches_the_servers_state(
    served: tuple[Repository, str], make_phone: MakePhone
) -> None:
    repository, address = served
    device = {"platform": "web", "deviceId": "reporter", "appVersion": "2.0.0"}
    linked = {"runtimes": [{"name": "litert", "version": "2.5.3"}], "osVersion": "17.4"}
    phone = replace(make_phone(address, repository), device={**device, **linked})
    phone.do("update", "start", "confirm", "start", "start")
    phone.do("start")
    with sqlite3.connect(next(repository.folder.parent.glob("**/state.db"))) as state:
        # No other phone of this module has an id, and so none reports.
        rows = state.execute(
            "SELECT event, passed, version FROM reports ORDER BY received_ms"
        ).fetchall()
    assert rows == [("self-test", 1, "1.0.0"), ("start", 1, "1.0.0"), ("crash", 0, "1.0.0")]


def test_a_download_that_broke_off_goes_on_where_it_did(
    served: tuple[Repository, str], make_phone: MakePhone, build_dir: Path
) -> None:
    repository, address = served
    phone = make_phone(address, repository)
    tflite = next(build_dir.glob("*.tflite")).read_bytes()
    parts = phone.folder / "kept" / "parts" / sha256_bytes(tflite)
    parts.mkdir(parents=True)
    (parts / "000000").write_bytes(tflite[:500])
    (parts / "etag").write_text(f'"{sha256_bytes(tflite)}"')
    check, update = phone.do("check", "update")
    assert update["taken"] == "1.0.0"
    assert update["downloadedBytes"] == check["downloadBytes"] - 500


def test_an_app_goes_back_after_two_starts_that_failed(
    served: tuple[Repository, str], make_phone: MakePhone
) -> None:
    repository, address = served
    phone = make_phone(address, repository)
    _, first = phone.do("update", "start")
    [second] = phone.do("start")
    third, check = phone.do("start", "check")
    assert (first["version"], second["version"], third) == ("1.0.0", "1.0.0", None)
    assert (check["action"], check["code"]) == ("none", "refused-here")


def test_a_model_that_answers_otherwise_is_not_started(
    served: tuple[Repository, str], make_phone: MakePhone
) -> None:
    repository, address = served
    phone = make_phone(address, repository)
    wrong = replace(phone, answers={name: given[::-1] for name, given in phone.answers.items()})
    [refused] = wrong.do("update")
    assert refused["error"] == "SelfTestError"
    assert "golden/00-red.jpg is blue, expected red" in refused["message"]
    assert wrong.do("start") == [None]


@pytest.mark.parametrize("attack", ["tampered", "oversized", "wrong-key", "rollback", "expired"])
def test_metadata_of_python_tuf_are_judged_as_python_judges_them(
    repository: Repository,
    server: Server,
    make_phone: MakePhone,
    second_bundle_path: Path,
    attack: str,
) -> None:
    """On a plain file server, where the signed policy decides alone."""
    phone = replace(make_phone(server.url, repository), asks_server=False)
    phone.do("update", "start", "confirm")
    old = repository.read_metadata("timestamp.json")
    if attack == "wrong-key":
        repository.signers[MODEL] = repository.signers["timestamp"]
    if attack == "expired":
        repository.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    repository.add(second_bundle_path)
    if attack == "rollback":
        assert phone.do("check")[0]["version"] == "1.1.0"
        repository.write_metadata("timestamp.json", old)
    if attack == "tampered":
        stored = repository.stored(f"{MODEL}/1.1.0/manifest.json")
        stored.write_bytes(stored.read_bytes().replace(b"red", b"rad"))
    if attack == "oversized":
        server.endless.add(repository.stored(f"{MODEL}/release.json").name)
    [told] = phone.do("update")
    assert told["error"] == "TrustError"
    expected = {"tampered": "other-bytes", "oversized": "too-large", "wrong-key": "unsigned"}
    assert told["code"] == {**expected, "rollback": "older", "expired": "expired"}[attack]
    assert phone.do("start")[0]["version"] == "1.0.0"


def test_a_delta_that_the_publisher_signed_is_followed(
    repository: Repository,
    server: Server,
    make_phone: MakePhone,
    bundle_path: Path,
    second_bundle_path: Path,
) -> None:
    """By a decoder from npm, in a phone process; the file is checked after it."""
    phone = replace(make_phone(server.url, repository), asks_server=False)
    phone.do("update", "start", "confirm")
    new = open_bundle(second_bundle_path)
    repository.add(second_bundle_path)
    delta = put_delta(repository, open_bundle(bundle_path), new, ".tflite")
    server.requested.clear()
    tflite = find_file(new, ".tflite")[1]
    check, update = replace(phone, answers=list_answers(tflite)).do("check", "update")
    assert check["downloadBytes"] == update["downloadedBytes"] == delta.stat().st_size
    assert len([path for path in server.requested if ".tflite" in path]) == 1
    started = phone.do("start")[0]
    assert started == {"version": "1.1.0", "sha256": sha256_bytes(tflite)}


def test_the_package_that_npm_packs_is_whole_and_its_readme_compiles(
    package: Path, tmp_path: Path
) -> None:
    """As an app's developer gets it: unpacked, type-checked by the README's code, imported."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(tmp_path)],
        cwd=package,
        capture_output=True,
        text=True,
    )
    assert packed.returncode == 0, packed.stderr
    consumer = tmp_path / "app" / "node_modules" / "ghostlens"
    with tarfile.open(fileobj=io.BytesIO(next(tmp_path.glob("*.tgz")).read_bytes())) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path, filter="data")
    assert not [name for name in names if "/test/" in name or "/src/" in name]
    consumer.parent.mkdir(parents=True)
    # The decoder of deltas, which the README proposes to an app.
    (consumer.parent / "@bokuweb").symlink_to(package / "node_modules" / "@bokuweb")
    (tmp_path / "package").rename(consumer)
    readme = (consumer / "README.md").read_text()
    for index, code in enumerate(re.findall(r"```ts\n(.*?)```", readme, re.DOTALL)):
        (tmp_path / "app" / f"readme{index}.ts").write_text(f"{code}\nexport {{}};\n")
    settings = json.loads((package / "tsconfig.json").read_text())["compilerOptions"]
    own = {"noEmit": True, "types": [], "lib": ["ES2022", "DOM"], "skipLibCheck": False}
    options = {**settings, **own, "resolveJsonModule": True}
    for name in ("rootDir", "outDir", "declaration", "noUnusedLocals", "noUnusedParameters"):
        options.pop(name)
    project = {"compilerOptions": options, "include": ["*.ts"]}
    (tmp_path / "app" / "tsconfig.json").write_text(json.dumps(project))
    (tmp_path / "app" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "app" / "root.json").write_text("{}")
    tsc = package / "node_modules" / "typescript" / "bin" / "tsc"
    run_node(tsc, "-p", "tsconfig.json", cwd=tmp_path / "app")
    script = 'import("ghostlens").then((all) => console.log(typeof all.GhostlensClient))'
    assert run_node("-e", script, cwd=tmp_path / "app").strip() == "function"


def test_what_apps_import_needs_nothing_of_node(package: Path) -> None:
    sources = [path for path in (package / "src").rglob("*.ts") if path.name != "node.ts"]
    assert len(sources) > 20
    imported = [
        found for path in sources for found in re.findall(r'from "([^"]+)"', path.read_text())
    ]
    assert [name for name in imported if not name.startswith(".")] == []
    assert [name for name in imported if name.endswith("/node.js")] == []
    dependencies = json.loads((package / "package.json").read_text()).get("dependencies", {})
    assert dependencies == {}
