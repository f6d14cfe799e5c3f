"""Attacks on a pull: each ends in a typed error, and the version in use goes on working."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mobile_assets.archive import pack
from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.client import BundleClient
from mobile_assets.errors import BundleError, ManifestError, PullError, SelfTestError
from mobile_assets.manifest import Manifest
from mobile_assets.release import MAX_RELEASE_BYTES
from tests.mobile_assets.builds import COREML, LITERT, MODEL
from tests.mobile_assets.clock import set_clock
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import Repository, Server
from training.files import sha256_bytes

ENDLESS = ("timestamp.json", "2.snapshot.json", "2.targets.json", f"2.{MODEL}.json", "release")


def republish(repository: Repository, bundle: Bundle, manifest: Manifest) -> None:
    """Signs another manifest in the place of a bundle's, as a stolen key could."""
    path = f"{bundle.manifest.model}/{bundle.manifest.version}/manifest.json"
    repository.put(path, manifest.to_bytes())
    repository.commit()


def turn_answers(manifest: Manifest) -> Manifest:
    """Returns the manifest of a model whose golden photos are expected to be something else."""
    golden = [
        replace(item, answers={path: given[::-1] for path, given in item.answers.items()})
        for item in manifest.golden
    ]
    return replace(manifest, golden=tuple(golden))


