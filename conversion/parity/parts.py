"""What parity leaves of each artifact: a JSON file of its name, in a folder for each kind of part.

Free of torch.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from conversion.artifact import PARITY_NAME, to_json_text
from conversion.errors import ArtifactError
from training.errors import ConfidenceError
from training.files import write_atomic

_MALFORMED = (ValueError, TypeError, AttributeError, RecursionError, ConfidenceError, ArtifactError)
_Part = TypeVar("_Part")


def write_part(folder: Path, kind: str, file_name: str, value: object) -> None:
    """Writes a part.

    Args:
        folder: becomes the build's `parity/`.
        kind: name of the folder of such parts.
        file_name: of the artifact.
        value: as JSON can hold it.
    """
    write_atomic(folder / kind / f"{file_name}.json", to_json_text(value))


def read_part(
    directory: Path, kind: str, file_name: str, read: Callable[[bytes], _Part]
) -> _Part | None:
    """Returns a part; None where parity left none.

    Hashes are the caller's to check, as `conversion.artifact.read_parity` does.

    Args:
        directory: the build's folder, which holds `parity/`.
        kind: name of the folder of such parts.
        file_name: of the artifact.
        read: reads the bytes of the file.

    Raises:
        ArtifactError: the file is malformed.
    """
    path = directory / PARITY_NAME / kind / f"{file_name}.json"
    if not path.exists():
        return None
    try:
        return read(path.read_bytes())
    except (OSError, *_MALFORMED) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
