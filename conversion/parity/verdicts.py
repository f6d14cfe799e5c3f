"""What each artifact said of each photo, in short: what parity leaves for a second model.

A release of two models asks afterwards what the second one says of the photos of which the first
is not sure. Full probabilities would be too much to keep. Free of torch.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from conversion.errors import ArtifactError
from conversion.parity.parts import read_part, write_part
from training.evaluation.decisions import VERDICTS

VERDICTS_FOLDER = "verdicts"


@dataclass(frozen=True)
class PhotoVerdicts:
    """What one artifact said of each photo; all lists are of one length, in the photos' order.

    Attributes:
        photos: names in their source.
        sizes_bytes: of the photos' files: with the name, tells one photo from another.
        truth: index of the class that is shown.
        answers: index of the class named first.
        verdicts: one of `training.evaluation.decisions.VERDICTS` each.

    Raises:
        ArtifactError: lists of different lengths, or a value that is not allowed.
    """

    photos: tuple[str, ...]
    sizes_bytes: tuple[int, ...]
    truth: tuple[int, ...]
    answers: tuple[int, ...]
    verdicts: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(column) for column in vars(self).values()}
        if len(lengths) != 1:
            raise ArtifactError(f"verdicts on photos: lists of {sorted(lengths)} items")
        numbers = (*self.sizes_bytes, *self.truth, *self.answers)
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ArtifactError("verdicts on photos: sizes and classes are whole numbers from 0")
        if not all(isinstance(name, str) for name in self.photos):
            raise ArtifactError("verdicts on photos: names are texts")
        if unknown := set(self.verdicts) - set(VERDICTS):
            raise ArtifactError(f"the verdict {min(unknown)!r}: allowed are {', '.join(VERDICTS)}")


def write_verdicts(folder: Path, file_name: str, found: PhotoVerdicts) -> None:
    """Writes what one artifact said of each photo.

    Args:
        folder: becomes the build's `parity/`.
        file_name: of the artifact.
        found: what to write.
    """
    write_part(folder, VERDICTS_FOLDER, file_name, asdict(found))


def read_verdicts(directory: Path, file_name: str) -> PhotoVerdicts | None:
    """Returns what an artifact said of each photo; None where parity left nothing of it.

    Hashes are the caller's to check, as `conversion.artifact.read_parity` does.

    Args:
        directory: the build's folder, which holds `parity/`.
        file_name: of the artifact.

    Raises:
        ArtifactError: the file is malformed.
    """
    return read_part(directory, VERDICTS_FOLDER, file_name, _read)


def _read(data: bytes) -> PhotoVerdicts:
    value = json.loads(data)
    return PhotoVerdicts(**{name: tuple(column) for name, column in value.items()})
