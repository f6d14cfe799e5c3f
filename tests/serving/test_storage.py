import os
import shutil
import threading
import time
from pathlib import Path

import pytest

import serving.storage
from mobile_assets.signing import create_keys
from serving.errors import NotReadyError, RepositoryError, UnknownFileError
from serving.publishing.objects import LocalFolder, Status
from serving.publishing.publish import publish
from serving.storage import Storage
from tests.serving.conftest import set_current
from training.errors import StorageError

TIMESTAMP = "metadata/timestamp.json"


def test_a_new_release_is_seen_without_a_restart(repository: Path, key_folder: Path) -> None:
    storage = Storage(repository)
    assert storage.catalogue.find_release("colours").current == "1.1.0"
    set_current("colours", "1.0.0", repository, key_folder)
    assert storage.catalogue.find_release("colours").current == "1.0.0"
    assert storage.find_problems() == []


def test_the_first_release_is_seen_without_a_restart(
    bundles: dict[str, Path], key_folder: Path, tmp_path: Path
) -> None:
    storage = Storage(tmp_path / "repository")
    with pytest.raises(NotReadyError):
        _ = storage.catalogue
    assert "nothing is published" in storage.find_problems()[0]
    publish(bundles["1.0.0"], tmp_path / "repository", key_folder)
    assert storage.catalogue.find_release("colours").current == "1.0.0"
    assert storage.find_problems() == []


def change_targets(repository: Path) -> None:
    path = repository / "metadata" / "3.colours.json"
    path.write_bytes(path.read_bytes().replace(b'"length": ', b'"length": 1'))


def change_signature(repository: Path) -> None:
    path = repository / TIMESTAMP
    path.write_bytes(path.read_bytes().replace(b'"sig": "', b'"sig": "00'))


def cut_timestamp(repository: Path) -> None:
    path = repository / TIMESTAMP
    path.write_bytes(path.read_bytes()[:100])


def remove_timestamp(repository: Path) -> None:
    (repository / TIMESTAMP).unlink()


def remove_snapshot(repository: Path) -> None:
    (repository / "metadata" / "3.snapshot.json").unlink()


def remove_artifact(repository: Path) -> None:
    next((repository / "targets/colours/1.0.0/artifacts").iterdir()).unlink()


def change_release(repository: Path) -> None:
    for path in (repository / "targets" / "colours").glob("*.release.json"):
        path.write_bytes(path.read_bytes().replace(b"1.0.0", b"1.0.1"))


@pytest.mark.parametrize(
    "damage",
    [
        change_targets,
        change_signature,
        cut_timestamp,
        remove_timestamp,
        remove_snapshot,
        remove_artifact,
        change_release,
    ],
    ids=lambda damage: damage.__name__,
)
def test_what_does_not_verify_leaves_the_last_good_state_and_says_so(
    damage, repository: Path, key_folder: Path
) -> None:
    storage = Storage(repository)
    assert storage.catalogue.find_release("colours").current == "1.1.0"
    set_current("colours", "1.0.0", repository, key_folder)
    damage(repository)
    assert storage.catalogue.find_release("colours").current == "1.1.0"
    assert storage.find_problems()
    with pytest.raises(NotReadyError):
        _ = Storage(repository).catalogue


def test_a_repaired_repository_is_taken_again(
    repository: Path, key_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.storage, "_RETRY_S", 0.0)
    storage = Storage(repository)
    set_current("colours", "1.0.0", repository, key_folder)
    path = repository / "metadata" / "3.colours.json"
    good = path.read_bytes()
    change_targets(repository)
    assert storage.find_problems()
    path.write_bytes(good)  # timestamp.json stays as it was
    assert storage.find_problems() == []
    assert storage.catalogue.find_release("colours").current == "1.0.0"


def test_older_metadata_put_back_are_refused(repository: Path, key_folder: Path) -> None:
    old = (repository / TIMESTAMP).read_bytes()
    storage = Storage(repository)
    set_current("colours", "1.0.0", repository, key_folder)
    assert storage.catalogue.find_release("colours").current == "1.0.0"
    (repository / TIMESTAMP).write_bytes(old)
    assert storage.catalogue.find_release("colours").current == "1.0.0"
    assert "older than version 3" in storage.find_problems()[0]


