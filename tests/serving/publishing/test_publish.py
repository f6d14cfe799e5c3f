import errno
import json
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mobile_assets.bundle import write_bundle
from mobile_assets.errors import SigningError
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release
from mobile_assets.signing import create_keys, load_public_keys
from serving.errors import (
    ConflictError,
    PublishError,
    RepositoryError,
    UnknownModelError,
    UnknownVersionError,
)
from serving.publishing.delegations import find_delegation
from serving.publishing.desk import open_desk
from serving.publishing.publish import publish, resign
from serving.publishing.repository import (
    EXPIRY_DAYS,
    MODEL_EXPIRY_DAYS,
    read_metadata_in,
    read_state,
)
from tests.mobile_assets.builds import make_build
from tests.serving.conftest import make_phone, set_current
from training.errors import StorageError
from training.files import exclusive_lock

# Thirteen files of the bundle, its manifest, two deltas from the version before, release.json, the
# model's metadata, snapshot and timestamp.
SECOND_WRITES = 20


def read_current(repository: Path, cache: Path) -> str:
    data = make_phone(repository, cache).read("colours/release.json")
    return Release.from_bytes(data).current


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".publish.lock"
    }


def test_a_client_that_trusts_the_first_root_reads_every_file(
    published: Path, key_folder: Path, tmp_path: Path
) -> None:
    phone = make_phone(published, tmp_path / "phone", (key_folder / "root.json").read_bytes())
    release = Release.from_bytes(phone.read("colours/release.json"))
    assert (release.current, release.names) == ("1.1.0", ("1.0.0", "1.1.0"))
    for version in release.names:
        manifest = json.loads(phone.read(f"colours/{version}/manifest.json"))
        for path in [entry["path"] for entry in manifest["artifacts"]]:
            assert phone.read(f"colours/{version}/{path}")


def test_files_lie_under_their_hash_in_the_layout_of_the_contract(published: Path) -> None:
    names = sorted(path.name for path in (published / "metadata").iterdir())
    assert names == [
        "1.colours.json",
        "1.root.json",
        "1.snapshot.json",
        "1.targets.json",
        "2.colours.json",
        "2.snapshot.json",
        "timestamp.json",
    ]
    stored = list((published / "targets" / "colours" / "1.0.0" / "artifacts").iterdir())
    assert len(stored) == 3
    assert all(len(path.name.split(".")[0]) == 64 for path in stored)


def test_each_role_expires_after_its_stated_time(published: Path) -> None:
    state = read_state(read_metadata_in(published))
    assert state is not None
    for role, expires in state.expiries().items():
        expected = datetime.now(UTC) + timedelta(days=EXPIRY_DAYS.get(role, MODEL_EXPIRY_DAYS))
        assert abs(expires - expected) < timedelta(hours=1)
    late = datetime.now(UTC) + timedelta(days=8)
    assert [text.split()[1] for text in state.find_expired(late)] == ["timestamp"]


