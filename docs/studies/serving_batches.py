"""Would batches pay on a CPU? `python -m docs.studies.serving_batches CHECKPOINT`.

LiteRT does not resize our artifacts to batches, so one is made for each size, of the same network,
and they are run in turns on one thread, as a process of the server has one.
"""

import statistics
from pathlib import Path

import click
import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from conversion.deploy import deploy_checkpoint
from conversion.formats.tflite import replace_spreads
from docs.studies.serving_choices import time_call
from training.checkpoint import load_checkpoint

BATCHES = (1, 2, 4, 8)
ROUNDS = 25


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--input-px", default=224, show_default=True)
def main(checkpoint: Path, input_px: int) -> None:
    """Converts a CHECKPOINT for each size, and prints how long a photo takes."""
    calls = {}
    for size in BATCHES:
        deployed = deploy_checkpoint(load_checkpoint(checkpoint), "nhwc")
        example = torch.zeros(size, input_px, input_px, 3)
        replace_spreads(deployed, example)
        model = bytes(litert_torch.convert(deployed, (example,)).model_content())
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        x_nhwc = np.random.default_rng(0).uniform(0, 255, tuple(example.shape))
        index = interpreter.get_input_details()[0]["index"]
        interpreter.set_tensor(index, x_nhwc.astype(np.float32))
        interpreter.invoke()
        calls[size] = interpreter.invoke
    times_ms: dict[int, list[float]] = {size: [] for size in calls}
    for _ in range(ROUNDS):
        for size, call in calls.items():
            times_ms[size].append(1000 * time_call(call) / size)
    for size, found in times_ms.items():
        click.echo(
            f"batches of {size}: {min(found):.2f} ms a photo at best, "
            f"{statistics.median(found):.2f} at the median"
        )


if __name__ == "__main__":
    main()
