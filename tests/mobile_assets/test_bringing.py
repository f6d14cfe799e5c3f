"""Files of a new version come from what is here: as they are, or by a delta."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conversion.artifact import artifact_bytes
from mobile_assets import bringing
from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.client import BundleClient, Pull
from mobile_assets.deltas import delta_path, make_delta
from mobile_assets.installed import load_current
from tests.mobile_assets.builds import MODEL
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import Repository, Server


def find_file(bundle: Bundle, ending: str) -> tuple[str, bytes]:
    [path] = [x.path for x in bundle.manifest.artifacts if x.path.endswith(ending)]
    return path, bundle.read(path)


def put_delta(repository: Repository, old: Bundle, new: Bundle, ending: str) -> Path:
    """Signs the delta between the artifacts of two versions, and returns where it is stored."""
    (_, before), (path, after) = find_file(old, ending), find_file(new, ending)
    [sha256] = [x.file.sha256 for x in old.manifest.artifacts if x.path.endswith(ending)]
    target_path = delta_path(MODEL, new.manifest.version, path, sha256)
    stored = repository.put(target_path, make_delta(before, after))
    repository.commit()
    return stored


@pytest.fixture
def bundles(bundle_path: Path, second_bundle_path: Path) -> tuple[Bundle, Bundle]:
    return open_bundle(bundle_path), open_bundle(second_bundle_path)


@pytest.fixture
def offered(
    pulled: BundleClient,
    repository: Repository,
    server: Server,
    bundles: tuple[Bundle, Bundle],
    second_bundle_path: Path,
) -> Path:
    """Where a delta to a second version is stored, of which nothing was asked yet."""
    repository.add(second_bundle_path)
    stored = put_delta(repository, *bundles, ".tflite")
    server.requested.clear()
    return stored


def list_asked(server: Server) -> list[str]:
    return [
        path.rpartition("/")[2].split(".", 1)[1] for path in server.requested if "1.1.0" in path
    ]


def check_new(client: BundleClient, pull: Pull, bundle: Bundle) -> None:
    assert pull.model.artifact_path().read_bytes() == find_file(bundle, ".tflite")[1]
    assert version_in_use(client) == "1.1.0"


def test_only_manifest_and_delta_are_fetched_of_a_version_that_shares_the_rest(
    pulled: BundleClient, server: Server, offered: Path, bundles: tuple[Bundle, Bundle]
) -> None:
    pull = pulled.pull(MODEL, "python")
    delta = offered.name.split(".", 1)[1]
    assert list_asked(server) == ["manifest.json", delta]
    assert pull.downloaded_bytes == offered.stat().st_size + len(bundles[1].manifest_bytes)
    check_new(pulled, pull, bundles[1])
    placed = {path.name for path in pull.model.directory.iterdir()}
    assert placed == {"artifacts", "golden", "labels.txt", "licences", "manifest.json"}


def remove(stored: Path) -> None:
    stored.unlink()


def tamper(stored: Path) -> None:
    stored.write_bytes(bytes(stored.stat().st_size))


@pytest.mark.parametrize("harm", [remove, tamper])
def test_without_the_delta_the_whole_file_comes(
    pulled: BundleClient,
    server: Server,
    offered: Path,
    bundles: tuple[Bundle, Bundle],
    harm: Callable[[Path], None],
) -> None:
    harm(offered)
    check_new(pulled, pulled.pull(MODEL, "python"), bundles[1])
    assert list_asked(server)[-1].endswith("litert-fp32.tflite")


def test_a_delta_that_breaks_off_is_done_without(
    pulled: BundleClient, server: Server, offered: Path, bundles: tuple[Bundle, Bundle]
) -> None:
    server.cut_at_bytes[".zst"] = 10
    check_new(pulled, pulled.pull(MODEL, "python"), bundles[1])


@pytest.mark.parametrize("signed", [b"", b"no delta", make_delta(b"", b"\x01" * 3000)])
def test_a_delta_that_was_signed_and_leads_elsewhere_costs_the_whole_file_only(
    pulled: BundleClient,
    repository: Repository,
    server: Server,
    offered: Path,
    bundles: tuple[Bundle, Bundle],
    signed: bytes,
) -> None:
    [path] = [path for path in repository.targets if path.endswith(".zst")]
    repository.put(path, signed)
    repository.commit()
    check_new(pulled, pulled.pull(MODEL, "python"), bundles[1])
    assert list_asked(server)[-1].endswith("litert-fp32.tflite")


def test_a_phone_without_the_memory_for_a_delta_takes_the_whole_file(
    pulled: BundleClient,
    offered: Path,
    bundles: tuple[Bundle, Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def apply(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(bringing, "apply_delta", apply)
    check_new(pulled, pulled.pull(MODEL, "python"), bundles[1])


def test_from_a_damaged_file_no_delta_is_fetched(
    pulled: BundleClient, server: Server, offered: Path, bundles: tuple[Bundle, Bundle]
) -> None:
    old = load_current(pulled.cache_dir / MODEL)
    old.artifact_path().write_bytes(b"damaged")
    (old.directory / "labels.txt").unlink()
    check_new(pulled, pulled.pull(MODEL, "python"), bundles[1])
    asked = list_asked(server)
    assert "labels.txt" in asked and not any(name.endswith(".zst") for name in asked)


def test_a_delta_as_long_as_what_is_missing_is_not_worth_it(
    pulled: BundleClient,
    repository: Repository,
    server: Server,
    second_bundle_path: Path,
    bundles: tuple[Bundle, Bundle],
) -> None:
    """The most of the file came before the connection broke."""
    repository.add(second_bundle_path)
    path, data = find_file(bundles[1], ".tflite")
    put_delta(repository, *bundles, ".tflite")
    sha256 = repository.targets[f"{MODEL}/1.1.0/{path}"].hashes["sha256"]
    kept = pulled.cache_dir / ".partial" / sha256
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(data[:-20])
    check_new(pulled, pulled.pull(MODEL, "python"), bundles[1])
    assert not any(path.endswith(".zst") for path in server.requested)


def test_a_package_is_made_by_a_delta_between_its_zips(
    client: BundleClient,
    repository: Repository,
    server: Server,
    second_bundle_path: Path,
    bundles: tuple[Bundle, Bundle],
    only_litert: None,
) -> None:
    client.pull(MODEL, "ios")
    repository.add(second_bundle_path)
    put_delta(repository, *bundles, ".zip")
    server.requested.clear()
    path = client.pull(MODEL, "ios").model.artifact_path()
    assert path.is_dir() and artifact_bytes(path) == find_file(bundles[1], ".zip")[1]
    assert list_asked(server)[-1].endswith(".mlpackage.zip.zst")


def test_what_broken_downloads_left_is_bounded(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    folder = pulled.cache_dir / ".partial"
    folder.mkdir(exist_ok=True)
    for index in range(10):
        (folder / f"{index:064}").write_bytes(b"part")
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "python")
    assert len(list(folder.iterdir())) == 2
