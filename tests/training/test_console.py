import click
import pytest
from click.testing import CliRunner

from training.console import TypedErrorGroup
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
