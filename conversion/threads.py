"""Threads of torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one CPU thread inside of the block.

    The ops of one photo are too small to share: two threads gain nothing on idle cores, and on
    busy ones they wait for each other at every op, which was measured as up to 17 times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