def test_arbitrary_installation(
    pulled: BundleClient, server: Server, second_bundle_path: Path, tmp_path: Path
) -> None:
    """Somebody else's repository, whole and well signed by other keys."""
    attacker = Repository(tmp_path / "attacker")
    attacker.add(second_bundle_path)
    with Server(attacker.folder).running() as evil:
        pulled.base_url = evil.url
        with pytest.raises(PullError, match="not signed by the keys that the trusted root names"):
            pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_arbitrary_installation_by_a_stolen_online_key(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    """The online keys alone cannot sign a model's metadata: they hold back, at the worst."""
    repository.signers[MODEL] = repository.signers["timestamp"]
    repository.add(second_bundle_path)
    with pytest.raises(PullError, match="not signed"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_rollback(pulled: BundleClient, repository: Repository, second_bundle_path: Path) -> None:
    """Old metadata, validly signed, after newer ones were seen."""
    old = (repository.folder / "metadata" / "timestamp.json").read_bytes()
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "python")
    repository.write_metadata("timestamp.json", old)
    with pytest.raises(PullError, match="older than what was seen before"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.1.0"


def test_freeze(pulled: BundleClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server repeats the same metadata, well signed, when their time is over."""
    pulled.pull(MODEL, "python")
    set_clock(monkeypatch, timedelta(days=2))
    with pytest.raises(PullError, match=r"expired.*repeated"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_mix_and_match(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    """New snapshot, old targets metadata: parts that never belonged together."""
    old = repository.read_metadata(f"1.{MODEL}.json")
    repository.add(second_bundle_path)
    repository.write_metadata(f"2.{MODEL}.json", old)
    with pytest.raises(PullError, match="other bytes than were signed"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_mix_and_match_of_files(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path, build_dir: Path
) -> None:
    """A signed artifact in the place of another: the manifest's hash tells."""
    repository.add(second_bundle_path)
    path = f"{MODEL}/1.1.0/artifacts/{LITERT.replace('1.0.0', '1.1.0')}"
    repository.put(path, (build_dir / LITERT).read_bytes())
    repository.commit()
    with pytest.raises(BundleError, match="was changed"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_wrong_software(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    """The manifest of another version under this version's name."""
    second = open_bundle(second_bundle_path)
    repository.put(f"{MODEL}/1.0.0/manifest.json", second.manifest_bytes)
    repository.commit()
    with pytest.raises(PullError, match=r"is about colours 1\.1\.0"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_data(
    pulled: BundleClient,
    repository: Repository,
    server: Server,
    second_bundle_path: Path,
    name: str,
) -> None:
    repository.add(second_bundle_path)
    server.endless.add(name)
    with pytest.raises(PullError, match="more than was signed"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_endless_data_that_is_signed(pulled: BundleClient, repository: Repository) -> None:
    repository.put(f"{MODEL}/release.json", b" " * (MAX_RELEASE_BYTES + 1))
    repository.commit()
    with pytest.raises(PullError, match=f"allowed are {MAX_RELEASE_BYTES}"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


@pytest.mark.parametrize("victim", ["artifacts", "manifest.json", "release.json"])
def test_tampered_file(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path, victim: str
) -> None:
    repository.add(second_bundle_path)
    path = next(
        path
        for path in repository.targets
        if victim in path
        and ("1.1.0" in path or "release" in path)
        and not path.endswith((".pte", ".zip"))
    )
    tamper(repository.stored(path))
    with pytest.raises(PullError, match="other bytes than were signed"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def tamper(stored: Path) -> None:
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)


def truncate(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:5])


def fill_with_zeros(stored: Path) -> None:
    stored.write_bytes(bytes(stored.stat().st_size))


@pytest.mark.parametrize("harm", [tamper, truncate, fill_with_zeros])
@pytest.mark.parametrize("victim", ["labels.txt", "golden/00-red.jpg"])
def test_harmed_small_file(
    client: BundleClient, repository: Repository, harm: Callable[[Path], None], victim: str
) -> None:
    """Those that versions share are not fetched twice, so this is a phone that has nothing."""
    stored = repository.stored(f"{MODEL}/1.0.0/{victim}")
    whole = stored.read_bytes()
    harm(stored)
    with pytest.raises(PullError, match="other bytes than were signed"):
        client.pull(MODEL, "python")
    assert client.start(MODEL) is None
    stored.write_bytes(whole)
    client.pull(MODEL, "python")
    assert version_in_use(client) == "1.0.0"


def test_truncated_download(
    pulled: BundleClient, repository: Repository, server: Server, second_bundle_path: Path
) -> None:
    repository.add(second_bundle_path)
    server.cut_at_bytes["litert-fp32.tflite"] = 300
    with pytest.raises(PullError, match=r"litert-fp32\.tflite.*the connection broke"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"
    server.cut_at_bytes.clear()
    pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.1.0"


def test_path_traversal_in_a_signed_manifest(
    pulled: BundleClient, repository: Repository, bundle_path: Path, tmp_path: Path
) -> None:
    bundle = open_bundle(bundle_path)
    value = json.loads(bundle.manifest_bytes)
    value["other_files"][0]["path"] = "golden/../../../../escape"
    repository.put(f"{MODEL}/1.0.0/manifest.json", json.dumps(value).encode())
    repository.commit()
    with pytest.raises(ManifestError, match=r"other_files\[0\]\.path"):
        pulled.pull(MODEL, "python")
    assert not list(tmp_path.rglob("escape"))
    assert version_in_use(pulled) == "1.0.0"


def publish_package(repository: Repository, bundle: Bundle, name: str) -> None:
    """Signs a `.mlpackage.zip` that holds a file of any name, and the manifest for it."""
    packed, artifacts = pack([(name, b"evil")]), []
    for artifact in bundle.manifest.artifacts:
        if artifact.runtime == "coreml":
            assert artifact.parity is not None
            digest = sha256_bytes(packed)
            file = replace(artifact.file, sha256=digest, size_bytes=len(packed))
            parity = replace(artifact.parity, artifact_sha256=digest)
            artifact = replace(artifact, file=file, parity=parity)
            repository.put(f"{MODEL}/{bundle.manifest.version}/{artifact.path}", packed)
        artifacts.append(artifact)
    republish(repository, bundle, replace(bundle.manifest, artifacts=tuple(artifacts)))


@pytest.mark.parametrize(
    "name", ["../evil.txt", f"{COREML}/../../evil.txt", "/evil.txt", "b/evil.txt"]
)
def test_path_traversal_in_a_signed_package(
    pulled: BundleClient, repository: Repository, bundle_path: Path, tmp_path: Path, name: str
) -> None:
    """A `.mlpackage.zip` that climbs out, signed and named by its manifest."""
    publish_package(repository, open_bundle(bundle_path), name)
    with pytest.raises(BundleError, match=r"must be relative and stay inside|lies outside"):
        pulled.pull(MODEL, "ios")
    assert not list(tmp_path.rglob("evil.txt"))
    assert version_in_use(pulled) == "1.0.0"


def test_a_newer_manifest_schema(pulled: BundleClient, repository: Repository) -> None:
    repository.put(f"{MODEL}/1.0.0/manifest.json", b'{"schema": "ghostlens.bundle/5"}')
    repository.commit()
    with pytest.raises(ManifestError, match="newer than"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"


def test_a_model_that_answers_otherwise_fails_its_self_test(
    pulled: BundleClient, repository: Repository, bundle_path: Path
) -> None:
    """Signed and whole, but this device does not compute what was expected."""
    bundle = open_bundle(bundle_path)
    republish(repository, bundle, turn_answers(bundle.manifest))
    with pytest.raises(SelfTestError, match=r"golden/00-red\.jpg is 'red', expected 'blue'"):
        pulled.pull(MODEL, "python")
    assert version_in_use(pulled) == "1.0.0"
    assert len(list((pulled.cache_dir / MODEL / "1.0.0").glob("litert-*"))) == 1
