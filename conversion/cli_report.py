"""The command that writes the HTML report again: `python -m conversion report`."""

from pathlib import Path

import click


@click.command()
@click.argument("build", type=click.Path(path_type=Path))
def report(build: Path) -> None:
    """Write BUILD's HTML report from its parity, and from its benchmark where there is one."""
    from conversion.report.html_report import write_report

    click.echo(f"report: {write_report(build)}")
