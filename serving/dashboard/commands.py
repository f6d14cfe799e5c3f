"""`python -m serving drift`: the findings on the console, for a person or for cron."""

import json
import sys
from pathlib import Path

import click

from serving.dashboard.drift import ALARM, find_drift
from serving.options import REPOSITORY, find_state_place, takes_state
from serving.state.database import Database
from serving.storage import Storage


@click.command("drift")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@REPOSITORY
@takes_state
@click.option(
    "--server-takes-all", is_flag=True, help="Apps send every photo: GHOSTLENS_SERVER_TAKES_ALL."
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each finding.")
def drift_command(
    models: tuple[str, ...],
    repository: Path | str,
    state: Path | str | None,
    server_takes_all: bool,
    as_json: bool,
) -> None:
    """Tell whether photos of the last seven days differ from validation, or from weeks before.

    Ends with 1 where that is an alarm. Of all models where none is named.
    """
    storage = Storage(repository)
    database = Database(find_state_place(repository, state))
    alarms = 0
    for model in models or storage.catalogue.releases:
        storage.catalogue.find_release(model)
        findings = find_drift(storage, database, model, server_takes_all)
        alarms += sum(finding.state == ALARM for finding in findings)
        for finding in findings:
            if as_json:
                said = {"model": model, "state": finding.state, "name": finding.name}
                click.echo(json.dumps(said | {"words": finding.words}))
            else:
                click.echo(f"{finding.state:15} {model}: {finding.name}: {finding.words}")
        if not findings and not as_json:
            click.echo(f"{model}: no scans in the last seven days")
    sys.exit(1 if alarms else 0)
