import multiprocessing
import resource
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from conversion.artifact import artifact_bytes
from mobile_assets.bundle import write_bundle
from mobile_assets.client import BundleClient
from mobile_assets.errors import BundleError, ManifestError, PullError
from mobile_assets.installed import load_current
from mobile_assets.release import STABLE, Channel
from tests.conftest import ROOT
from tests.mobile_assets.builds import (
    COREML,
    EXECUTORCH,
    LITERT,
    MODEL,
    add_variants,
    make_build,
)
from tests.mobile_assets.in_use import RED, version_in_use
from tests.mobile_assets.repositories import Repository, Server
from training.errors import ConfigError, StorageError
from training.files import exclusive_lock

BLOCKED = """
import sys
HEAVY = {"torch", "executorch", "coremltools", "litert_torch", "tensorflow"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
from mobile_assets.cli import main
main()
"""


def run_blocked(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# What a pull does.


def test_a_pull_verifies_tests_and_switches(client: BundleClient) -> None:
    result = client.pull(MODEL, "android")
    (report,) = result.self_tests
    assert report.passed and report.evaluator == "LiteRT runtime"
    assert len(report.photos) == 3
    assert report.max_probability_difference < 1e-6
    assert version_in_use(client) == "1.0.0"
    assert result.model.artifact_path().name == LITERT


def test_only_what_the_platform_needs_is_downloaded(client: BundleClient, server: Server) -> None:
    result = client.pull(MODEL, "android")
    fetched = [path for path in server.requested if path.startswith("/targets/")]
    assert sum(LITERT in path for path in fetched) == 1
    assert not any(EXECUTORCH in path or COREML in path or "/reports/" in path for path in fetched)
    placed = {path.name for path in result.model.directory.rglob("*") if path.is_file()}
    assert placed == {
        LITERT,
        "manifest.json",
        "labels.txt",
        "ghostlens.txt",
        "photos.txt",
        *(f"{i:02}-{name}.jpg" for i, name in enumerate(["red", "green", "blue"])),
    }


def test_a_second_pull_downloads_no_file_again(client: BundleClient, server: Server) -> None:
    assert client.pull(MODEL, "android").downloaded_bytes > 0
    server.requested.clear()
    again = client.pull(MODEL, "android")
    assert again.downloaded_bytes == 0 and again.self_tests[0].passed
    assert not any("/artifacts/" in path for path in server.requested)


def test_another_runtime_can_be_asked_for(client: BundleClient, build_dir: Path) -> None:
    pulled = client.pull(MODEL, "android", runtime="litert").model
    assert pulled.artifact_path().read_bytes() == (build_dir / LITERT).read_bytes()
    with pytest.raises(ManifestError, match="'coreml' on android: allowed are litert, executorch"):
        client.pull(MODEL, "android", runtime="coreml")


def test_a_pull_brings_one_artifact_of_the_precision_asked_for(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    added = add_variants(build_dir, "litert-int8", "litert-fp16", "litert-dynamic-int8")
    repository = Repository(tmp_path / "repository")
    repository.add(write_bundle(build_dir, tmp_path / "many.zip"))
    with Server(repository.folder).running() as server:
        client = BundleClient(tmp_path / "cache", server.url, repository.trusted_root, timeout_s=5)
        default = client.pull(MODEL, "android").model
        assert [artifact.variant.key for artifact in default.artifacts] == ["litert-fp32"]
        small = client.pull(MODEL, "android", precision="int8").model
        assert [artifact.variant.key for artifact in small.artifacts] == ["litert-int8"]
        with pytest.raises(ManifestError, match="no palette8 artifact for android"):
            client.pull(MODEL, "android", precision="palette8")
    asked = [path for path in server.requested if ".tflite" in path and "reports" not in path]
    assert len(asked) == 1, "one file a pull, and here both have the same bytes"
    assert [path.name for path in small.directory.rglob("*.tflite")] == [added["litert-int8"]]
    assert small.artifact_path().name == added["litert-int8"]
    assert default.artifact_path().exists(), "what another app may be using stays"
    current = load_current(tmp_path / "cache" / MODEL)
    assert current.artifacts == small.artifacts


def test_a_new_version_replaces_the_old_and_an_older_can_be_asked_for(
    client: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    client.pull(MODEL, "python")
    repository.add(second_bundle_path)
    assert client.pull(MODEL, "python").model.manifest.version == "1.1.0"
    assert version_in_use(client) == "1.1.0"
    client.pull(MODEL, "python", version="1.0.0")
    assert version_in_use(client) == "1.0.0"


def test_the_publisher_can_go_back_to_an_older_version(
    client: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    repository.add(second_bundle_path)
    client.pull(MODEL, "python")
    repository.set_current(MODEL, "1.0.0")
    assert client.pull(MODEL, "python").downloaded_bytes > 0
    assert version_in_use(client) == "1.0.0"


def test_a_channel_can_be_followed(
    client: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    repository.add(second_bundle_path)
    repository.put_release(MODEL, {STABLE: Channel("1.0.0"), "beta": Channel("1.1.0")})
    assert client.pull(MODEL, "python").model.manifest.version == "1.0.0"
    assert client.pull(MODEL, "python", channel="beta").model.manifest.version == "1.1.0"
    with pytest.raises(PullError, match="no channel 'nightly': allowed are beta, stable"):
        client.pull(MODEL, "python", channel="nightly")
    assert version_in_use(client) == "1.1.0"


def test_damage_on_the_phone_is_found_before_use_and_mended_by_a_pull(
    client: BundleClient,
) -> None:
    path = client.pull(MODEL, "python").model.artifact_path()
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(BundleError, match="was changed"):
        load_current(client.cache_dir / MODEL)
    assert client.pull(MODEL, "python").downloaded_bytes > 0
    assert version_in_use(client) == "1.0.0"


# Bad input and bad luck.


def test_what_is_not_published_is_named(client: BundleClient) -> None:
    with pytest.raises(PullError, match="publishes no model 'plants': allowed are colours"):
        client.pull("plants", "python")
    with pytest.raises(PullError, match=r"publishes no colours 9\.0\.0: allowed are 1\.0\.0"):
        client.pull(MODEL, "python", version="9.0.0")
    with pytest.raises(ConfigError, match="model name"):
        client.pull("../plants", "python")
    with pytest.raises(ManifestError, match="'palm': allowed are android"):
        client.pull(MODEL, "palm")


def test_no_server(pulled: BundleClient) -> None:
    pulled.base_url = "http://127.0.0.1:9"
    with pytest.raises(PullError, match="unreachable"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_a_server_without_a_repository(client: BundleClient, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with Server(tmp_path / "empty").running() as empty:
        client.base_url = empty.url
        with pytest.raises(PullError, match="answered HTTP 404"):
            client.pull(MODEL, "python")


@pytest.mark.parametrize(
    "url", ["", "ftp://host/x", "file:///etc", "localhost:8000", "http://", "http://["]
)
def test_an_address_that_is_no_web_address(client: BundleClient, url: str) -> None:
    client.base_url = url
    with pytest.raises(PullError, match="allowed are http://"):
        client.pull(MODEL, "python")


@pytest.mark.parametrize("root", [b"", b"{}", b"not json", b'{"signed": {"_type": "root"}}'])
def test_a_trusted_root_that_is_none(client: BundleClient, root: bytes) -> None:
    client.trusted_root = root
    with pytest.raises(PullError, match="the trusted root"):
        client.pull(MODEL, "python")


def test_a_folder_may_be_text_and_a_trusted_root_may_not(
    repository: Repository, server: Server, tmp_path: Path
) -> None:
    client = BundleClient(str(tmp_path / "cache"), server.url, repository.trusted_root)
    assert client.start(MODEL) is None
    for root in ("root.json", tmp_path / "root.json"):
        with pytest.raises(PullError, match=r"give the bytes of root.json"):
            BundleClient(tmp_path, server.url, root)  # type: ignore[arg-type]


def test_two_pulls_into_one_folder(pulled: BundleClient) -> None:
    with (
        exclusive_lock(pulled.cache_dir / ".pull.lock"),
        pytest.raises(StorageError, match="another process"),
    ):
        pulled.pull(MODEL, "python")
    pulled.pull(MODEL, "python")


def test_nothing_was_pulled(tmp_path: Path) -> None:
    with pytest.raises(PullError, match="no model was pulled"):
        load_current(tmp_path / "absent")


@pytest.mark.parametrize("moment", ["timestamp.json", "manifest.json", "fp32.tflite"])
def test_a_killed_pull_leaves_the_version_in_use_and_is_recovered_from(
    pulled: BundleClient,
    repository: Repository,
    server: Server,
    second_bundle_path: Path,
    moment: str,
) -> None:
    repository.add(second_bundle_path)
    server.silent.add(moment)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=pulled.pull, args=(MODEL, "python"))
    process.start()
    assert server.asked_silent.wait(timeout=60)
    process.kill()
    process.join()
    assert version_in_use(pulled) == "1.0.0"
    server.silent.clear()
    pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.1.0"
    assert not list(pulled.cache_dir.rglob("*.new.*"))


def test_a_silent_server_is_given_up(pulled: BundleClient, server: Server) -> None:
    server.silent.add("timestamp.json")
    pulled.timeout_s = 1
    with pytest.raises(PullError, match="no answer in time"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_a_clock_set_wrong(pulled: BundleClient, repository: Repository) -> None:
    """To a phone whose clock is years ahead, everything has expired; it keeps what it has."""
    repository.expires -= timedelta(days=2000)
    repository.commit()
    with pytest.raises(PullError, match="the clock here is wrong"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def pull_with_little_room(client: BundleClient, limit_bytes: int, told: Path) -> None:
    """In a process of its own: files above the limit fail to be written, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    try:
        client.pull(MODEL, "python")
    except StorageError:
        told.touch()


@pytest.mark.parametrize("limit_bytes", [0, 500, 1200, 2500])
def test_no_room_left(
    pulled: BundleClient,
    repository: Repository,
    second_bundle_path: Path,
    tmp_path: Path,
    limit_bytes: int,
) -> None:
    repository.add(second_bundle_path)
    told = tmp_path / "told"
    process = multiprocessing.get_context("fork").Process(
        target=pull_with_little_room, args=(pulled, limit_bytes, told)
    )
    process.start()
    process.join()
    assert process.exitcode == 0 and told.exists()
    assert version_in_use(pulled) == "1.0.0"
    pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.1.0"


def test_the_client_works_without_any_converter_installed(
    repository: Repository, server: Server, tmp_path: Path
) -> None:
    root, photo = tmp_path / "root.json", tmp_path / "red.jpg"
    root.write_bytes(repository.trusted_root)
    photo.write_bytes(RED)
    given = [MODEL, "--url", server.url, "--root", root, "--out", tmp_path / "pulled"]
    done = run_blocked("pull", *given, "--platform", "android")
    assert done.returncode == 0, done.stderr
    assert "3 golden photos answered as expected" in done.stdout
    done = run_blocked("recognise", tmp_path / "pulled" / MODEL, photo)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith("red")
    assert done.stdout.splitlines()[-1] == "red (sure; colours 1.0.0)"
    done = run_blocked("pull", *given, "--platform", "android", "--runtime", "executorch")
    assert done.returncode == 0, done.stderr
    assert "not executed here: executorch is needed" in done.stdout


def test_an_ios_pull_unpacks_the_package_with_the_signed_bytes(
    repository: Repository, server: Server, tmp_path: Path, build_dir: Path
) -> None:
    (tmp_path / "root.json").write_bytes(repository.trusted_root)
    given = [MODEL, "--url", server.url, "--root", tmp_path / "root.json", "--platform", "ios"]
    done = run_blocked("pull", *given, "--out", tmp_path / "pulled")
    assert done.returncode == 0, done.stderr
    assert "not executed here: coremltools is needed" in done.stdout
    path = load_current(tmp_path / "pulled" / MODEL).artifact_path()
    assert path.name == COREML and path.is_dir()
    assert artifact_bytes(path) == artifact_bytes(build_dir / COREML)
    assert not path.with_name(f"{COREML}.zip").exists()


def test_nothing_of_a_cloud_model_is_downloaded(
    two_models_path: Path, repository: Repository, server: Server, tmp_path: Path
) -> None:
    alone = BundleClient(tmp_path / "alone", server.url, repository.trusted_root).pull(
        MODEL, "android"
    )
    other = Repository(tmp_path / "two")
    other.add(two_models_path)
    with Server(other.folder).running() as cloudy:
        client = BundleClient(tmp_path / "phone", cloudy.url, other.trusted_root)
        pulled = client.pull(MODEL, "android")
    assert pulled.model.manifest.cloud is not None
    assert not [path for path in cloudy.requested if "/cloud/" in path]
    manifests = [
        (result.model.directory / "manifest.json").stat().st_size for result in (pulled, alone)
    ]
    more = pulled.downloaded_bytes - alone.downloaded_bytes
    assert more == manifests[0] - manifests[1]
    assert not (pulled.model.directory / "cloud").exists()
    assert version_in_use(client) == "1.0.0"
