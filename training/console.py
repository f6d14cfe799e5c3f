"""What every command shares: typed errors are one line on stderr and exit code 1."""

import os
import sys
from typing import Any

import click

from training.errors import GhostlensError


class TypedErrorGroup(click.Group):
    """A group of commands that prints a `GhostlensError` as `error: ...`, without a traceback.

    Any other exception is a fault of ours and keeps its traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the chosen command; exits with code 1 after a typed error."""
        try:
            return super().invoke(ctx)
        except GhostlensError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


def share_cores() -> None:
    """Lets idle threads of torch sleep instead of spin; call it before torch is imported.

    Spinning saves a tenth of a step at 224 pixels on an idle machine, and costs five times the
    step where another process computes too (docs/performance.md). An OMP_WAIT_POLICY that is
    set already is left as it is.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
