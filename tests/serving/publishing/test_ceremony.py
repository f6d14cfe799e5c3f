"""Ceremonies, each followed by a phone that trusts nothing but the first root."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tuf.api.exceptions import RepositoryError as TufError

import serving.publishing.desk
import serving.publishing.repository
from mobile_assets.errors import SigningError
from mobile_assets.release import Release
from mobile_assets.signing import create_keys, load_public_keys
from serving.cli import main
from serving.errors import CeremonyError, PublishError, RepositoryError
from serving.publishing.ceremony import Wishes, propose, publish_change, sign_change
from serving.publishing.change import read_change
from serving.publishing.objects import LocalFolder
from serving.publishing.publish import publish, resign
from serving.publishing.repository import read_metadata_in, read_state
from serving.storage import Storage
from tests.serving.conftest import make_phone, set_current
from training.errors import StorageError


@pytest.fixture
def keys(key_folder: Path, published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(key_folder, tmp_path / "keys"))


@pytest.fixture
def phone(repository: Path, tmp_path: Path) -> Iterator["Phone"]:
    """Has seen the repository before the ceremony, and must follow it afterwards."""
    phone = Phone(repository, tmp_path / "phone")
    assert phone.current() == "1.1.0"
    yield phone


class Phone:
    def __init__(self, repository: Path, cache: Path) -> None:
        self.phone = make_phone(repository, cache)

    def current(self) -> str:
        return Release.from_bytes(self.phone.read("colours/release.json")).current


def person(
    folder: Path, *roles: str, models: tuple[str, ...] = ()
) -> tuple[Path, dict[str, tuple[str, object]]]:
    """A key folder, and its public keys as a wish names them."""
    public = create_keys(folder, roles, models)
    return folder, {role: (role, key) for role, key in public.items()}


def ids(folder: Path, role: str) -> tuple[str, str]:
    return role, load_public_keys(folder)[role].keyid


def test_replaced_online_keys_sign_and_the_old_ones_do_not_any_more(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    online, new = person(tmp_path / "online", "snapshot", "timestamp")
    wishes = Wishes(list(new.values()), [ids(keys, "snapshot"), ids(keys, "timestamp")])
    change = propose(repository, wishes)
    assert list(change.after) == ["root"]
    sign_change(change, [keys])
    storage = Storage(repository)
    assert storage.find_problems() == []
    publish_change(change, repository, [online])
    assert phone.current() == "1.1.0"
    assert storage.find_problems() == []
    with pytest.raises(SigningError, match="wrong key for the role"):
        resign(repository, keys)
    resign(repository, online)
    assert phone.current() == "1.1.0"


def test_revoked_online_keys_do_not_count_again_for_a_server_that_saw_the_new_root(
    repository: Path, keys: Path, tmp_path: Path
) -> None:
    """A thief of the old keys who can also write the folder signs with them once more."""
    online, new = person(tmp_path / "online", "snapshot", "timestamp")
    stolen = Path(shutil.copytree(repository, tmp_path / "stolen"))
    for _ in range(3):
        resign(stolen, keys)
    wishes = Wishes(list(new.values()), [ids(keys, "snapshot"), ids(keys, "timestamp")])
    change = propose(repository, wishes)
    sign_change(change, [keys])
    publish_change(change, repository, [online])
    server = Storage(repository)
    assert server.catalogue.state.root.version == 2
    shutil.copytree(stolen / "metadata", repository / "metadata", dirs_exist_ok=True)
    assert server.catalogue.state.root.version == 2
    assert "the root of version 2, which was served before" in server.find_problems()[0]


def test_a_new_root_needs_the_present_key_and_the_new_one(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    heir, new = person(tmp_path / "heir", "root")
    change = propose(repository, Wishes([new["root"]], [ids(keys, "root")]))
    assert sign_change(change, [heir])
    with pytest.raises(CeremonyError, match=r"root: 1 more signature.* by the present keys"):
        publish_change(change, repository, [keys])
    sign_change(change, [keys])
    publish_change(change, repository, [keys])
    assert phone.current() == "1.1.0"
    later = propose(repository, Wishes(renew=["root"]))
    with pytest.raises(SigningError, match="wrong key for the role root"):
        sign_change(later, [keys])


def test_a_threshold_of_two_people_signs_on_separate_machines(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    second, new = person(tmp_path / "second", "root")
    change = propose(repository, Wishes([new["root"]], thresholds=[("root", 2)]))
    change.write(tmp_path / "change.json")
    for folder in (keys, second):
        passed_on = read_change(tmp_path / "change.json", (keys / "root.json").read_bytes())
        sign_change(passed_on, [folder])
        passed_on.write(tmp_path / "change.json")
    publish_change(read_change(tmp_path / "change.json"), repository, [keys])
    assert phone.current() == "1.1.0"
    alone = propose(repository, Wishes(renew=["root"]))
    sign_change(alone, [keys])
    with pytest.raises(CeremonyError, match="1 more signature"):
        publish_change(alone, repository, [keys])


def test_a_replaced_targets_key_signs_the_delegations_anew_in_the_same_change(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    heir, new = person(tmp_path / "heir", "targets")
    change = propose(repository, Wishes([new["targets"]], [ids(keys, "targets")]))
    assert list(change.after) == ["root", "targets"]
    sign_change(change, [keys, heir])
    publish_change(change, repository, [keys])
    assert phone.current() == "1.1.0"
    set_current("colours", "1.0.0", repository, keys)
    assert phone.current() == "1.0.0"


def test_a_revoked_key_of_a_model_cannot_publish_and_the_new_one_can(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    heir, new = person(tmp_path / "heir", "snapshot", models=("colours",))
    change = propose(repository, Wishes([new["colours"]], [ids(keys, "colours")]))
    assert list(change.after) == ["targets", "colours"]
    sign_change(change, [keys])
    with pytest.raises(CeremonyError, match="colours: 1 more signature"):
        publish_change(change, repository, [keys])
    sign_change(change, [heir])
    publish_change(change, repository, [keys])
    assert phone.current() == "1.1.0"
    with pytest.raises(SigningError, match="wrong key for the role colours"):
        set_current("colours", "1.0.0", repository, keys)
    set_current("colours", "1.0.0", repository, [heir, keys])
    assert phone.current() == "1.0.0"


def two_signers(repository: Path, keys: Path, tmp_path: Path) -> Path:
    second, new = person(tmp_path / "second", models=("colours",))
    change = propose(repository, Wishes([new["colours"]], thresholds=[("colours", 2)]))
    sign_change(change, [keys, second])
    publish_change(change, repository, [keys])
    return second


def test_a_release_of_a_model_with_two_signers(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    second = two_signers(repository, keys, tmp_path)
    with pytest.raises(SigningError, match="colours needs 2 signatures"):
        set_current("colours", "1.0.0", repository, keys)
    set_current("colours", "1.0.0", repository, [keys, second])
    assert phone.current() == "1.0.0"


def test_a_proposed_release_is_seen_only_when_both_signed_it(
    bundles: dict[str, Path], keys: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    publish(bundles["1.0.0"], repository, keys)
    second = two_signers(repository, keys, tmp_path)
    phone = Phone(repository, tmp_path / "phone")
    publish(bundles["1.1.0"], repository, proposal=tmp_path / "change.json")
    assert phone.current() == "1.0.0"
    change = read_change(tmp_path / "change.json")
    sign_change(change, [keys])
    with pytest.raises(CeremonyError, match="colours: 1 more signature"):
        publish_change(change, repository, [keys])
    sign_change(change, [second])
    publish_change(change, repository, [keys])
    assert phone.current() == "1.1.0"
    assert Storage(repository).find_problems() == []


def test_a_proposed_release_whose_files_went_missing_is_not_published(
    bundles: dict[str, Path], keys: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    publish(bundles["1.0.0"], repository, keys)
    publish(bundles["1.1.0"], repository, proposal=tmp_path / "change.json")
    next((repository / "targets/colours/1.1.0/artifacts").iterdir()).unlink()
    change = read_change(tmp_path / "change.json")
    sign_change(change, [keys])
    with pytest.raises(CeremonyError, match="missing or incomplete"):
        publish_change(change, repository, [keys])


@pytest.mark.parametrize("write", [1, 2, 3])
def test_an_interrupted_ceremony_is_finished_by_running_it_again(
    write: int,
    repository: Path,
    keys: Path,
    phone: Phone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after the snapshot, after the new root, and after the timestamp."""
    online, new = person(tmp_path / "online", "snapshot", "timestamp")
    wishes = Wishes(list(new.values()), [ids(keys, "snapshot"), ids(keys, "timestamp")])
    change = propose(repository, wishes)
    sign_change(change, [keys])
    calls = 0

    def dying(write_object: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            nonlocal calls
            write_object(*arguments)
            calls += 1
            if calls == write:
                raise Killed

        return call

    with monkeypatch.context() as patch:
        for way in ("create", "replace"):
            patch.setattr(LocalFolder, way, dying(getattr(LocalFolder, way)))
        patch.setattr(serving.publishing.desk.Desk, "take_back", lambda desk: None)
        with pytest.raises(Killed):
            publish_change(change, repository, [online])
    server = Storage(repository)
    assert server.catalogue.find_release("colours").current == "1.1.0"
    if write == 2:
        with pytest.raises(TufError):
            phone.current()
        assert "2.root.json is not in use yet" in server.find_problems()[0]
        assert "2.root.json" not in server.catalogue.state.files
    else:
        assert phone.current() == "1.1.0"
    publish_change(change, repository, [online])
    publish_change(change, repository, [online])
    assert phone.current() == "1.1.0"
    assert server.catalogue.state.root.version == 2
    assert server.find_problems() == []


class Killed(BaseException):
    pass


def test_a_full_disk_takes_the_new_root_back(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online, new = person(tmp_path / "online", "snapshot", "timestamp")
    wishes = Wishes(list(new.values()), [ids(keys, "snapshot"), ids(keys, "timestamp")])
    change = propose(repository, wishes)
    sign_change(change, [keys])

    def fill_up(folder: LocalFolder, name: str, data: bytes, tag: str) -> None:
        assert name == "metadata/timestamp.json"
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "replace", fill_up)
        with pytest.raises(StorageError):
            publish_change(change, repository, [online])
    assert not (repository / "metadata" / "2.root.json").exists()
    assert phone.current() == "1.1.0"


def test_what_was_proposed_before_another_publication_must_be_proposed_again(
    repository: Path, keys: Path
) -> None:
    change = propose(repository, Wishes(renew=["colours"]))
    set_current("colours", "1.0.0", repository, keys)
    sign_change(change, [keys])
    with pytest.raises(CeremonyError, match="colours was published anew"):
        publish_change(change, repository, [keys])


def test_a_root_over_its_time_is_renewed_by_a_ceremony(
    bundles: dict[str, Path], keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    (keys / "root.json").unlink()
    with monkeypatch.context() as patch:
        patch.setitem(serving.publishing.repository.EXPIRY_DAYS, "root", 1)
        publish(bundles["1.0.0"], repository, keys)
    with monkeypatch.context() as patch:
        patch.setattr(serving.publishing.desk, "datetime", Later)
        with pytest.raises(PublishError, match=r"the root metadata expired.*--renew root"):
            resign(repository, keys)
    change = propose(repository, Wishes(renew=["root"]))
    sign_change(change, [keys])
    publish_change(change, repository, [keys])
    state = read_state(read_metadata_in(repository))
    assert state is not None and state.root.version == 2


class Later(serving.publishing.desk.datetime):  # type: ignore[misc]
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + serving.publishing.repository.timedelta(days=2)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (Wishes(), "nothing would change"),
        (Wishes(remove=[("apples", "0" * 64)]), "no key signs for 'apples'"),
        (Wishes(remove=[("root", "0" * 64)]), "no key '0+' signs for root"),
        (Wishes(remove=[("root", "")]), "no key '' signs for root"),
        (Wishes(thresholds=[("root", 2)]), "2 signatures of 1 keys"),
        (Wishes(thresholds=[("root", 0)]), "0 signatures of 1 keys"),
        (Wishes(renew=["timestamp"]), "cannot renew 'timestamp'"),
    ],
)
def test_wishes_that_cannot_be_fulfilled(wishes: Wishes, words: str, repository: Path) -> None:
    with pytest.raises(CeremonyError, match=words):
        propose(repository, wishes)


