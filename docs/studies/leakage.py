"""Which distance tells a photo seen in training from another one: the tables of evaluation.md.

    python docs/studies/leakage.py DATA

DATA is `grocery`, `synthetic`, or the path of a folder, of a manifest or of a copy of the Grocery
Store Dataset.
"""

import io
from collections.abc import Callable, Iterable

import click
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from training.cli import find_data
from training.config import DataSettings
from training.errors import GhostlensError
from training.evaluation.photo_hash import PhotoHashes, Words, hash_image, hash_photos
from training.photos import Photo
from training.preprocess import decode_photo
from training.sources.data import open_source

LIMITS = (16, 24, 32, 40, 48, 56)
Distances = npt.NDArray[np.uint8]
Change = Callable[[Image.Image], Image.Image]


def encode(image: Image.Image, quality: int) -> Image.Image:
    """Returns a photo as it comes out of a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def cut(image: Image.Image, share: float) -> Image.Image:
    """Returns a photo without a share of its width and height on each side."""
    width, height = image.size
    left, top = round(share * width), round(share * height)
    return image.crop((left, top, width - left, height - top))


def label(image: Image.Image) -> Image.Image:
    """Returns a photo whose lower edge is covered."""
    changed = image.copy()
    changed.paste((255, 255, 255), (0, round(0.92 * image.height), image.width, image.height))
    return changed


CHANGES: dict[str, Change] = {
    "JPEG of quality 30": lambda image: encode(image, 30),
    "half as large": lambda image: image.resize((image.width // 2, image.height // 2)),
    "30 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "30 % less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "turned by 2 degrees": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
    "a white strip, 8 % of the height": label,
    "2 % cut off each side": lambda image: cut(image, 0.02),
    "5 % cut off each side": lambda image: cut(image, 0.05),
    "10 % cut off each side": lambda image: cut(image, 0.1),
}


def measure(one: Words, other: Words) -> Distances:
    """Returns the distance of every pair, uint8, shape [N, M]."""
    total: Distances = np.bitwise_count(one[:, None, 0] ^ other[None, :, 0])
    for word in (1, 2):
        total += np.bitwise_count(one[:, None, word] ^ other[None, :, word])
    return total


def row(words: str, values: Iterable[object]) -> str:
    """Returns a row of a Markdown table."""
    return f"| {words} | " + " | ".join(map(str, values)) + " |"


def describe_copies(photos: list[Photo]) -> Iterable[str]:
    """Returns the share of changed copies that each limit finds."""
    distances: dict[str, list[int]] = {name: [] for name in CHANGES}
    for photo in photos:
        image = decode_photo(photo.read(), photo.name)
        words = hash_image(image)[0]
        for name, change in CHANGES.items():
            copy = hash_image(change(image))[0]
            distances[name].append(int(np.bitwise_count(words ^ copy).sum()))
    for name, found in distances.items():
        yield row(name, (f"{100 * np.mean(np.array(found) <= limit):.0f} %" for limit in LIMITS))


def describe_pairs(words: str, distances: Distances, chosen: npt.NDArray[np.bool_]) -> str:
    """Returns how many of the chosen pairs are within each limit."""
    values = distances[chosen]
    counts = [int((values <= limit).sum()) for limit in LIMITS]
    return row(f"{words}, {values.size:,} pairs (nearest: {values.min()} bits)", counts)


@click.command()
@click.argument("data")
def main(data: str) -> None:
    """Print both tables of a source: 'grocery', 'synthetic', or a path."""
    base = DataSettings(train_per_class=100, validation_per_class=30)
    try:
        source = open_source(find_data(data, base))
    except GhostlensError as error:
        raise click.ClickException(str(error)) from error
    trained: PhotoHashes = hash_photos(source.train)
    judged = hash_photos(source.validation)
    train_truth = np.array([photo.class_index for photo in source.train])
    truth = np.array([photo.class_index for photo in source.validation])
    same = truth[:, None] == train_truth[None]
    print(f"{source.name}: {len(trained)} training and {len(judged)} validation photos\n")
    print(row("pairs within so many bits", LIMITS))
    print(row("---", ["---"] * len(LIMITS)))
    for turned, words in ((judged.words, "upright"), (judged.mirrored, "mirrored")):
        distances = measure(turned, trained.words)
        print(describe_pairs(f"validation and training, {words}, one class", distances, same))
        print(describe_pairs(f"validation and training, {words}, two classes", distances, ~same))
    within = measure(trained.words, trained.words)
    once = np.triu(np.ones(within.shape, bool), 1)
    alike = train_truth[:, None] == train_truth[None]
    print(describe_pairs("training among each other, one class", within, once & alike))
    print(describe_pairs("training among each other, two classes", within, once & ~alike))
    print("\n" + row("changed copies found", LIMITS))
    print(row("---", ["---"] * len(LIMITS)))
    print("\n".join(describe_copies(list(source.validation))))


if __name__ == "__main__":
    main()