def test_the_same_bundle_again_changes_nothing(
    repository: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    before = list_files(repository)
    assert not publish(bundles["1.0.0"], repository, key_folder).changed
    assert list_files(repository) == before


def test_the_same_bundle_again_puts_back_what_was_damaged(
    repository: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    before = list_files(repository)
    files = sorted((repository / "targets/colours/1.0.0/artifacts").iterdir())
    files[0].write_bytes(b"damaged")
    files[1].unlink()
    publish(bundles["1.0.0"], repository, key_folder)
    assert list_files(repository) == before


def test_other_content_under_a_published_version_is_refused(
    repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    other = write_bundle(make_build(tmp_path / "other", "1.0.0", 0.09), tmp_path / "other.zip")
    before = list_files(repository)
    with pytest.raises(PublishError, match=r"colours 1\.0\.0 .* versions never change"):
        publish(other, repository, key_folder)
    assert list_files(repository) == before


def test_a_wrong_key_is_refused_before_anything_is_written(
    published: Path, repository: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "strange"
    create_keys(strange)
    bundle = write_bundle(make_build(tmp_path / "b", "2.0.0"), tmp_path / "b.zip")
    for act in (
        lambda: publish(bundle, repository, strange),
        lambda: set_current("colours", "1.0.0", repository, strange),
        lambda: resign(repository, strange),
    ):
        with pytest.raises(SigningError, match="wrong key for the role"):
            act()
    assert list_files(repository) == list_files(published)
    assert not (strange / "root.json").exists()


def test_missing_keys_leave_no_repository_behind(bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="no keys in"):
        publish(bundles["1.0.0"], tmp_path / "repository", tmp_path / "nokeys")
    assert not (tmp_path / "repository").exists()


def test_the_first_version_of_a_model_makes_its_key_where_there_is_none(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    create_keys(tmp_path / "keys")
    state = publish(bundles["1.0.0"], tmp_path / "repository", tmp_path / "keys").state
    public = load_public_keys(tmp_path / "keys")["colours"]
    role = find_delegation(state.targets, "colours")
    assert role is not None and role.keyids == [public.keyid]
    assert stat.S_IMODE((tmp_path / "keys" / "models" / "colours.pem").stat().st_mode) == 0o600


def test_a_further_version_needs_only_the_keys_of_the_model_and_the_online_ones(
    bundles: dict[str, Path], key_folder: Path, tmp_path: Path
) -> None:
    publish(bundles["1.0.0"], tmp_path / "repository", key_folder)
    release_keys = Path(shutil.copytree(key_folder, tmp_path / "release"))
    for name in ("root.pem", "targets.pem"):
        (release_keys / name).unlink()
    state = publish(bundles["1.1.0"], tmp_path / "repository", release_keys).state
    assert state.targets.version == 1
    assert state.models["colours"].version == 2
    assert read_current(tmp_path / "repository", tmp_path / "phone") == "1.1.0"


def test_a_new_model_needs_the_targets_key(
    repository: Path, tmp_path: Path, key_folder: Path
) -> None:
    key_folder = Path(shutil.copytree(key_folder, tmp_path / "keys"))
    online = Path(shutil.copytree(key_folder, tmp_path / "online"))
    (online / "targets.pem").unlink()
    release = Release(
        "apples", (PublishedVersion("1.0.0", "2026-01-01T00:00:00Z"),), {STABLE: Channel("1.0.0")}
    )
    with (
        pytest.raises(SigningError, match="no key for the role targets"),
        open_desk(repository, [online], "apples", creating=True),
    ):
        pass
    assert not (online / "models" / "apples.pem").exists()
    with open_desk(repository, [key_folder], "apples", creating=True) as desk:
        desk.put_release(release)
        state = desk.commit()
    assert state.list_models() == ["apples", "colours"]
    assert make_phone(repository, tmp_path / "phone").read("apples/release.json")
    assert read_current(repository, tmp_path / "phone") == "1.1.0"


def test_a_rollback_publishes_newer_metadata_that_name_the_older_version(
    repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    phone = tmp_path / "phone"
    assert read_current(repository, phone) == "1.1.0"
    assert set_current("colours", "1.0.0", repository, key_folder)
    assert read_current(repository, phone) == "1.0.0"
    assert not set_current("colours", "1.0.0", repository, key_folder)


def test_an_unknown_model_or_version_names_what_there_is(
    repository: Path, key_folder: Path
) -> None:
    with pytest.raises(UnknownModelError, match="published are: colours"):
        set_current("apples", "1.0.0", repository, key_folder)
    with pytest.raises(UnknownVersionError, match=r"published are: 1\.1\.0, 1\.0\.0"):
        set_current("colours", "3.0.0", repository, key_folder)


def test_resign_needs_only_the_online_keys_and_renews_both_roles(
    repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    online = tmp_path / "online"
    online.mkdir()
    for name in ("snapshot.pem", "timestamp.pem"):
        shutil.copy(key_folder / name, online)
    old = read_state(read_metadata_in(repository))
    new = resign(repository, online)
    assert old is not None
    assert new.snapshot.version == old.snapshot.version + 1
    assert new.timestamp.version == old.timestamp.version + 1
    assert new.targets == old.targets
    assert read_current(repository, tmp_path / "phone") == "1.1.0"


def test_resign_says_when_nothing_is_published(key_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="nothing is published yet"):
        resign(tmp_path / "repository", key_folder)


def test_a_second_publisher_is_told_and_changes_nothing(
    published: Path, repository: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    with (
        exclusive_lock(repository / ".publish.lock"),
        pytest.raises(ConflictError, match="another publisher is at work"),
    ):
        publish(bundles["1.0.0"], repository, key_folder)
    assert list_files(repository) == list_files(published)


def test_tampered_metadata_stop_the_publisher(
    repository: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    path = repository / "metadata" / "2.colours.json"
    path.write_bytes(path.read_bytes().replace(b'"length": ', b'"length": 1'))
    with pytest.raises(RepositoryError, match=r"2\.colours\.json was changed"):
        publish(bundles["1.0.0"], repository, key_folder)


def test_a_full_disk_leaves_the_old_release_and_no_litter(
    bundles: dict[str, Path], key_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    publish(bundles["1.0.0"], repository, key_folder)
    before = list_files(repository)
    sync, calls, last = os.fsync, 0, 0

    def fill_up(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == last:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        for nth in range(1, SECOND_WRITES):
            calls, last = 0, 2 * nth - 1  # each file is flushed, and then its folder
            with pytest.raises(StorageError, match="the disk is full"):
                publish(bundles["1.1.0"], repository, key_folder)
            assert list_files(repository) == before
    publish(bundles["1.1.0"], repository, key_folder)
    assert read_current(repository, tmp_path / "phone") == "1.1.0"
