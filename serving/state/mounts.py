"""Whether a folder lies on a network file system, whose locks SQLite cannot rely on."""

import re
from pathlib import Path

_MOUNTS = Path("/proc/mounts")  # proc(5)
_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "lustre",
    "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
}  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")


def find_network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Returns the type of the network file system that a folder lies on; None where it does not.

    Args:
        folder: it, or the first one above it that is there, is looked up.
        mounts: the list of what is mounted; where there is none, nothing is known and None is said.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    resolved, best, kind = folder.resolve(), Path(), ""
    for line in lines:
        _, place, found, *_ = line.split(" ")
        mounted = Path(_OCTAL.sub(lambda digits: chr(int(digits[1], 8)), place))
        # Of two mounts at one place, the later one hides the other.
        if resolved.is_relative_to(mounted) and len(mounted.parts) >= len(best.parts):
            best, kind = mounted, found
    return kind if kind in _NETWORK else None
