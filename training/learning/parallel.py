"""Several processes that train one network together, as `torchrun` starts them.

Each process takes its slice of every batch. Gradients are averaged, BN and dropout act on the
whole batch (`training.learning.whole_batch`), so that weights are the same everywhere, and the
same as one process would reach, but for rounding. The first process alone measures
and writes files.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import GhostlensError, TrainingError

# While the first process measures and writes, the others wait; a dead process is noticed earlier.
_LONGEST_WAIT = timedelta(hours=2)
_CONNECTION_WORDS = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe")

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes that share a run.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes; 1 where there is no other.
        device: where this process computes.
        machine: number of this machine, from 0.
        rank_here: number of this process among those of this machine, from 0.
        size_here: number of processes of this machine.
    """

    rank: int
    size: int
    device: torch.device
    machine: int = 0
    rank_here: int = 0
    size_here: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that measures, prints and writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Returns the network so that its gradients are averaged over the processes."""
        if self.size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        # Buffers need no copying: BN's statistics are of the whole batch everywhere.
        return DistributedDataParallel(model, devices, forward_sync_buffers=False)

    def share(self, value: T) -> T:
        """Returns the first process' value; it must pickle. The others wait for it."""
        if self.size == 1:
            return value
        box = [value if self.is_first else None]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        shared: T = box[0]  # type: ignore[assignment]
        return shared

    def share_here(self, value: T | None) -> T:
        """Returns the value of this machine's first process; it must pickle."""
        values: list[tuple[int, T | None]] = [(self.machine, value)]
        if self.size > 1:
            values *= self.size
            own = value if self.rank_here == 0 else None
            distributed.all_gather_object(values, (self.machine, own))
        found = [shared for machine, shared in values if machine == self.machine]
        return next(shared for shared in found if shared is not None)

    def mean(self, value: Tensor) -> Tensor:
        """Returns the mean of a tensor over the processes."""
        if self.size == 1:
            return value
        total = value.clone()
        distributed.all_reduce(total)
        return total / self.size

    def check_equal(self, digest: str, what: str) -> None:
        """Makes sure that something is the same in all processes.

        Raises:
            TrainingError: it is not.
        """
        if self.size == 1:
            return
        digests: list[str] = [""] * self.size
        distributed.all_gather_object(digests, digest)
        others = [rank for rank, other in enumerate(digests) if other != digests[0]]
        if others:
            raise TrainingError(
                f"{what} differ between process 0 and {others}: processes must run the same code "
                "on the same kind of machine"
            )


@contextmanager
def open_group() -> Iterator[Group]:
    """Joins the processes that `torchrun` started; a group of one without it.

    Within the block, an error of one process ends the others too: they lose their connection to
    it, and `torchrun` ends those that do not notice.

    Raises:
        TrainingError: another process ended, or the processes cannot reach each other.
    """
    size = _read_number("WORLD_SIZE", 1)
    if distributed.is_initialized() or size == 1:
        yield _current_group()
        return
    try:
        if torch.cuda.is_available():
            torch.cuda.set_device(_read_number("LOCAL_RANK", 0))
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=_LONGEST_WAIT)
        yield _current_group()
    except GhostlensError as error:
        raise type(error)(f"process {os.environ.get('RANK')} of {size}: {error}") from error
    except (RuntimeError, ValueError) as error:
        if not any(word in str(error) for word in _CONNECTION_WORDS):
            raise
        raise TrainingError(
            f"process {os.environ.get('RANK')} of {size}: another process of this run ended, or "
            f"cannot be reached; its own message says why ({str(error).splitlines()[0]})"
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _current_group() -> Group:
    if not torch.cuda.is_available():
        device = torch.device("cpu")
    else:
        device = torch.device("cuda", torch.cuda.current_device())
    if not distributed.is_initialized():
        return Group(0, 1, device)
    return Group(
        distributed.get_rank(),
        distributed.get_world_size(),
        device,
        _read_number("GROUP_RANK", 0),
        _read_number("LOCAL_RANK", distributed.get_rank()),
        _read_number("LOCAL_WORLD_SIZE", distributed.get_world_size()),
    )


def _read_number(name: str, default: int) -> int:
    """Reads a variable that `torchrun` sets.

    Raises:
        TrainingError: it is no number.
    """
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise TrainingError(f"{name} is {value!r}: torchrun sets it to a whole number")
    return int(value)
