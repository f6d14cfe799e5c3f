"""How each artifact's answers on the validation photos are distributed, for whoever serves it.

Free of torch.
"""

import json
from pathlib import Path

from conversion.artifact import PARITY_NAME, to_json_text
from conversion.errors import ArtifactError
from training.errors import ConfidenceError
from training.evaluation.distribution import Distribution
from training.files import write_atomic

DISTRIBUTION_FOLDER = "distribution"


def write_distribution(folder: Path, file_name: str, found: Distribution) -> None:
    """Writes how one artifact's answers are distributed.

    Args:
        folder: becomes the build's `parity/`.
        file_name: of the artifact.
        found: what to write.
    """
    path = folder / DISTRIBUTION_FOLDER / f"{file_name}.json"
    write_atomic(path, to_json_text(found.to_json()))


def read_distribution_bytes(directory: Path, file_name: str) -> bytes | None:
    """Returns the file of an artifact's distribution; None where parity left none, as older ones.

    Hashes are the caller's to check, as `conversion.artifact.read_parity` does.

    Args:
        directory: the build's folder, which holds `parity/`.
        file_name: of the artifact.

    Raises:
        ArtifactError: the file is malformed.
    """
    path = directory / PARITY_NAME / DISTRIBUTION_FOLDER / f"{file_name}.json"
    if not path.exists():
        return None
    try:
        data = path.read_bytes()
        Distribution.from_json(json.loads(data))
    except (OSError, ValueError, RecursionError, ConfidenceError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    return data
