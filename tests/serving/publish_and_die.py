"""Publishes a bundle several times, each in a process that SIGKILL ends at one of its writes.

Arguments: "torn" (half-way in the write) or "after" it; the bundle; then for each time three more:
the number of the write, the repository, the keys. Prints the exit status of each.
"""

import os
import signal
import sys
from pathlib import Path

import training.files

moment, bundle, *times = sys.argv[1:]
write = training.files.write_atomic
nth = calls = 0


def write_or_die(path: Path, data: bytes | str) -> None:
    global calls
    calls += 1
    if calls == nth:
        if moment == "torn":  # as `write_atomic` stands half-way: a part, under another name
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / f".{path.name}.half").write_bytes(bytes(data)[: len(data) // 2])
        else:
            write(path, data)
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)


training.files.write_atomic = write_or_die

from serving.publish import publish  # noqa: E402

for number, repository, keys in zip(*[iter(times)] * 3, strict=True):
    nth = int(number)
    child = os.fork()
    if child == 0:
        publish(Path(bundle), Path(repository), Path(keys))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
