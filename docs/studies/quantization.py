"""Tries what to leave in float for every quantised variant: the tables of docs/quantization.md.

    python docs/studies/quantization.py CHECKPOINT --out FOLDER [--variant KEY ...]

Each try is made with our own converters, then compared with the checkpoint on the validation
photos and, where it runs here, timed in turns with the float32 file of the same runtime.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from conversion.artifact_cache import ArtifactCache
from conversion.calibration import read_calibration
from conversion.convert import Job, convert
from conversion.request import Quantisation
from conversion.runners import Runner, open_runner
from conversion.variants import find_variant
from training.checkpoint import load_checkpoint
from training.console import share_cores
from training.sources.data import open_source

CHOICES = ((), ("gates",), ("first",), ("last",))
FLOAT = {"executorch": "executorch-fp32", "litert": "litert-fp32", "coreml": "coreml-fp16"}
QUANTISED = (
    "executorch-int8",
    "litert-int8",
    "litert-dynamic-int8",
    "coreml-int8-weights",
    "coreml-palette8",
    "coreml-palette6",
)


def time_in_turns(runners: list[Runner], x_nhwc: np.ndarray, rounds: int) -> list[float]:
    """Returns the median milliseconds a photo of each runner, asked in turns."""
    taken: list[list[float]] = [[] for _ in runners]
    for round_ in range(rounds + 3):
        for times, runner in zip(taken, runners, strict=True):
            start = time.perf_counter()
            runner.answer(x_nhwc[round_ % len(x_nhwc)][None])
            times.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(times[3:]) for times in taken]


def _to_line(row: dict[str, Any]) -> str:
    return (
        f"{row['variant']:22} {' '.join(row['left_in_float']) or 'nothing':18} "
        f"size {row['size_share']:.3f}  top-1 {row['top1']:.4f} ({row['reference_top1']:.4f})  "
        f"same {row['agreement']:.4f}  KL {row['kl_nats']:.5f}  time {row['latency_ratio']:.2f}"
    )


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--variant", "keys", multiple=True, default=QUANTISED)
@click.option("--rounds", default=60)
def main(checkpoint: Path, out: Path, keys: tuple[str, ...], rounds: int) -> None:
    """Print one row a try, and keep all in OUT/results.json."""
    share_cores()
    loaded = load_checkpoint(checkpoint)
    source = open_source(loaded.settings.data)
    x_nhwc = np.stack([loaded.preprocess.read(photo.read()) for photo in source.validation])
    truth = np.array([photo.class_index for photo in source.validation])
    reference = loaded.answer(x_nhwc).probabilities
    read_calibration(loaded.settings.data, loaded.labels, loaded.preprocess, 8)  # fails early
    results = []
    for key in keys:
        variant, floating = find_variant(key), find_variant(FLOAT[key.split("-")[0]])
        for parts in CHOICES:
            folder = out / f"{key}-{'-'.join(parts) or 'nothing'}"
            job = Job(checkpoint, "study", "1.0.0", (floating, variant), Quantisation(parts))
            build = convert(job, folder, 2, lambda _: None, ArtifactCache())
            runners = [open_runner(folder / a.file_name, variant.runtime) for a in build.artifacts]
            answers = runners[1].answer(x_nhwc).probabilities
            ratio = float("nan")
            if variant.runtime != "coreml":  # the MIL evaluation's speed says nothing of a phone
                slow, fast = time_in_turns(runners, x_nhwc, rounds)
                ratio = fast / slow
            kl = reference * (np.log(reference + 1e-9) - np.log(answers + 1e-9))
            results.append(
                {
                    "variant": key,
                    "left_in_float": parts,
                    "size_share": build.artifacts[1].size_bytes / build.artifacts[0].size_bytes,
                    "top1": float((answers.argmax(1) == truth).mean()),
                    "reference_top1": float((reference.argmax(1) == truth).mean()),
                    "agreement": float((answers.argmax(1) == reference.argmax(1)).mean()),
                    "kl_nats": float(kl.sum(1).mean()),
                    "latency_ratio": ratio,
                }
            )
            click.echo(_to_line(results[-1]))
            (out / "results.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
