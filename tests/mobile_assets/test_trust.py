"""What a thief of each key can do, and what damaged metadata can; no models, only signed files."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, TargetFile, Targets

from mobile_assets.client import BundleClient
from mobile_assets.errors import PullError
from mobile_assets.trust import TrustedRepository
from tests.mobile_assets.builds import MODEL
from tests.mobile_assets.clock import set_clock
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import Repository, Server
from training.errors import GhostlensError, StorageError

NOTE = "apples/note.txt"
ONLINE = ("snapshot", "timestamp")
FAR = 2**31


class Phone:
    """Opens the repository anew for each reading, with the memory in its folder."""

    def __init__(self, url: str, cache: Path, trusted_root: bytes) -> None:
        self.url, self.cache, self.trusted_root = url, cache, trusted_root

    def read(self, path: str = NOTE) -> bytes:
        repository = TrustedRepository(self.cache, self.url, self.trusted_root, timeout_s=5)
        repository.refresh()
        return repository.read(path, 100)


@pytest.fixture
def signed(tmp_path: Path) -> Repository:
    """Two models, each with one file."""
    made = Repository(tmp_path / "signed")
    made.put(NOTE, b"apples 1")
    made.put("pears/note.txt", b"pears 1")
    made.commit()
    return made


@pytest.fixture
def host(signed: Repository) -> Iterator[Server]:
    with Server(signed.folder).running() as running:
        yield running


@pytest.fixture
def phone(signed: Repository, host: Server, tmp_path: Path) -> Phone:
    made = Phone(host.url, tmp_path / "phone", signed.trusted_root)
    assert made.read() == b"apples 1"
    return made


@pytest.fixture
def new_phone(signed: Repository, host: Server, tmp_path: Path) -> Phone:
    """Has never seen the repository."""
    return Phone(host.url, tmp_path / "new-phone", signed.trusted_root)


def release(repository: Repository, text: bytes) -> None:
    repository.put(NOTE, text)
    repository.commit()


def replace_keys(repository: Repository, *roles: str) -> None:
    """Publishes a root that names new keys for these roles, signed by the root key."""
    for role in roles:
        for keyid in list(repository.root.roles[role].keyids):
            repository.root.revoke_key(keyid, role)
        repository.signers[role] = CryptoSigner.generate_ed25519()
        repository.root.add_key(repository.signers[role].public_key, role)
    repository.root.version += 1
    name = f"{repository.root.version}.root.json"
    repository.write_metadata(name, repository.sign(repository.root))


def test_arbitrary_installation_without_any_key(signed: Repository, phone: Phone) -> None:
    """A file in the place of another, and metadata of other keys."""
    signed.stored(NOTE).write_bytes(b"evil 123")
    with pytest.raises(PullError, match="other bytes than were signed"):
        phone.read()
    signed.signers = {role: CryptoSigner.generate_ed25519() for role in signed.signers}
    release(signed, b"evil 123")
    with pytest.raises(PullError, match="not signed by the keys"):
        phone.read()


@pytest.mark.parametrize("role", ["apples", "targets"])
def test_stolen_online_keys_cannot_install(
    role: str, signed: Repository, phone: Phone, new_phone: Phone
) -> None:
    """The thief signs the metadata of a model, or of the delegations, with the online keys."""
    signed.signers[role] = signed.signers["snapshot"]
    release(signed, b"evil 123")
    for victim in (phone, new_phone):
        with pytest.raises(PullError, match="not signed by the keys"):
            victim.read()


def test_stolen_online_keys_can_hold_back_but_not_roll_back(
    signed: Repository, phone: Phone, new_phone: Phone
) -> None:
    """With them a thief names older metadata of a model: a phone that saw newer ones refuses."""
    old = signed.read_metadata("1.apples.json")
    release(signed, b"apples 2")
    assert phone.read() == b"apples 2"
    snapshot = Metadata.from_bytes(signed.read_metadata("2.snapshot.json")).signed
    snapshot.version = 3
    snapshot.meta["apples.json"] = MetaFile.from_data(1, old, ["sha256"])
    signed.versions["snapshot"] = 3
    data = signed.sign(snapshot)
    signed.write_metadata("3.snapshot.json", data)
    signed.write_timestamp(data)
    with pytest.raises(PullError, match="older than what was seen before"):
        phone.read()
    assert new_phone.read() == b"apples 1"  # held back; but it is what the model's owner signed


def test_stolen_online_keys_count_no_more_once_they_are_replaced(
    signed: Repository, phone: Phone
) -> None:
    stolen = {role: signed.signers[role] for role in ONLINE}
    replace_keys(signed, *ONLINE)
    release(signed, b"apples 2")
    assert phone.read() == b"apples 2"
    signed.signers |= stolen
    release(signed, b"apples 3")
    with pytest.raises(PullError, match="not signed by the keys"):
        phone.read()


def test_fast_forward_and_recovery_by_replacing_the_online_keys(
    signed: Repository, phone: Phone, new_phone: Phone
) -> None:
    """A thief of the online keys gives the highest numbers, so that honest ones look old."""
    honest = dict(signed.versions)
    signed.versions |= dict.fromkeys(ONLINE, FAR)
    signed.commit()
    assert phone.read() == b"apples 1"
    signed.versions = honest
    release(signed, b"apples 2")
    with pytest.raises(PullError, match="older than what was seen before"):
        phone.read()
    assert new_phone.read() == b"apples 2"
    replace_keys(signed, *ONLINE)
    release(signed, b"apples 3")
    assert phone.read() == b"apples 3"


def test_fast_forward_of_a_model_by_its_stolen_key(signed: Repository, phone: Phone) -> None:
    """With the model's key and the online ones; all three are replaced."""
    honest = dict(signed.versions)
    signed.versions |= dict.fromkeys(("apples", *ONLINE), FAR)
    signed.commit()
    assert phone.read() == b"apples 1"
    signed.versions = honest
    signed.signers["apples"] = CryptoSigner.generate_ed25519()
    old = signed.delegating.get_delegated_role("apples").keyids[0]
    signed.delegating.revoke_key(old, "apples")
    signed.delegating.add_key(signed.signers["apples"].public_key, "apples")
    replace_keys(signed, *ONLINE)
    release(signed, b"apples 2")
    assert phone.read() == b"apples 2"


