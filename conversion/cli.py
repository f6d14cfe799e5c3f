"""The commands of the conversion room: `python -m conversion ...`."""

import click

from conversion.cli_benchmark import benchmark
from conversion.cli_convert import convert, convert_one
from conversion.cli_hazards import hazards
from conversion.cli_localise import localise
from conversion.cli_parity import parity, show
from conversion.cli_report import report
from conversion.cli_structure import inspect_artifact
from training.console import TypedErrorGroup


@click.group(cls=TypedErrorGroup)
def main() -> None:
    """A checkpoint in, artifacts and a parity report out."""


main.add_command(convert)
main.add_command(convert_one)
main.add_command(parity)
main.add_command(show)
main.add_command(inspect_artifact)
main.add_command(hazards)
main.add_command(localise)
main.add_command(benchmark)
main.add_command(report)
