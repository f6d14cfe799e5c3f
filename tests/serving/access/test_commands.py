from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from serving.access.ring import KeyRing
from serving.access.tokens import read_id
from serving.cli import main
from serving.errors import KeyNeededError
from serving.state.database import Database


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def run(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments, "--state", str(state)])


def create(state: Path, name: str, *arguments: str) -> str:
    done = run(state, "create", name, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def find_name(state: Path, token: str) -> str:
    return KeyRing(Database(state)).find(token).name


def test_a_key_is_printed_alone_so_that_a_script_can_keep_it(state: Path) -> None:
    done = run(state, "create", "till", "--scope", "pull", "--name", "ann")
    assert find_name(state, done.stdout.strip()) == "till"
    assert f"the key 'till' counts for servers of {Database(state).name}\n" in done.stderr


@pytest.mark.parametrize(
    "command", [["list"], ["rotate", "abc"], ["revoke", "abc", "--reason", "lost"]]
)
def test_a_mistyped_place_is_told_and_nothing_is_made_there(
    tmp_path: Path, command: list[str]
) -> None:
    done = run(tmp_path / "typo", *command)
    assert done.exit_code == 1
    assert "and so no key in it" in done.output
    assert not (tmp_path / "typo").exists()


def test_a_whole_token_in_place_of_an_id_is_not_shown(state: Path) -> None:
    token = create(state, "till", "--scope", "pull")
    done = run(state, "revoke", token, "--reason", "lost")
    assert done.exit_code == 1
    assert token not in done.output


def test_the_list_shows_what_keys_may_do_and_no_secret(state: Path) -> None:
    options = ("--model", "colours", "--photos-a-day", "500", "--expires", "90d")
    tokens = [
        create(state, "till", "--scope", "pull", "--scope", "recognise", *options),
        create(state, "gateway", "--scope", "admin"),
    ]
    key_ids = [str(read_id(token)) for token in tokens]
    assert find_name(state, tokens[1]) == "gateway"
    run(state, "revoke", key_ids[1], "--reason", "lost")
    till, gateway = run(state, "list").stdout.splitlines()
    assert till.startswith(
        f"{key_ids[0]}  till: recognise, pull; of colours; 500 photos a day; expires 20"
    )
    assert till.endswith("never used")
    assert gateway.startswith(f"{key_ids[1]}  gateway: admin; WAS REVOKED; last used 20")
    assert not any(token[13:] in till + gateway for token in tokens)


def test_a_rotated_token_stops_when_it_is_told_to(state: Path) -> None:
    first = create(state, "till", "--scope", "pull")
    key_id = str(read_id(first))
    second = run(state, "rotate", key_id).stdout.strip()
    assert find_name(state, first) == find_name(state, second) == "till"
    assert "the token before counts until 20" in run(state, "list").stdout
    third = run(state, "rotate", key_id, "--overlap", "0m").stdout.strip()
    assert find_name(state, third) == "till"
    for old in (first, second):
        with pytest.raises(KeyNeededError):
            find_name(state, old)


def test_a_revoked_key_stays_revoked(state: Path) -> None:
    token = create(state, "till", "--scope", "pull")
    done = run(state, "revoke", str(read_id(token)), "--reason", "lost")
    assert "servers learn of it within 2 s" in done.stdout
    with pytest.raises(KeyNeededError, match="was revoked"):
        find_name(state, token)
    again = run(state, "revoke", "nobody", "--reason", "x")
    assert again.exit_code == 1


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1.5h", "999999d", "٣d"])
def test_other_times_are_refused(state: Path, text: str) -> None:
    done = run(state, "create", "till", "--scope", "pull", "--expires", text)
    assert done.exit_code == 2
    assert "as in 90d" in done.stderr
