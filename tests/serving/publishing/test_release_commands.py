import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobile_assets.conditions import Conditions
from mobile_assets.release import STABLE
from mobile_assets.versions import VersionRange
from serving.cli import main
from serving.reports import Report, take_report
from serving.rollouts import Rollouts
from serving.settings import find_state
from serving.state.database import Database
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
    promoted = releases("promote", "colours", *place, "--anyway")
    assert "1.1.0 is current in stable" in promoted
    assert "1.0.0 is current in stable" in releases("rollback", "colours", "1.0.0", *place)
    reason = ("--reason", "confuses limes")
    assert "is deprecated" in releases("deprecate", "colours", "1.1.0", *place, *reason)
    assert "deprecated: confuses limes" in releases("list", *where)
    log = releases("log", "colours", *where)
    shares = [json.loads(line.split("  ")[-1]) for line in log.splitlines()[:3]]
    assert [row.get("share_bp") for row in shares] == [None, 100, 1000]
    assert [row["current"] for row in shares] == ["1.0.0"] * 3
    assert '{"anyway": true, "channel": "stable", "current": "1.1.0"}' in log
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
    unpinned = releases("unpin", "colours", *place)
    assert "stable of colours is not pinned" in unpinned
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


def test_options_of_a_version_that_is_published_are_met_or_refused(
    bundles: dict[str, Path], place: list[str]
) -> None:
    call("publish", bundles["1.0.0"], *place)
    given = ["--share", "5%", "--min-os", "ios=16.0"]
    call("publish", bundles["1.1.0"], *place, *given)
    assert "published already" in call("publish", bundles["1.1.0"], *place, *given).stdout
    for options, words in [
        (["--share", "6%"], "`releases rollout colours 1.1.0 --share 6% --channel stable`"),
        (["--channel", "stable"], "`releases promote colours 1.1.0 --channel stable`"),
        (["--channel", "beta"], "`releases promote colours 1.1.0 --channel beta`"),
        (["--no-promote", "--unmetered"], "its conditions are other ones, and never change"),
    ]:
        refused = call("publish", bundles["1.1.0"], *place, *options, fails=True)
        assert "NOT done" in refused.stderr and words in refused.stderr
    call("publish", bundles["1.0.0"], *place, "--channel", "stable")
    for options in (["--no-promote"], ["--share", "5%"]):
        refused = call("publish", bundles["1.0.0"], *place, *options, fails=True)
        assert "it is current in stable" in refused.stderr


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
    assert "no model 'colors'; published are: colours" in releases(
        "log", "colors", *where, fails=True
    )
    told = releases("pause", "colours", "1.0.0", *where, *person, fails=True)
    assert "is not being rolled out, and a pause stops nothing else" in told


def test_a_version_on_no_channel_names_the_command_that_offers_it(
    bundles: dict[str, Path], place: list[str]
) -> None:
    call("publish", bundles["1.0.0"], *place)
    releases("pin", "colours", *place)
    call("publish", bundles["1.1.0"], *place)
    words = "on no channel: `releases rollout colours 1.1.0 --share 1%` offers it"
    assert f"  {words}, after `unpin`\n" in releases("show", "colours", *place[:2])
    assert f"1.1.0 is {words}\n" in releases("unpin", "colours", *place)
    done = releases("promote", "colours", "9.9.9", *place, fails=True)
    assert "no version '9.9.9'" in done


def test_a_promotion_is_refused_while_a_raise_would_wait(
    bundles: dict[str, Path], place: list[str]
) -> None:
    call("publish", bundles["1.0.0"], *place)
    call("publish", bundles["1.1.0"], *place, "--share", "1%")
    where = place[:2]
    shown = releases("show", "colours", *where)
    assert "no device asked yet, as far as is known here; it begins at 1 %" in shown
    assert "offered to 0 devices; 0 reported, of which 0 failed" in shown
    raised = releases("rollout", "colours", "1.1.0", "--share", "50%", *place)
    assert "a raise takes effect once enough devices reported" in raised
    assert "a raise" not in releases("rollout", "colours", "1.1.0", "--share", "0%", *place)
    database = Database(find_state(Path(where[1])))
    rollouts = Rollouts(database)
    release = Storage(Path(where[1])).catalogue.find_release("colours")
    rollouts.restrain(release, STABLE)
    for device in range(3):
        rollouts.note_offer("colours", "1.1.0", str(device))
        found = Report(str(device), str(device), "1.1.0", "start", True, {})
        take_report(database, rollouts, release, found)
    assert "0 % is in effect" in releases("show", "colours", *where)
    told = releases("promote", "colours", *place, fails=True)
    assert "offered to 3 devices; 3 reported, of which 0 failed" in told
    assert "though 3 of 3 devices reported, of 20 that are needed" in told
    assert "1.1.0 is current" in releases("promote", "colours", *place, "--anyway")
    assert '"anyway": true' in releases("log", "colours", *where)


def test_a_promotion_says_where_it_cannot_know_what_devices_reported(
    bundles: dict[str, Path], place: list[str]
) -> None:
    call("publish", bundles["1.0.0"], *place)
    call("publish", bundles["1.1.0"], *place, "--share", "1%")
    told = releases("promote", "colours", *place)
    assert "what devices reported is not known here" in told
    assert "1.1.0 is current" in told


def test_what_several_people_signed_stands_in_the_log_as_well(
    repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    change, where = tmp_path / "change.json", ("--repository", str(repository))
    releases("promote", "colours", "1.0.0", *where, "--channel", "beta", "--propose", str(change))
    call("trust", "sign", change, "--keys", key_folder)
    for _ in range(2):
        call("trust", "publish", change, *where, "--keys", key_folder, "--name", "ann")
    log = releases("log", "colours", *where)
    row = 'ann  trust publish colours 1.0.0  {"channel": "beta", "current": "1.0.0"}'
    assert log.count("\n") == 2 and row in log
