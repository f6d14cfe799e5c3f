"""Publishes a bundle, and is killed with SIGKILL at its n-th write.

Arguments: n, "torn" (half-way) or "after", bundle, repository, keys.
"""

import os
import signal
import sys
from pathlib import Path

import training.files

nth, moment, bundle, repository, keys = sys.argv[1:]
write = training.files.write_atomic
calls = 0


def write_or_die(path: Path, data: bytes | str) -> None:
    global calls
    calls += 1
    if calls == int(nth):
        if moment == "torn":  # as `write_atomic` stands half-way: a part, under another name
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / f".{path.name}.half").write_bytes(bytes(data)[: len(data) // 2])
        else:
            write(path, data)
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)


training.files.write_atomic = write_or_die

from serving.publish import publish  # noqa: E402

publish(Path(bundle), Path(repository), Path(keys))
