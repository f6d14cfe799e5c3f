import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from serving.errors import ConflictError, RepositoryError, SettingsError
from serving.publishing.objects import LocalFolder, Objects, open_objects
from serving.publishing.s3 import S3Bucket
from tests.conftest import ROOT
from tests.serving.s3_server import BUCKET
from training.errors import StorageError
from training.files import exclusive_lock, sha256_bytes

NAME = "metadata/timestamp.json"
MANY_BYTES = 1 << 20
KILLED_WRITE = """
import os, signal, sys
from pathlib import Path
import serving.publishing.objects
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
serving.publishing.objects.LocalFolder(Path(sys.argv[1])).create("metadata/1.root.json", b"half")
"""


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path, s3_credentials: None) -> Objects:
    if request.param == "folder":
        return open_objects(tmp_path / "repository")
    endpoint = request.getfixturevalue("s3_endpoint")
    return open_objects(f"s3://{BUCKET}/{uuid.uuid4()}/deep?endpoint={endpoint}")


def read(objects: Objects, name: str = NAME) -> bytes | None:
    content = objects.read(name, MANY_BYTES)
    return None if content is None else content.data


def test_what_was_written_is_read_listed_and_removed(objects: Objects) -> None:
    assert read(objects) is None
    assert objects.find_status(NAME) is None
    assert objects.list_sizes("metadata") == {}
    objects.write(NAME, b"old")
    objects.write(NAME, b"new")
    objects.create("targets/m/1.0.0/a.tflite", b"")
    assert read(objects) == b"new"
    assert objects.list_sizes("metadata") == {NAME: 3}
    assert objects.list_sizes("targets") == {"targets/m/1.0.0/a.tflite": 0}
    objects.remove(NAME)
    objects.remove(NAME)
    assert read(objects) is None


def test_a_tag_tells_other_content_and_is_the_same_for_each_question(objects: Objects) -> None:
    objects.write(NAME, b"one")
    status, content = objects.find_status(NAME), objects.read(NAME, 3)
    assert status is not None and content is not None
    assert (status.size_bytes, status.tag) == (3, content.tag)
    objects.write(NAME, b"two")
    after = objects.find_status(NAME)
    assert after is not None and after.tag != status.tag


def test_bytes_are_compared_with_a_hash(objects: Objects) -> None:
    objects.write(NAME, b"data")
    assert objects.holds(NAME, sha256_bytes(b"data"))
    assert not objects.holds(NAME, sha256_bytes(b"other"))
    assert not objects.holds("metadata/none.json", sha256_bytes(b"data"))


def test_creating_never_replaces(objects: Objects) -> None:
    objects.create(NAME, b"first")
    objects.create(NAME, b"first")
    with pytest.raises(ConflictError, match="another publisher"):
        objects.create(NAME, b"second")
    assert read(objects) == b"first"
    assert list(objects.list_sizes("metadata")) == [NAME]


def test_replacing_wants_what_was_read(objects: Objects) -> None:
    objects.write(NAME, b"one")
    content = objects.read(NAME, MANY_BYTES)
    assert content is not None
    objects.replace(NAME, b"two", content.tag)
    with pytest.raises(ConflictError, match="another publisher"):
        objects.replace(NAME, b"three", content.tag)
    assert read(objects) == b"two"
    objects.remove(NAME)
    with pytest.raises(ConflictError):
        objects.replace(NAME, b"three", content.tag)
    assert read(objects) is None


@pytest.mark.parametrize("way", ["create", "replace"])
def test_of_writers_at_once_one_wins_and_the_others_are_told(way: str, objects: Objects) -> None:
    tag = ""
    if way == "replace":
        objects.write(NAME, b"old")
        content = objects.read(NAME, MANY_BYTES)
        assert content is not None
        tag = content.tag

    def write(number: int) -> bool:
        data = str(number).encode()
        try:
            objects.create(NAME, data) if way == "create" else objects.replace(NAME, data, tag)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(write, range(6)))
    assert won.count(True) == 1
    assert read(objects) == str(won.index(True)).encode()


