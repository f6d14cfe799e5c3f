"""Networks of few bottlenecks: as many kinds of layers as a whole one, converted in less time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from training.networks import ghostnet
from training.networks.ghostnet import Row

Stages = tuple[tuple[Row, ...], ...]


@contextmanager
def only_stages(stages: Stages) -> Iterator[None]:
    """Networks that are made in here have these stages and no others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ghostnet, "STAGES", stages)
        yield