def test_the_last_key_of_a_role_stays(repository: Path, keys: Path) -> None:
    with pytest.raises(CeremonyError, match="1 signatures of 0 keys"):
        propose(repository, Wishes(remove=[ids(keys, "root")]))


def tampered(text: str, where: str) -> str:
    value = json.loads(text)
    match where:
        case "a published root":
            value["roots"]["1.root.json"]["signed"]["version"] = 2
        case "published targets":
            value["before"]["targets"]["signed"]["version"] = 7
        case "a skipped version":
            value["after"]["targets"]["signed"]["version"] = 0
        case "no roots":
            value["roots"] = {}
        case "another kind":
            value["after"]["targets"] = value["roots"]["1.root.json"]
        case "no metadata":
            value["after"]["targets"] = []
        case "an unknown key":
            value["extra"] = 1
        case "a path that climbs out":
            value["after"]["colours"]["signed"]["targets"]["apples/x"] = {
                "length": 1,
                "hashes": {"sha256": "0" * 64},
            }
        case "an older schema":
            value["schema"] = "ghostlens.change/0"
    return json.dumps(value)


@pytest.mark.parametrize(
    "where",
    [
        "a published root",
        "published targets",
        "a skipped version",
        "no roots",
        "another kind",
        "no metadata",
        "an unknown key",
        "a path that climbs out",
        "an older schema",
    ],
)
def test_a_tampered_change_is_refused(where: str, repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "change.json"
    propose(repository, Wishes(renew=["targets", "colours"])).write(path)
    path.write_text(tampered(path.read_text(), where))
    with pytest.raises((CeremonyError, RepositoryError)):
        read_change(path)


def test_a_truncated_or_zero_filled_change_is_refused(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "change.json"
    propose(repository, Wishes(renew=["targets"])).write(path)
    data = path.read_bytes()
    for damaged in (b"", data[:-3], data[: len(data) // 2], bytes(len(data)), os.urandom(64)):
        path.write_bytes(damaged)
        with pytest.raises(CeremonyError, match="is damaged"):
            read_change(path)
    with pytest.raises(CeremonyError, match="cannot read"):
        read_change(tmp_path / "nothing.json")


def test_a_change_of_another_repository_is_refused_by_the_signers_root(
    bundles: dict[str, Path], repository: Path, keys: Path, tmp_path: Path
) -> None:
    create_keys(tmp_path / "strange")
    publish(bundles["1.0.0"], tmp_path / "evil", tmp_path / "strange")
    change = propose(tmp_path / "evil", Wishes(renew=["targets"]))
    change.write(tmp_path / "change.json")
    with pytest.raises(RepositoryError):
        read_change(tmp_path / "change.json", (keys / "root.json").read_bytes())
    with pytest.raises(SigningError, match="wrong key"):
        sign_change(change, [keys])
    sign_change(change, [tmp_path / "strange"])
    with pytest.raises(CeremonyError, match="published anew"):
        publish_change(change, repository, [tmp_path / "strange", keys])


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["trust", *(str(part) for part in arguments)])


def test_a_person_can_follow_the_printed_text(
    repository: Path, keys: Path, phone: Phone, tmp_path: Path
) -> None:
    online, new = person(tmp_path / "online", "snapshot", "timestamp")
    change = tmp_path / "change.json"
    place = ("--repository", repository)
    old = load_public_keys(keys)
    swaps = []
    for role in ("snapshot", "timestamp"):
        swaps += ["--add-key", f"{role}={online / 'keys.json'}"]
        swaps += ["--remove-key", f"{role}={old[role].keyid[:8]}"]
    proposed = call("propose", change, *place, *swaps)
    assert proposed.exit_code == 0, proposed.output
    assert f"snapshot: the key {old['snapshot'].keyid} is REMOVED" in proposed.stdout
    assert "missing: root: 1 more signature(s) by the present keys" in proposed.stdout
    assert "trust sign change.json --keys FOLDER" in proposed.stdout
    assert call("propose", change, *place, *swaps).exit_code != 0
    early = call("publish", change, *place, "--keys", online)
    assert early.exit_code == 1
    signed = call("sign", change, "--keys", keys)
    assert f"signed: root by the key {old['root'].keyid[:8]}" in signed.stdout
    shown = call("show", change, "--trusted-root", keys / "root.json")
    assert "signatures by the new root keys: 1 of 1" in shown.stdout
    assert "Next: `python -m serving trust publish change.json" in shown.stdout
    content = [line for line in proposed.stdout.splitlines() if line.startswith("  content")]
    assert content == [line for line in shown.stdout.splitlines() if line.startswith("  content")]
    done = call("publish", change, *place, "--keys", online)
    assert "root version 2" in done.stdout
    listed = call("list", *place).stdout
    assert new["snapshot"][1].keyid in listed  # type: ignore[attr-defined]
    assert "colours      1 of 1 key(s), until" in listed
    assert phone.current() == "1.1.0"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--add-key", "timestamp"], "a role or a model, '=', and a value"),
        (["--add-key", "apples={keys}/keys.json"], "has no key for 'apples'"),
        (["--threshold", "root=two"], "a number of signatures"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    arguments: list[str], words: str, repository: Path, keys: Path, tmp_path: Path
) -> None:
    options = [text.format(keys=keys) for text in arguments]
    done = call("propose", tmp_path / "change.json", "--repository", repository, *options)
    assert done.exit_code == 1
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "change.json").exists()