@pytest.mark.parametrize("name", ["", "/etc/passwd", "a/../../b", "a//b", ".hidden", "a\\b", "a/"])
def test_names_that_climb_are_refused(name: str, objects: Objects) -> None:
    for act in (
        lambda: objects.read(name, 1),
        lambda: objects.write(name, b""),
        lambda: objects.create(name, b""),
        lambda: objects.remove(name),
        lambda: objects.open(name, 0, 1),
    ):
        with pytest.raises(RepositoryError, match="is not the name of an object"):
            act()


def test_what_is_longer_than_allowed_is_not_read(objects: Objects) -> None:
    objects.write(NAME, b"1234")
    with pytest.raises(RepositoryError, match="has 4 bytes: allowed are 3"):
        objects.read(NAME, 3)


def test_a_killed_write_is_not_seen_and_swept_away(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WRITE, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == -signal.SIGKILL
    folder = LocalFolder(tmp_path)
    assert folder.list_sizes("metadata") == {}
    assert list((tmp_path / "metadata").iterdir())
    with folder.lock():
        assert not list((tmp_path / "metadata").iterdir())


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    folder = LocalFolder(tmp_path)
    monkeypatch.setattr(os, "fsync", fail)
    for act in (folder.write, folder.create):
        with pytest.raises(StorageError, match="the disk is full"):
            act(NAME, b"data")
    assert not list((tmp_path / "metadata").iterdir())


def test_a_second_publisher_of_a_folder_waits_outside(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    with (
        exclusive_lock(tmp_path / ".publish.lock"),
        pytest.raises(ConflictError, match="another publisher is at work"),
        folder.lock(),
    ):
        pass


def test_a_part_is_opened_without_reading_the_rest(objects: Objects) -> None:
    objects.write(NAME, b"0123456789")
    for start, stop in [(0, 10), (3, 7), (9, 10), (4, 4)]:
        with objects.open(NAME, start, stop) as stream:
            assert stream.read(stop - start) == b"0123456789"[start:stop]
    with pytest.raises(RepositoryError, match="none"):
        objects.open("targets/none", 0, 1)


def test_objects_have_headers_for_a_cdn(s3_endpoint: str, s3_credentials: None) -> None:
    bucket = S3Bucket.from_url(f"s3://{BUCKET}/cdn?endpoint={s3_endpoint}")
    bucket.create("targets/labels.json", b"[]")
    bucket.create(NAME, b"{}")
    for name, caching in [("targets/labels.json", "immutable"), (NAME, "no-cache")]:
        # The bucket of this server may be read by everybody.
        with urlopen(f"{s3_endpoint}/{BUCKET}/cdn/{name}") as answer:
            assert answer.headers["Content-Type"] == "application/json"
            assert caching in answer.headers["Cache-Control"]


@pytest.mark.parametrize("ignored", ["IfNoneMatch", "IfMatch"])
def test_storage_that_ignores_conditions_is_refused(
    ignored: str, s3_endpoint: str, s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = S3Bucket.from_url(f"s3://{BUCKET}/{uuid.uuid4()}?endpoint={s3_endpoint}")
    for _ in range(2):
        with bucket.lock() as alone:
            assert not alone
    put = bucket._client.put_object
    monkeypatch.setattr(
        bucket._client,
        "put_object",
        lambda **given: put(**{name: given[name] for name in given if name != ignored}),
    )
    with pytest.raises(SettingsError, match="publishers would overwrite"), bucket.lock():
        pass


def test_a_missing_bucket_and_a_silent_storage_are_told(
    s3_endpoint: str, s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match="s3://nowhere/"):
        S3Bucket.from_url(f"s3://nowhere?endpoint={s3_endpoint}").read(NAME, 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError, match="cannot reach s3://silent/"):
        S3Bucket.from_url("s3://silent?endpoint=http://127.0.0.1:9").write(NAME, b"")


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///prefix", "s3://b?endpont=x", "s3://b#f", "s3://b?endpoint=nonsense"]
)
def test_a_malformed_address_is_refused(url: str, s3_credentials: None) -> None:
    with pytest.raises(SettingsError):
        open_objects(url)
