"""What each step from a JPEG to an augmented photo costs, beside the way it is usually written.

    python docs/studies/input_path.py DATA [--side 224] [--photos 40]

Milliseconds of processor time a photo, on one thread: medians over rounds of all photos.
"""

import argparse
import io
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from training.cli import find_data
from training.config import DataSettings
from training.learning.augment import Augment, crop_and_resize, draw_crop, jitter_colour
from training.learning.photo_cache import KEPT_RESOLUTION, decode_all, read_whole
from training.preprocess import Preprocess, decode_photo
from training.recipe import TrainSettings
from training.sources.data import open_source

_ROUNDS = 7


def crop_with_pillow(image: Image.Image, side_px: int, random: np.random.Generator) -> Image.Image:
    """Cuts and resizes as `crop_and_resize` does, with Pillow."""
    top, left, height, width = draw_crop(image.height, image.width, 0.35, random)
    box = (left, top, left + width, top + height)
    return image.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)


def jitter_with_pillow(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Changes brightness, contrast and saturation one after the other."""
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(random.uniform(0.8, 1.2))
    return image


def open_and_crop(data: bytes, side_px: int, random: np.random.Generator) -> np.ndarray:
    """The usual way: decode the whole photo each time."""
    image = crop_with_pillow(Image.open(io.BytesIO(data)).convert("RGB"), side_px, random)
    return np.array(jitter_with_pillow(ImageOps.mirror(image), random))


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--photos", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = open_source(find_data(options.data, DataSettings()))
    places = np.linspace(0, len(source.train) - 1, options.photos).round().astype(int)
    photos = [source.train[int(place)] for place in places]
    side_px, random = options.side, np.random.default_rng(0)
    short_px = round(KEPT_RESOLUTION * Preprocess.for_input(side_px).resize_px)
    encoded = [photo.read() for photo in photos]
    augment = Augment(TrainSettings(policy="none"))
    with decode_all(photos, partial(read_whole, short_px=short_px), 0, "decode") as decoded:
        arrays = [decoded.pixels(index) for index in range(len(photos))]
        images = [Image.fromarray(pixels) for pixels in arrays]
        squares = [crop_with_pillow(image, side_px, random) for image in images]
        steps: dict[str, Callable[[int], object]] = {
            "decode": lambda index: decode_photo(encoded[index]),
            "decode, smaller where it may be": lambda i: decode_photo(encoded[i], "", short_px),
            "from the decoded file into an image": lambda i: Image.fromarray(decoded.pixels(i)),
            "crop and resize, Pillow": lambda i: crop_with_pillow(images[i], side_px, random),
            "crop and resize, ours": lambda i: crop_and_resize(arrays[i], side_px, 0.35, random),
            "colour, three steps": lambda i: jitter_with_pillow(squares[i], random),
            "colour, one matrix": lambda i: jitter_colour(squares[i], 0.2, random),
            "all, the usual way": lambda i: open_and_crop(encoded[i], side_px, random),
            "all, ours": lambda i: augment(decoded.pixels(i), side_px, random),
        }
        print(f"{source.name}, {photos[0].name} is {arrays[0].shape[1]} x {arrays[0].shape[0]}")
        print(f"| step, {side_px} px | ms |\n| --- | ---: |")
        for name, step in steps.items():
            print(f"| {name} | {_measure_ms(step, len(photos)):.2f} |")


def _measure_ms(step: Callable[[int], object], count: int) -> float:
    times = []
    for _ in range(_ROUNDS):
        start_s = time.process_time()
        for index in range(count):
            step(index)
        times.append(time.process_time() - start_s)
    return float(np.median(times)) / count * 1e3


if __name__ == "__main__":
    main()
