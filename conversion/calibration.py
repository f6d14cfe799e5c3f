"""Calibration photos: training photos that static quantisation learns its ranges from.

Never validation photos: those judge the artifacts. Free of torch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conversion.errors import ConversionError
from conversion.spread import spread_places
from training.config import DataSettings
from training.errors import DataError, PhotoError
from training.files import sha256_bytes
from training.labels import LabelSet
from training.preprocess import Preprocess
from training.sources.data import open_source

PixelsNhwc = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Calibration:
    """Pixels to calibrate with, and where they came from.

    Attributes:
        x_nhwc: uint8, shape [N, side, side, 3], RGB.
        source: name of the data source.
    """

    x_nhwc: PixelsNhwc
    source: str

    def describe(self) -> dict[str, str | int]:
        """Returns what a build records: the source, the number of photos and their hash."""
        return {
            "source": self.source,
            "split": "train",
            "photos": len(self.x_nhwc),
            "sha256": sha256_bytes(self.x_nhwc.tobytes()),
        }


def read_calibration(
    data: DataSettings, labels: LabelSet, preprocess: Preprocess, count: int
) -> Calibration:
    """Reads training photos as the network sees them, spread evenly over the classes.

    Args:
        data: the source; its training photos are taken.
        labels: the checkpoint's labels, which must be the source's.
        preprocess: from a photo to pixels.
        count: how many photos, fewer where the source has fewer.

    Raises:
        ConversionError: the source is not at hand, has other classes, or a photo is unreadable.
    """
    try:
        source = open_source(data)
        if source.labels != labels:
            raise ConversionError(
                f"{source.name} has other classes than the checkpoint: calibration needs photos "
                "of the classes that it was trained on"
            )
        photos = [source.train[place] for place in spread_places(len(source.train), count)]
        pixels = [preprocess.read(photo.read(), photo.name) for photo in photos]
    except (DataError, PhotoError) as error:
        raise ConversionError(
            f"static int8 is calibrated with training photos: {error}; give another source with "
            "--data, or leave the int8 variants out with --variant"
        ) from error
    if not pixels:
        raise ConversionError(f"{source.name} has no training photos to calibrate with")
    return Calibration(np.stack(pixels), source.name)
