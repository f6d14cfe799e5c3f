from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobile_assets.conditions import Conditions
from mobile_assets.versions import VersionRange
from serving.cli import main
from serving.storage import Storage


@pytest.fixture
def place(tmp_path: Path, key_folder: Path) -> list[str]:
    return ["--repository", str(tmp_path / "repository"), "--keys", str(key_folder)]


def call(*arguments: str | Path, fails: bool = False) -> Result:
    done = CliRunner().invoke(main, [str(part) for part in arguments])
    assert bool(done.exit_code) == fails, done.output
    return done


def releases(*arguments: str, fails: bool = False) -> str:
    return call("releases", *arguments, fails=fails).output


def test_from_one_percent_to_all_and_back(
    bundles: dict[str, Path], place: list[str], tmp_path: Path
) -> None:
    where = place[:2]
    call("publish", bundles["1.0.0"], *place, "--name", "ann")
    done = call("publish", bundles["1.1.0"], *place, "--share", "1%", "--name", "ann")
    assert "1.1.0 is published" in done.stdout
    assert "is for 1 % of the devices of stable" in done.stdout
    assert "stable: 1.0.0\n  1.1.0 is on its way to 1 %" in releases("show", "colours", *where)
    assert "is for 10 %" in releases("rollout", "colours", "1.1.0", "--share", "10%", *place)
    person = ("--name", "ann", "--reason", "limes look like lemons")
    assert "is halted" in releases("halt", "colours", "1.1.0", *where, *person)
    assert "HALTED" in releases("show", "colours", *where)
    for refused in (("promote", "colours"), ("rollout", "colours", "1.1.0", "--share", "50%")):
        assert "was halted: `releases resume` it first" in releases(*refused, *place, fails=True)
    assert "is resumed" in releases("resume", "colours", "1.1.0", *where, *person)
    assert "1.1.0 is current in stable" in releases("promote", "colours", *place)
    assert "1.0.0 is current in stable" in releases("rollback", "colours", "1.0.0", *place)
    reason = ("--reason", "confuses limes")
    assert "is deprecated" in releases("deprecate", "colours", "1.1.0", *place, *reason)
    assert "deprecated: confuses limes" in releases("list", *where)
    log = releases("log", "colours", *where)
    actions = [line.split("  ")[-2 if "{" in line else -1] for line in log.splitlines()[:-1]]
    assert [line.split()[0] for line in actions] == [
        "publish",
        "publish",
        "rollout",
        "halt",
        "resume",
        "promote",
        "rollback",
        "deprecate",
    ]
    assert "ann  halt colours 1.1.0: limes look like lemons" in log
    assert "promote colours 1.1.0" in log
    assert "8 rows, none changed" in log


def test_a_version_is_published_for_a_channel_or_for_nobody_yet(
    bundles: dict[str, Path], place: list[str]
) -> None:
    call("publish", bundles["1.0.0"], *place)
    done = call("publish", bundles["1.1.0"], *place, "--no-promote", "--min-os", "ios=16.0")
    assert "is for nobody yet" in done.stdout
    assert "beta" in releases("promote", "colours", "1.1.0", "--channel", "beta", *place)
    assert "pinned to colours 1.0.0" in releases("pin", "colours", *place)
    assert "unpin it first" in releases("promote", "colours", "1.1.0", *place, fails=True)
    assert "is not pinned" in releases("unpin", "colours", *place)
    shown = releases("show", "colours", *place[:2])
    assert shown.startswith("beta: 1.1.0\nstable: 1.0.0\n")
    assert 'only where {"min_os": {"ios": "16.0"}}' in shown


def test_conditions_are_signed_with_the_version(bundles: dict[str, Path], place: list[str]) -> None:
    given = ["--min-os", "android=8.0", "--app-version", ">=1.2.0 <3.0.0", "--min-memory", "2 GB"]
    call("publish", bundles["1.0.0"], *place, *given, "--unmetered")
    entry = Storage(Path(place[1])).catalogue.find_release("colours").find("1.0.0")
    assert entry is not None
    assert entry.conditions == Conditions(
        {"android": "8.0"}, VersionRange(">=1.2.0 <3.0.0"), 2_000_000_000, "unmetered"
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--share", "1.005%"], "steps of 0.01%"),
        (["--share", "101%"], "allowed are 0% to 100%"),
        (["--share", "half"], "allowed are 0% to 100%"),
        (["--share", "nan"], "allowed are 0% to 100%"),
        (["--channel", "Beta"], "a letter first"),
        (["--min-os", "symbian=9"], "allowed are android, ios, web, python"),
        (["--min-os", "ios=latest"], "as in 17.4"),
        (["--app-version", "^1.2.3"], "as in '>=1.2.0 <3.0.0'"),
        (["--min-memory", "2"], "as in 2GB"),
        (["--share", "1%"], "the first version of colours"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_published(
    given: list[str], words: str, bundles: dict[str, Path], place: list[str]
) -> None:
    done = call("publish", bundles["1.0.0"], *place, *given, fails=True)
    assert words in done.output
    assert not (Path(place[1]) / "metadata" / "timestamp.json").exists()


def test_a_halt_needs_a_name_a_reason_and_a_version_that_there_is(
    published: Path, tmp_path: Path
) -> None:
    where = ("--repository", str(published), "--state", str(tmp_path))
    person = ("--name", "ann", "--reason", "bad")
    assert "Missing option '--name'" in releases("halt", "colours", "1.1.0", *where, fails=True)
    assert "no version '9.0.0'" in releases("halt", "colours", "9.0.0", *where, *person, fails=True)
    assert "nothing was decided yet" in releases("log", *where)