def test_freeze(
    signed: Repository, phone: Phone, new_phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same metadata, well signed, are repeated after their time is over."""
    assert phone.read() == b"apples 1"
    set_clock(monkeypatch, timedelta(days=2))
    for victim in (phone, new_phone):
        with pytest.raises(PullError, match=r"expired.*repeated"):
            victim.read()


def test_mix_and_match_of_delegated_metadata(signed: Repository, phone: Phone) -> None:
    """The metadata of one model in the place of another's, both well signed."""
    release(signed, b"apples 2")
    signed.write_metadata("2.apples.json", signed.read_metadata("2.pears.json"))
    with pytest.raises(PullError, match="other bytes than were signed"):
        phone.read()


def test_rollback_of_the_timestamp(signed: Repository, phone: Phone) -> None:
    old = signed.read_metadata("timestamp.json")
    release(signed, b"apples 2")
    assert phone.read() == b"apples 2"
    signed.write_metadata("timestamp.json", old)
    with pytest.raises(PullError, match="older than what was seen before"):
        phone.read()


def test_wrong_software_by_another_models_key(
    signed: Repository, phone: Phone, new_phone: Phone
) -> None:
    """A thief of the pears' key and the online ones signs a file of the apples."""
    evil = b"evil 123"
    target = TargetFile.from_data(NOTE, evil, ["sha256"])
    signed.stored(NOTE).with_name(f"{target.hashes['sha256']}.note.txt").write_bytes(evil)
    pears = Targets(targets={NOTE: target, "pears/note.txt": signed.targets["pears/note.txt"]})
    apples = Targets(targets={NOTE: signed.targets[NOTE]})
    signed.commit_signed({"targets": signed.delegating, "apples": apples, "pears": pears})
    assert phone.read() == new_phone.read() == b"apples 1"
    # Without the apples' own metadata nothing is found, rather than the pears' word taken.
    signed.commit_signed({"targets": signed.delegating, "pears": pears})
    with pytest.raises(PullError, match=r"apples\.json|not part of snapshot"):
        new_phone.read()


def test_a_stolen_key_of_a_model_can_install_its_model_only_with_the_online_keys(
    signed: Repository, phone: Phone
) -> None:
    signed.signers |= {role: CryptoSigner.generate_ed25519() for role in ONLINE}
    release(signed, b"evil 123")
    with pytest.raises(PullError, match="not signed by the keys"):
        phone.read()


@pytest.mark.parametrize("by", [timedelta(days=-3000), timedelta(days=-1)])
def test_a_clock_set_back_still_sees_a_rollback(
    by: timedelta, signed: Repository, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = signed.read_metadata("timestamp.json")
    release(signed, b"apples 2")
    set_clock(monkeypatch, by)
    assert phone.read() == b"apples 2"
    signed.write_metadata("timestamp.json", old)
    with pytest.raises(PullError, match="older than what was seen before"):
        phone.read()


def tamper(data: bytes) -> bytes:
    """Another expiry, and the signatures as they were."""
    return data.replace(b'"expires": "20', b'"expires": "21', 1).replace(
        b'"expires":"20', b'"expires":"21', 1
    )


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zero-filled": lambda data: bytes(len(data)),
    "random": lambda data: os.urandom(len(data)),
    "tampered": tamper,
    "oversized": lambda data: data + b" " * 6_000_000,
    "deep": lambda data: b"[" * 100_000,
    "not UTF-8": lambda data: b"\xff\xfe" + data,
}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "apples", "root"])
def test_damaged_metadata_of_a_server_are_refused_and_good_ones_taken_again(
    role: str, signed: Repository, phone: Phone
) -> None:
    replace_keys(signed)
    release(signed, b"apples 2")
    name = "timestamp.json" if role == "timestamp" else f"2.{role}.json"
    good = signed.read_metadata(name)
    for damage in DAMAGES.values():
        signed.write_metadata(name, damage(good))
        with pytest.raises(PullError):
            phone.read()
    signed.write_metadata(name, good)
    assert phone.read() == b"apples 2"


