"""Publishing is whole or absent, and one at a time, in a folder and in object storage.

Commands run as processes, which SIGKILL ends at each of their writes, or which SIGSTOP holds while
another one publishes. An outside TUF client looks after each.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mobile_assets.release import Release
from serving.publishing.objects import open_objects
from serving.publishing.publish import publish
from serving.publishing.repository import find_incomplete, read_metadata_in, read_state
from tests.conftest import ROOT
from tests.serving.conftest import make_phone
from tests.serving.s3_server import BUCKET, CREDENTIALS

BUSY = "error: another publisher "


class Commands:
    """A process that runs commands, and stops them where it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, **run: Any) -> list[Any]:
        """Does a run as `tests/serving/publishing/interrupted.py` describes it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(run), file=self._process.stdin, flush=True)
        return list(json.loads(self._process.stdout.readline()))


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("interrupted.py"))],
        env=os.environ | CREDENTIALS | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Commands(process)
    process.communicate()


@dataclass(frozen=True)
class Repository:
    """Where a repository lies, who may publish to it, and a phone that looks at it."""

    place: Path | str
    keys: Path
    folder: Path

    def command(self, *words: str | Path) -> list[str]:
        where = ("--repository", self.place, "--keys", self.keys)
        state = () if words[0] == "resign" else ("--state", self.folder / "state")
        return [str(word) for word in (*words, *where, *state)]

    def read_release(self) -> Release:
        """Reads as a phone does that saw every state before; every signed file must be there."""
        root = (self.keys / "root.json").read_bytes()
        phone = make_phone(self.place, self.folder / "phone", root)
        release = Release.from_bytes(phone.read("colours/release.json"))
        state = read_state(read_metadata_in(self.place))
        assert state is not None
        assert find_incomplete(open_objects(self.place), state.list_targets()) is None
        return release

    def read_timestamp(self) -> bytes | None:
        return read_metadata_in(self.place)("timestamp.json")

    def rehearse(self, commands: Commands, *words: str | Path, first: Path | None = None) -> list:
        """Returns the kinds of what a command writes, tried out in a folder elsewhere."""
        other = Repository(self.folder / "rehearsal", self.keys, self.folder / "rehearsed")
        if first is not None:
            publish(first, other.place, other.keys)
        return commands.run(list=other.command(*words))


@pytest.fixture(params=["folder", "s3"])
def repository(
    request: pytest.FixtureRequest, key_folder: Path, tmp_path: Path, s3_credentials: None
) -> Repository:
    """An empty repository, and a copy of the keys."""
    place: Path | str = tmp_path / "repository"
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        place = f"s3://{BUCKET}/{uuid.uuid4()}?endpoint={endpoint}"
    keys = Path(shutil.copytree(key_folder, tmp_path / "keys"))
    (keys / "root.json").unlink(missing_ok=True)
    return Repository(place, keys, tmp_path)


def choose(repository: Repository, kinds: list[str]) -> list[str]:
    """Returns where to kill: everywhere, but of files that are written alike one or two to S3."""
    if isinstance(repository.place, Path):
        return kinds
    files = [kind for kind in kinds if kind.startswith("targets/") and "release" not in kind]
    return [kind for kind in kinds if kind not in files or kind in (files[0], files[-1])]


def kill_at_each(
    commands: Commands, repository: Repository, kinds: list[str], *words: str | Path
) -> Iterator[bool]:
    """Runs a command again and again, killed a write later each time; yields whether it is done."""
    command = repository.command(*words)
    for kind, moment in [*((kind, "half-way") for kind in kinds), (kinds[-1], "after")]:
        before = repository.read_timestamp()
        outcome = commands.run(command=command, signal="KILL", at=kind, moment=moment)
        assert outcome == [[-9, ""]], (kind, moment)
        yield repository.read_timestamp() != before


def test_a_kill_at_any_write_of_a_publication_leaves_the_old_or_the_new_release(
    commands: Commands, repository: Repository, bundles: dict[str, Path]
) -> None:
    first, second = bundles["1.0.0"], bundles["1.1.0"]
    kinds = repository.rehearse(commands, "publish", second, first=first)
    assert len(kinds) == 20 and "deltas/" in kinds[15]
    publish(first, repository.place, repository.keys)
    seen = []
    for changed in kill_at_each(commands, repository, choose(repository, kinds), "publish", second):
        current = repository.read_release().current
        assert current == ("1.1.0" if changed else "1.0.0")
        seen.append(changed)
    assert seen == [False] * (len(seen) - 1) + [True]
    assert not publish(second, repository.place, repository.keys).changed
    assert repository.read_release().names == ("1.0.0", "1.1.0")
    if isinstance(repository.place, Path):
        hidden = [path.name for path in repository.place.rglob(".*")]
        assert hidden == [".publish.lock"]


def test_a_kill_at_any_write_of_the_first_publication_is_recovered_from(
    commands: Commands, repository: Repository, bundles: dict[str, Path]
) -> None:
    kinds = repository.rehearse(commands, "publish", bundles["1.0.0"])
    assert kinds[-2:] == ["metadata/root.json", "metadata/timestamp.json"]
    kinds = choose(repository, kinds)[-5:]
    for changed in kill_at_each(commands, repository, kinds, "publish", bundles["1.0.0"]):
        assert changed == (repository.read_timestamp() is not None)
    assert repository.read_release().current == "1.0.0"


def test_a_kill_at_any_write_of_a_policy_change_or_renewal_leaves_the_old_or_the_new_one(
    commands: Commands, repository: Repository, bundles: dict[str, Path]
) -> None:
    publish(bundles["1.0.0"], repository.place, repository.keys)
    online = ["metadata/snapshot.json", "metadata/timestamp.json"]
    signed = ["targets/colours/release.json", "metadata/colours.json"]
    promote = ("releases", "promote", "colours", "1.0.0", "--channel", "beta")
    for changed in kill_at_each(commands, repository, [*signed, *online], *promote):
        assert ("beta" in repository.read_release().channels) == changed
    for _ in kill_at_each(commands, repository, online, "resign"):
        assert "beta" in repository.read_release().channels


def test_of_two_publishers_at_once_one_wins_and_the_other_is_told(
    commands: Commands, repository: Repository, bundles: dict[str, Path]
) -> None:
    """The first is held while it writes. A lock keeps the second out of a folder; in S3 it wins."""
    publish(bundles["1.0.0"], repository.place, repository.keys)
    promote = ("releases", "promote", "colours", "1.0.0", "--channel")
    for kind, held in [
        ("targets/colours/release.json", ("publish", bundles["1.1.0"], "--channel", "held")),
        ("metadata/colours.json", (*promote, "held")),
        ("metadata/timestamp.json", (*promote, "held-too")),
    ]:
        rival = f"rival-of-{kind.split('/')[-1].split('.')[0]}"
        stopped = {"signal": "STOP", "at": kind, "moment": "half-way"}
        outcomes = commands.run(
            command=repository.command(*held),
            meanwhile=repository.command(*promote, rival),
            **stopped,
        )
        winner, loser = held[-1], rival
        if isinstance(repository.place, str):
            winner, loser = loser, winner
            outcomes.reverse()
        won, (status, errors) = outcomes
        assert won == [0, ""]
        assert (status, errors[: len(BUSY)], errors.count("\n")) == (1, BUSY, 1)
        channels = repository.read_release().channels
        assert winner in channels and loser not in channels


def test_whatever_publishers_in_a_race_were_told_is_so(
    commands: Commands, repository: Repository, bundles: dict[str, Path]
) -> None:
    publish(bundles["1.0.0"], repository.place, repository.keys)
    channels = ["a", "b", "c"]
    race = [repository.command("publish", bundles["1.1.0"])] + [
        repository.command("releases", "promote", "colours", "1.0.0", "--channel", name)
        for name in channels
    ]
    outcomes = commands.run(race=race)
    release = repository.read_release()
    done = ["1.1.0" in release.names, *(name in release.channels for name in channels)]
    assert done == [status == 0 for status, _ in outcomes]
    assert True in done
    assert all(status == 0 or errors.startswith(BUSY) for status, errors in outcomes)
