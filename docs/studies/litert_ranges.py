"""Tries ways to choose the ranges of LiteRT's static int8: a table of docs/quantization.md.

    python docs/studies/litert_ranges.py CHECKPOINT ARTIFACT

ARTIFACT is the checkpoint's float32 `.tflite`. Ranges are learnt from calibration photos, and
judged on other training photos by how far the int8 answers lie from the float ones: no
validation photo takes part.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np
from ai_edge_quantizer.quantizer import Quantizer

from conversion.calibration import read_calibration
from conversion.formats import tflite_ranges
from conversion.formats.tflite_int8 import make_recipe
from conversion.formats.tflite_metadata import append_labels
from conversion.request import KEEP_FLOAT
from conversion.runners import LiteRtRunner
from training.checkpoint import load_checkpoint
from training.sources.data import open_source

TAILS = (0.0, 0.0001, 0.0005)
BEYOND = (0.0, 0.02, 0.05)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("artifact", type=click.Path(path_type=Path))
def main(checkpoint: Path, artifact: Path) -> None:
    """Print one row a way to choose ranges."""
    loaded = load_checkpoint(checkpoint)
    data, preprocess = loaded.settings.data, loaded.preprocess
    x_nhwc = read_calibration(data, loaded.labels, preprocess, 128).x_nhwc
    plain = artifact.read_bytes()
    train = open_source(data).train
    places = np.linspace(3, len(train) - 1, 300).round().astype(int)
    judges = np.stack([preprocess.read(train[place].read()) for place in places])
    reference = LiteRtRunner(plain).answer(judges).probabilities

    def judge(words: str, ranges: Any) -> None:
        quantizer = Quantizer(plain)
        recipe = make_recipe("int8", KEEP_FLOAT["litert-int8"])
        quantizer.load_quantization_recipe(recipe.get_quantization_recipe())
        if ranges is None:
            ranges = quantizer.calibrate({"serving_default": [_feed(plain, x) for x in x_nhwc]})
        model = bytes(quantizer.quantize(ranges).quantized_model or b"")
        runner = LiteRtRunner(append_labels(model, loaded.labels))
        answers = runner.answer(judges).probabilities
        kl = reference * (np.log(reference + 1e-9) - np.log(answers + 1e-9))
        same = (answers.argmax(1) == reference.argmax(1)).mean()
        click.echo(f"{words:46} same {same:.4f}  KL {kl.sum(1).mean():.5f} nats")

    judge("the quantiser's own moving average", None)
    for tail in TAILS:
        for beyond in BEYOND:
            tflite_ranges.TAIL, tflite_ranges.PHOTOS_BEYOND = tail, beyond
            ranges = tflite_ranges.measure_ranges(plain, x_nhwc)
            judge(f"without {tail:.2%} of values, {beyond:.0%} of photos", ranges)


def _feed(plain: bytes, x_hwc: Any) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    ((_, names),) = Interpreter(model_content=plain).get_signature_list().items()
    return {names["inputs"][0]: x_hwc[None].astype(np.float32)}


if __name__ == "__main__":
    main()
