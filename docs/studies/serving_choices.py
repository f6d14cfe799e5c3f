"""What the server could do to answer faster, measured: `python docs/studies/serving_choices.py`.

Three questions, each in turns so that whatever else the machine does meets both sides: does
decoding a large JPEG at a smaller scale keep the answers, do batches pay on a CPU, and how much
memory does a version take beside its file? Give it an artifact and a folder of photos.
"""

import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from conversion.runners import LiteRtRunner
from mobile_assets.selftest import MAX_PROBABILITY_DIFFERENCE
from training.preprocess import Preprocess, decode_photo

SIDE_PX = 2784  # of the enlarged photos: 8 to 10 megapixels, as phones send
BATCHES = (1, 2, 4, 8)
# The shorter side of what is decoded, in times of what it is then resized to; 0 decodes all of it.
MARGINS = (0, 1, 2, 4)
ROUNDS = 7
ALLOWED = MAX_PROBABILITY_DIFFERENCE


def enlarge(photo: bytes) -> bytes:
    """Makes a photo of a phone's size: smoother than a real one, so that less can go wrong."""
    image = decode_photo(photo)
    factor = SIDE_PX / min(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def measure_draft(runner: LiteRtRunner, preprocess: Preprocess, photos: list[bytes]) -> None:
    """Prints how far answers move when JPEGs are decoded smaller, and what that saves."""
    rows: dict[int, list[np.ndarray]] = {margin: [] for margin in MARGINS}
    times_s: dict[int, list[float]] = {margin: [] for margin in MARGINS}
    for photo in photos:
        large = enlarge(photo)
        for margin in MARGINS:
            begun_s = time.perf_counter()
            x_hwc = preprocess(decode_photo(large, short_px=margin * preprocess.resize_px))
            times_s[margin].append(time.perf_counter() - begun_s)
            rows[margin].append(runner.answer(x_hwc[None]).probabilities[0])
    whole = np.stack(rows[0])
    for margin in MARGINS:
        draft = np.stack(rows[margin])
        moved = np.abs(whole - draft).max(axis=1)
        same = float((whole.argmax(1) == draft.argmax(1)).mean())
        click.echo(
            f"draft keeping {margin} x {preprocess.resize_px} px, {len(photos)} photos: first "
            f"answer the same in {same:.1%}; probabilities move by {moved.max():.4f} at most, "
            f"{np.median(moved):.5f} at the median, over {ALLOWED} in "
            f"{float((moved > ALLOWED).mean()):.1%}; "
            f"{1000 * statistics.median(times_s[margin]):.0f} ms a photo"
        )


def measure_batches(tflite: bytes, side_px: int) -> None:
    """Prints how long a photo takes in batches of several sizes."""
    calls = {}
    for size in BATCHES:
        interpreter = Interpreter(model_content=tflite, num_threads=1)
        index = interpreter.get_input_details()[0]["index"]
        try:
            interpreter.resize_tensor_input(index, [size, side_px, side_px, 3])
            interpreter.allocate_tensors()
            x_nhwc = np.random.default_rng(0).uniform(0, 255, (size, side_px, side_px, 3))
            interpreter.set_tensor(index, x_nhwc.astype(np.float32))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            click.echo(f"batches of {size}: refused: {str(error).splitlines()[0][:90]}")
            continue
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


def time_call(call: Callable[[], object]) -> float:
    """Returns how long a call takes, in seconds."""
    begun_s = time.perf_counter()
    call()
    return time.perf_counter() - begun_s


def read_rss_bytes() -> int:
    """Returns the memory that this process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_memory(path: Path, side_px: int) -> None:
    """Prints what a version takes once it answered."""
    data = path.read_bytes()
    x_nhwc = np.zeros((1, side_px, side_px, 3), np.uint8)
    kept, before = [], read_rss_bytes()
    for _ in range(4):
        kept.append(LiteRtRunner(bytes(bytearray(data))))
        kept[-1].answer(x_nhwc)
    each = (read_rss_bytes() - before) / len(kept)
    click.echo(
        f"memory: {each / 2**20:.1f} MB for a file of {len(data) / 2**20:.1f} MB: "
        f"{each / len(data):.2f} bytes a byte"
    )


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path, exists=True))
@click.argument("photos", type=click.Path(path_type=Path, exists=True))
@click.option("--input-px", default=224, show_default=True)
@click.option("--count", default=60, show_default=True, help="How many photos.")
def main(artifact: Path, photos: Path, input_px: int, count: int) -> None:
    """Measures with a .tflite ARTIFACT and a folder of JPEG PHOTOS."""
    found = sorted(photos.rglob("*.jpg"))
    chosen = [path.read_bytes() for path in found[:: max(1, len(found) // count)][:count]]
    measure_memory(artifact, input_px)
    measure_batches(artifact.read_bytes(), input_px)
    measure_draft(LiteRtRunner(artifact), Preprocess.for_input(input_px), chosen)


if __name__ == "__main__":
    main()
