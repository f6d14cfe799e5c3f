"""Removing versions that a Python app will not run again."""

import fcntl
import re
import shutil
from contextlib import suppress
from pathlib import Path

from conversion.variants import find_variant
from mobile_assets.errors import ManifestError, PullError
from mobile_assets.installed import in_use_path, version_folder
from mobile_assets.starting import read_installed

_VERSION_FOLDER = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}", re.ASCII)
_UNFINISHED = re.compile(r"\..+\.(new|old)\..+", re.ASCII)


def remove_left_versions(model_dir: Path) -> list[Path]:
    """Removes the folders of versions that are neither in use nor the one to go back to.

    Called when an update begins, not when it switches: what an app runs while it is replaced stays
    at least until the next update, and longer as long as the app holds on to the `PulledModel`
    that it got (`hold_folder`). Nothing is removed where it is not known what is in use.

    Args:
        model_dir: the model's folder in the cache; no other process may be pulling into it.

    Returns:
        The folders that were removed.
    """
    try:
        entries = read_installed(model_dir).entries
    except (PullError, ManifestError):
        return []
    wanted = {
        version_folder(model_dir, x.version, find_variant(x.variant), x.manifest_sha256)
        for x in entries
    }
    removed = []
    for folder in model_dir.glob("*/*"):
        if _UNFINISHED.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
        elif _VERSION_FOLDER.fullmatch(folder.name) and folder not in wanted and _remove(folder):
            removed.append(folder)
    return removed


def _remove(folder: Path) -> bool:
    """Removes a version's folder unless somebody holds it."""
    held = in_use_path(folder)
    with suppress(OSError), held.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
        held.unlink()
        (folder.parent / f".{folder.name}.lock").unlink(missing_ok=True)
        with suppress(OSError):  # other variants of the version are in use
            folder.parent.rmdir()
        return True
    return False
