"""Artifacts kept by the hash of everything that decided their bytes, so that none is made twice."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from conversion.artifact import Artifact, artifact_bytes, to_json_text
from conversion.converters import converter_of
from conversion.errors import ArtifactError
from conversion.request import Quantisation
from conversion.variants import Variant
from training.files import new_directory, sha256_bytes, write_atomic
from training.sources.grocery_download import cache_folder

_ENTRY_NAME = "artifact.json"
MAX_BYTES = 4 << 30


class ArtifactCache:
    """A folder with one folder an artifact.

    Args:
        folder: where; None for the user's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "artifacts"

    def take(self, key: str, folder: Path) -> Artifact | None:
        """Copies an artifact into a build's folder, if it is here and whole.

        Args:
            key: of `make_key`.
            folder: the build's folder.
        """
        entry = self.folder / key
        try:
            artifact = Artifact(**json.loads((entry / _ENTRY_NAME).read_text(encoding="utf-8")))
            data = artifact_bytes(entry / artifact.file_name)
        except (OSError, ValueError, TypeError, ArtifactError):
            return None
        if sha256_bytes(data) != artifact.sha256:
            return None
        kept, target = entry / artifact.file_name, folder / artifact.file_name
        if kept.is_dir():
            shutil.copytree(kept, target)
        else:
            shutil.copy(kept, target)
        os.utime(entry)  # what was used last goes last
        return artifact

    def put(self, key: str, artifact: Artifact, folder: Path) -> None:
        """Keeps an artifact, and removes what was used longest ago beyond `MAX_BYTES`.

        Args:
            key: of `make_key`.
            artifact: what was made.
            folder: the build's folder that holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with new_directory(self.folder / key) as entry:
            made = folder / artifact.file_name
            if made.is_dir():
                shutil.copytree(made, entry / artifact.file_name)
            else:
                shutil.copy(made, entry / artifact.file_name)
            write_atomic(entry / _ENTRY_NAME, to_json_text(asdict(artifact)))
        self._prune()

    def _prune(self) -> None:
        entries = [entry for entry in self.folder.iterdir() if entry.is_dir()]
        kept_bytes = 0
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime, reverse=True):
            kept_bytes += sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())
            if kept_bytes > MAX_BYTES:
                shutil.rmtree(entry, ignore_errors=True)


def make_key(
    checkpoint_sha256: str,
    model: str,
    version: str,
    variant: Variant,
    quantisation: Quantisation,
    calibration_sha256: str,
) -> str:
    """Returns the name of an artifact in the cache.

    Args:
        checkpoint_sha256: what is converted.
        model: its name, which stands inside the file.
        version: likewise.
        variant: which kind of artifact.
        quantisation: how it is made.
        calibration_sha256: of the calibration photos' pixels; counts where the variant is
            calibrated.
    """
    converter = converter_of(variant)
    decides = {
        "checkpoint": checkpoint_sha256,
        "model": model,
        "version": version,
        "variant": variant.key,
        "keep_float": sorted(quantisation.parts_for(variant)),
        "calibration": calibration_sha256 if variant.calibrated else "",
        "qat_steps": quantisation.qat_steps if variant.key == "executorch-int8" else 0,
        "packages": converter.versions(),
        "sources": converter.hash_sources(),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
