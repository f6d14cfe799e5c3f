"""How each artifact's answers on the validation photos are distributed, for whoever serves it.

Free of torch.
"""

import json
from pathlib import Path

from conversion.parity.parts import read_part, write_part
from training.evaluation.distribution import Distribution

DISTRIBUTION_FOLDER = "distribution"


def write_distribution(folder: Path, file_name: str, found: Distribution) -> None:
    """Writes how one artifact's answers are distributed.

    Args:
        folder: becomes the build's `parity/`.
        file_name: of the artifact.
        found: what to write.
    """
    write_part(folder, DISTRIBUTION_FOLDER, file_name, found.to_json())


def read_distribution_bytes(directory: Path, file_name: str) -> bytes | None:
    """Returns the file of an artifact's distribution; None where parity left none, as older ones.

    Hashes are the caller's to check, as `conversion.artifact.read_parity` does.

    Args:
        directory: the build's folder, which holds `parity/`.
        file_name: of the artifact.

    Raises:
        ArtifactError: the file is malformed.
    """
    return read_part(directory, DISTRIBUTION_FOLDER, file_name, _check)


def _check(data: bytes) -> bytes:
    Distribution.from_json(json.loads(data))
    return data
