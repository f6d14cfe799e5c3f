"""Would batches pay on a CPU? `python -m docs.studies.serving_batches CHECKPOINT`.

LiteRT does not resize our artifacts to batches, so one is made for each size, of the same network,
and they are run in turns on one thread, as a process of the server has one. What counts is
processor time, which other processes of the machine take no part in.
"""

import statistics
import time
from pathlib import Path

import click
import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from conversion.deploy import deploy_checkpoint
from conversion.formats.tflite import replace_spreads
from training.checkpoint import load_checkpoint

BATCHES = (1, 2, 4, 8)
ROUNDS = 40


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--input-px", default=224, show_default=True)
def main(checkpoint: Path, input_px: int) -> None:
    """Converts a CHECKPOINT for each size, and prints how long a photo takes."""
    interpreters = {size: make_interpreter(checkpoint, size, input_px) for size in BATCHES}
    times_ms: dict[int, list[float]] = {size: [] for size in BATCHES}
    for _ in range(ROUNDS):
        for size, interpreter in interpreters.items():
            begun_s = time.process_time()
            interpreter.invoke()
            times_ms[size].append(1000 * (time.process_time() - begun_s) / size)
    for size, found in times_ms.items():
        ratios = [own / alone for own, alone in zip(found, times_ms[1], strict=True)]
        click.echo(
            f"batches of {size}: {min(found):.2f} ms a photo at best, "
            f"{statistics.median(found):.2f} at the median, "
            f"{statistics.median(ratios):.2f} times what it takes alone"
        )


def make_interpreter(checkpoint: Path, size: int, input_px: int) -> Interpreter:
    """Returns what runs a network for photos of a batch at once; it ran once."""
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
    return interpreter


if __name__ == "__main__":
    main()
