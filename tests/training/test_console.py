import sys

import click
import pytest
from click.testing import CliRunner

from training.console import TypedErrorGroup, show_progress
from training.errors import ConfigError


@click.group(cls=TypedErrorGroup)
def group() -> None:
    pass


@group.command()
def refuse() -> None:
    raise ConfigError("epochs is 0: allowed are whole numbers from 1")


@group.command()
def break_down() -> None:
    raise ZeroDivisionError("a fault of ours")


def test_a_typed_error_is_one_line_and_exit_code_1() -> None:
    result = CliRunner().invoke(group, ["refuse"])
    assert result.exit_code == 1
    assert result.stderr == "error: epochs is 0: allowed are whole numbers from 1\n"
    assert result.stdout == ""


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(group, ["break-down"], catch_exceptions=False)


def test_in_a_log_file_progress_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(show_progress("decode photos", 3, iter("abc"))) == ["a", "b", "c"]
    with show_progress("hash photos", 1) as bar:
        bar.update(1)
    with show_progress("hash photos", 0):
        pass
    assert capsys.readouterr().err == "decode photos: 3 photos\nhash photos: 1 photo\n"


def test_on_a_terminal_progress_is_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(show_progress("decode photos", 3, iter("abc"))) == ["a", "b", "c"]
    assert "\rdecode photos:   0%" in capsys.readouterr().err
