"""The state of an unfinished run, from which it goes on exactly as if it had not stopped."""

import difflib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from training.errors import TrainingError
from training.files import write_atomic
from training.labels import LabelSet

STATE_NAME = "training_state.pt"


@dataclass(frozen=True)
class RunState:
    """What a run needs to go on; everything random follows from the seed and the step.

    Attributes:
        run: what must be the same for a resume: settings (TOML), labels, photos, teacher.
        epoch: epochs that are done.
        history: figures of each of them.
        tensors: state of network, optimizer and weight average.
        step: steps that are done in the epoch after those.
        loss_sum: sum of the training losses of these steps, in nats.
    """

    run: dict[str, str]
    epoch: int
    history: list[dict[str, float]]
    tensors: dict[str, Any] = field(repr=False)
    step: int = 0
    loss_sum: float = 0.0


def save_state(directory: Path, state: RunState) -> None:
    """Writes the state whole or not at all.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(vars(state), buffer)
    write_atomic(directory / STATE_NAME, buffer.getvalue())


def load_state(directory: Path, run: dict[str, str]) -> RunState | None:
    """Reads the state of an unfinished run, or None where there is none.

    Args:
        directory: the run's folder.
        run: what this run is; it must equal what the state was saved with.

    Raises:
        TrainingError: the state is of a run with other settings or labels, or cannot be read.
    """
    path = directory / STATE_NAME
    if not path.exists():
        return None
    try:
        state = RunState(**torch.load(path, map_location="cpu", weights_only=True))
    # A damaged file makes the unpickler fail in almost any way.
    except Exception as error:
        raise TrainingError(f"cannot resume from {path}: {error}") from error
    for key, value in run.items():
        former = state.run.get(key, "")
        if former != value:
            raise TrainingError(
                f"cannot resume {directory}: its {key} differ from this run's; give back the "
                f"former ones, use another --out, or --fresh.\n{_describe(key, former, value)}"
            )
    return state


def _describe(key: str, former: str, now: str) -> str:
    """Says what changed between two identities of a run."""
    if key == "labels":
        return LabelSet.from_text(now).describe_changes(LabelSet.from_text(former))
    lines = difflib.unified_diff(former.splitlines(), now.splitlines(), "then", "now", n=0)
    return "\n".join(line for line in lines if not line.startswith("@@"))
