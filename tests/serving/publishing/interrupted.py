"""Runs our commands in processes of their own, each stopped by a signal at one of its writes.

Reads runs as lines of JSON from standard input, and answers each with a line. A run is

- `{"list": [...]}`: a command; the answer is the kinds of all objects that it wrote, in order;
- `{"command": [...], "signal": "KILL", "at": kind, "moment": "half-way"}`: the signal comes
  "half-way" in the write of the object of that kind, or "after" it. What `meanwhile` names,
  another command, runs while "STOP" holds the first one, which then goes on;
- `{"race": [[...], [...]]}`: commands that begin at the same moment.

The answer is, for each process, its exit status and what it said on standard error.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from serving.cli import main
from serving.publishing.objects import LocalFolder, open_objects, read_place
from serving.publishing.s3 import S3Bucket

Step = Callable[[str, Callable[[], None], bool], None]
_NOT_ENDED = 99


def find_kind(name: str) -> str:
    """Returns an object's name without the number or the hash in it."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file if file == 'timestamp.json' else file.partition('.')[2]}"


def intercept(step: Step) -> None:
    """Lets `step` do every write: it gets the object's kind, the write, and whether to S3."""
    for storage in (LocalFolder, S3Bucket):
        for way in ("write", "create", "replace"):
            setattr(storage, way, wrap(getattr(storage, way), step, storage is S3Bucket))


def wrap(write: Callable[..., None], step: Step, is_s3: bool) -> Callable[..., None]:
    def call(objects: object, name: str, *more: object) -> None:
        step(find_kind(name), lambda: write(objects, name, *more), is_s3)

    return call


def make_step(at: str, moment: str, name: str) -> Step:
    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.Signals[f"SIG{name}"])

    def step(kind: str, write: Callable[[], None], is_s3: bool) -> None:
        if kind != at:
            write()
        elif moment == "after":
            write()
            stop()
        elif is_s3 or name == "STOP":  # one request, whole or absent
            stop()
            write()
        else:  # the bytes lie there, under another name
            os.fsync = stop
            write()

    return step


class Process:
    """A command in a child process."""

    def __init__(self, command: list[str], step: Step | None = None) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        open_objects(read_place(command[command.index("--repository") + 1]))  # once for all
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._run(command, step)

    def _run(self, command: list[str], step: Step | None) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.dup2(self.errors.fileno(), sys.stderr.fileno())
        status = _NOT_ENDED
        try:
            if step is not None:
                intercept(step)
            main(command)
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(status)

    def end(self) -> tuple[int, str]:
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with self.errors:
            self.errors.seek(0)
            return status, self.errors.read()


def list_kinds(command: list[str]) -> list[str]:
    with tempfile.TemporaryFile("w+") as kinds:

        def step(kind: str, write: Callable[[], None], is_s3: bool) -> None:
            write()
            os.write(kinds.fileno(), f"{kind}\n".encode())

        status, errors = Process(command, step).end()
        assert status == 0, errors
        kinds.seek(0)
        return kinds.read().split()


def do(run: dict[str, Any]) -> list[Any]:
    if "list" in run:
        return list_kinds(run["list"])
    if "race" in run:
        return [process.end() for process in [Process(command) for command in run["race"]]]
    process = Process(run["command"], make_step(run["at"], run["moment"], run["signal"]))
    if "meanwhile" not in run:
        return [process.end()]
    os.waitpid(process.pid, os.WUNTRACED)
    rival = Process(run["meanwhile"]).end()
    os.kill(process.pid, signal.SIGCONT)
    return [process.end(), rival]


for line in sys.stdin:
    print(json.dumps(do(json.loads(line))), flush=True)
