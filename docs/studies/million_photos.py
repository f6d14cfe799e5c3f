"""What a folder of a million photos costs before training: time and memory.

    python docs/studies/million_photos.py FOLDER [--photos 1000000] [--check]

Makes FOLDER/photos, a source of 1,000 classes whose photos are hard links to a few tiny JPEGs
(removed at the end), and lists it as `training fit` does, in a fresh process for each step, so that
peak memory is its own. Seconds are of processor time, which other processes hardly change.
"""

import argparse
import io
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

_CLASSES = 1000
_LINKS = 50_000  # to one file, which file systems limit to 65,000
_STEPS = ("import", "list", "map", "tuple", "epoch", "check")


def make_photos(root: Path, count: int) -> None:
    """Makes train/ and val/: `count` photos, and one a class to validate on."""
    per_class = count // _CLASSES
    made, file = 0, root
    for split, photos in (("train", per_class), ("val", 1)):
        for number in range(_CLASSES):
            folder = root / split / f"class {number:04}"
            folder.mkdir(parents=True)
            for photo in range(photos):
                if made % _LINKS == 0:
                    file = root / f"{made}.jpg"
                    file.write_bytes(_jpeg(made))
                os.link(file, folder / f"IMG_{photo:06}.jpg")
                made += 1


def _jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


def run_step(step: str, folder: Path) -> None:
    """Takes one step in this process, and prints its time and the process' peak memory."""
    from training.config import DataSettings
    from training.learning.batches import EpochBatches
    from training.sources.check import check_source
    from training.sources.data import open_source
    from training.sources.photo_index import class_indices_of
    from training.sources.source_index import SourceIndex

    settings = DataSettings(source="folder", path=str(folder / "photos"))
    index = SourceIndex(folder / "run", settings)
    before = _peak_mb()
    start_s = time.process_time()
    source = open_source(settings, index) if step != "import" else None
    opened_s = time.process_time() - start_s
    actions: dict[str, Callable[[], object]] = {
        "tuple": lambda: tuple(source.train),
        "epoch": lambda: next(iter(EpochBatches(class_indices_of(source.train), 32, 0, 224))),
        "check": lambda: check_source(source),
    }
    start_s = time.process_time()
    kept = actions[step]() if step in actions else None
    took_s = time.process_time() - start_s if step in actions else opened_s
    print(f"| {step} | {took_s:.2f} | {before:.0f} | {_peak_mb() - before:.0f} |", flush=True)
    del kept


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Runs every step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--check", action="store_true", help="also decode every photo")
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run_step(options.step, options.folder)
        return
    start_s = time.process_time()
    make_photos(options.folder / "photos", options.photos)
    print(f"made {options.photos} links in {time.process_time() - start_s:.0f} s of processor time")
    print("| step | processor seconds | MB before | MB more at the peak |")
    print("| --- | ---: | ---: | ---: |")
    try:
        for step in _STEPS if options.check else _STEPS[:-1]:
            command = [sys.executable, __file__, str(options.folder), "--step", step]
            subprocess.run(command, check=True)
        for file in sorted((options.folder / "run").iterdir()):
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    finally:
        shutil.rmtree(options.folder / "photos")
        shutil.rmtree(options.folder / "run", ignore_errors=True)


if __name__ == "__main__":
    main()
