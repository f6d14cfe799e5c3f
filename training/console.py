"""What every command shares: how errors and progress are shown."""

import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from training.errors import GhostlensError
from training.words import count_words


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


def show_progress(words: str, total: int, items: Iterable[Any] = (), unit: str = "photo") -> Any:
    """Returns a progress bar on stderr; where that is no terminal, one line says what begins.

    A bar draws over itself, which fills a log file with thousands of copies of one line.

    Args:
        words: what is going on.
        total: how many things there are.
        items: what the bar gives when it is iterated over.
        unit: what one of them is called.

    Returns:
        A `tqdm`: iterate over it, or use it as a context and call `update(1)` after each thing.
    """
    shown = sys.stderr.isatty()
    if not shown and total:
        click.echo(f"{words}: {count_words(total, unit)}", err=True)
    from tqdm import tqdm  # most commands show none

    return tqdm(items, words, total, leave=False, unit=unit, disable=not shown)


def share_cores() -> None:
    """Lets idle threads of torch sleep instead of spin; call it before torch is imported.

    Spinning saves a tenth of a step at 224 pixels on an idle machine, and costs five times the
    step where another process computes too (docs/performance.md). An OMP_WAIT_POLICY that is
    set already is left as it is.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
