"""Which batch size fits, when memory runs out."""

import pytest
import torch

from training.learning.memory import find_fitting_batch, is_out_of_memory


def test_a_real_allocation_that_cannot_be_is_recognised() -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.parametrize(("largest", "found"), [(63, 32), (32, 32), (31, 16), (2, 2), (1, None)])
def test_halves_until_it_fits(largest: int, found: int | None) -> None:
    def attempt(size: int) -> None:
        if size > largest:
            raise MemoryError

    assert find_fitting_batch(attempt, 64) == found


def test_another_fault_is_not_hidden() -> None:
    def attempt(size: int) -> None:
        raise RuntimeError(f"shapes do not fit: {size}")

    with pytest.raises(RuntimeError, match="shapes do not fit: 4"):
        find_fitting_batch(attempt, 8)