def test_damaged_metadata_in_the_phones_memory_are_fetched_again(
    signed: Repository, phone: Phone
) -> None:
    for name in ("truncated", "zero-filled", "tampered", "deep"):
        for path in [*phone.cache.glob("*.json"), *phone.cache.glob("root_history/*.json")]:
            path.write_bytes(DAMAGES[name](path.read_bytes()))
            assert phone.read() == b"apples 1"
    release(signed, b"apples 2")
    assert phone.read() == b"apples 2"


def test_a_file_that_is_there_already_is_not_fetched_again(
    signed: Repository, host: Server, phone: Phone, tmp_path: Path
) -> None:
    repository = TrustedRepository(phone.cache, phone.url, phone.trusted_root)
    for _ in range(2):
        repository.download(NOTE, tmp_path / "note", 100)
    assert len([path for path in host.requested if path.endswith(".note.txt")]) == 2  # 1 by phone
    (tmp_path / "note").write_bytes(b"changed!")
    repository.download(NOTE, tmp_path / "note", 100)
    assert (tmp_path / "note").read_bytes() == b"apples 1"


def test_what_was_read_is_kept_verified_and_bounded(signed: Repository, phone: Phone) -> None:
    for number in range(12):
        signed.put(f"apples/{number}.txt", b"%d" % number)
    signed.commit()
    folder = phone.cache / "documents"
    repository = TrustedRepository(phone.cache, phone.url, phone.trusted_root, documents_dir=folder)
    repository.refresh()
    for number in range(12):
        assert repository.read(f"apples/{number}.txt", 10) == b"%d" % number
    kept = list(folder.iterdir())
    assert len(kept) == 8
    for path in kept:
        path.write_bytes(b"evil")
    assert repository.read("apples/11.txt", 10) == b"11"
    for path in kept:
        path.unlink()
    folder.rmdir()
    folder.write_text("no folder")
    assert repository.read("apples/11.txt", 10) == b"11"


def test_files_may_lie_at_another_address(signed: Repository, phone: Phone, host: Server) -> None:
    with Server(signed.folder / "targets").running() as caches:
        repository = TrustedRepository(
            phone.cache, phone.url, phone.trusted_root, targets_url=f"{caches.url}/"
        )
        assert repository.read(NOTE, 100) == b"apples 1"
        assert len(caches.requested) == 1
    with pytest.raises(PullError, match=r"allowed are http://"):
        TrustedRepository(phone.cache, phone.url, phone.trusted_root, targets_url="ftp://x")


def test_two_clients_that_share_one_cache(
    pulled: BundleClient, second_bundle_path: Path, repository: Repository
) -> None:
    """Each gets the model or is told that another is at work; the cache stays whole."""
    repository.add(second_bundle_path)
    other = BundleClient(pulled.cache_dir, pulled.base_url, pulled.trusted_root, timeout_s=5)
    outcomes: list[str] = []

    def pull(client: BundleClient) -> None:
        try:
            outcomes.append(client.pull(MODEL, "python").model.manifest.version)
        except StorageError as error:
            outcomes.append("told" if "another process" in str(error) else str(error))
        except GhostlensError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=pull, args=(client,)) for client in (pulled, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"1.1.0", "told"} and "1.1.0" in outcomes
    assert version_in_use(pulled) == version_in_use(other) == "1.1.0"
