"""What to say when memory runs out: which batch size fits."""

from collections.abc import Callable

import torch

_CPU_WORDS = "can't allocate memory"  # of torch's DefaultCPUAllocator, a plain RuntimeError
_SMALLEST_BATCH = 2  # BN needs two photos


def is_out_of_memory(error: Exception) -> bool:
    """Tells whether an exception means that memory ran out, of a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _CPU_WORDS in str(error)


def find_fitting_batch(attempt: Callable[[int], None], failed: int) -> int | None:
    """Halves a batch until it fits.

    Args:
        attempt: runs a step's computation on so many photos; raises where memory runs out.
        failed: photos of the batch that did not fit.

    Returns:
        The first size that was tried and fits; None where not even two photos do.
    """
    size = failed // 2
    while size >= _SMALLEST_BATCH:
        if _fits(attempt, size):
            return size
        size //= 2
    return None


def _fits(attempt: Callable[[int], None], size: int) -> bool:
    try:
        attempt(size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