def test_a_repository_of_strange_keys_is_refused_while_running_and_by_the_trusted_root(
    repository: Path, bundles: dict[str, Path], key_folder: Path, tmp_path: Path
) -> None:
    storage = Storage(repository)
    assert storage.find_problems() == []
    create_keys(tmp_path / "strange")
    publish(bundles["1.0.0"], tmp_path / "evil", tmp_path / "strange")
    for folder in ("metadata", "targets"):
        shutil.rmtree(repository / folder)
        shutil.copytree(tmp_path / "evil" / folder, repository / folder)
    assert storage.catalogue.find_release("colours").current == "1.1.0"
    assert "timestamp metadata are refused" in storage.find_problems()[0]
    with pytest.raises(NotReadyError):
        _ = Storage(repository, key_folder / "root.json").catalogue
    assert Storage(repository, tmp_path / "strange" / "root.json").find_problems() == []


class Unreliable(LocalFolder):
    """Storage that can fall silent, as over a network."""

    is_silent = False

    def find_status(self, name: str) -> Status | None:
        if self.is_silent:
            raise StorageError("cannot reach the storage")
        return super().find_status(name)


def test_storage_that_falls_silent_leaves_the_last_good_state_and_is_told(
    repository: Path, key_folder: Path
) -> None:
    objects = Unreliable(repository)
    storage = Storage(objects)
    assert storage.find_problems() == []
    objects.is_silent = True
    set_current("colours", "1.0.0", repository, key_folder)
    assert storage.find_problems() == ["cannot reach the storage"]
    assert storage.catalogue.find_release("colours").current == "1.1.0"
    with pytest.raises(NotReadyError):
        _ = Storage(objects).catalogue
    objects.is_silent = False
    assert storage.catalogue.find_release("colours").current == "1.0.0"
    assert storage.find_problems() == []


def test_a_request_does_not_wait_for_another_one_that_looks_at_the_storage(
    repository: Path,
) -> None:
    looking, go_on = threading.Event(), threading.Event()

    class Slow(LocalFolder):
        def find_status(self, name: str) -> Status | None:
            if threading.current_thread() is slow:
                looking.set()
                assert go_on.wait(60)
            return super().find_status(name)

    slow = threading.Thread(target=lambda: storage.find_problems())
    storage = Storage(Slow(repository))
    assert storage.find_problems() == []
    slow.start()
    assert looking.wait(60)
    assert storage.catalogue.find_release("colours").current == "1.1.0"
    go_on.set()
    slow.join()


def test_expired_metadata_are_reported(
    repository: Path, monkeypatch: pytest.MonkeyPatch, key_folder: Path
) -> None:
    monkeypatch.setitem(serving.publishing.repository.EXPIRY_DAYS, "timestamp", -1)
    set_current("colours", "1.0.0", repository, key_folder)
    storage = Storage(repository)
    assert storage.catalogue.find_release("colours").current == "1.0.0"
    [problem] = storage.find_problems()
    assert problem.startswith("the timestamp metadata expired on")


def test_a_file_changed_on_disk_is_not_served_and_is_reported_until_repaired(
    repository: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    storage = Storage(repository)
    path = next((repository / "targets/colours/1.0.0/artifacts").glob("*.tflite"))
    url_path = path.relative_to(repository / "targets").as_posix()
    assert storage.find_file(url_path).sha256 == path.name.split(".")[0]
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1))
    with pytest.raises(RepositoryError, match="was changed after it was published"):
        storage.find_file(url_path)
    assert "was changed" in storage.find_problems()[0]
    publish(bundles["1.0.0"], repository, key_folder)
    storage.find_file(url_path)
    assert storage.find_problems() == []


@pytest.mark.parametrize(
    "url_path",
    [
        "../metadata/timestamp.json",
        "colours/../../metadata/timestamp.json",
        "colours/1.0.0/labels.txt",
        "colours//" + "0" * 64 + ".release.json",
        "colours/" + "0" * 64 + ".release.json",
        "colours/" + "0" * 64,
        "/etc/passwd",
        ".publish.lock",
        "a\0b",
        "a" * 5000,
        "",
    ],
)
def test_only_published_files_are_found(published: Path, url_path: str) -> None:
    with pytest.raises(UnknownFileError):
        Storage(published).find_file(url_path)


def test_unpublished_roots_are_not_served(repository: Path) -> None:
    (repository / "metadata" / "2.root.json").write_bytes(b"{}")
    storage = Storage(repository)
    with pytest.raises(NotReadyError):
        storage.read_metadata("2.root.json")
