"""A contender's process, seen from the benchmark: one question and one answer at a time."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from conversion.errors import BenchmarkError

_LIMIT_S = 300.0
_LOG_LINES = 10


class Process:
    """Runs `conversion.benchmark.worker`."""

    def __init__(self, name: str, order: dict[str, Any], log: Path) -> None:
        """Starts the process; `ask` with the same order opens its network.

        Args:
            name: for error messages.
            order: see `conversion.benchmark.worker.Contender`.
            log: file for what it prints.
        """
        self.name = name
        self._log = log
        environment = os.environ | {
            "OMP_NUM_THREADS": str(order["threads"]),
            "OMP_WAIT_POLICY": "ACTIVE" if order["spin"] else "PASSIVE",
        }
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "conversion.benchmark.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                text=True,
            )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Sends one request and returns the answer to it.

        Raises:
            BenchmarkError: the contender says why it cannot, ends, or takes too long.
        """
        assert self._process.stdin is not None  # both are pipes, see above
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error
        if not select.select([self._process.stdout], [], [], _LIMIT_S)[0]:
            raise BenchmarkError(f"{self.name}: no answer within {_LIMIT_S:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise BenchmarkError(f"{self.name}: {reply['error']}")
        return reply

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not sent any more
                    continue

    def _ended(self) -> BenchmarkError:
        code = self._process.wait()
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = "\n".join(lines[-_LOG_LINES:])
        return BenchmarkError(f"{self.name}: its process ended with code {code}; last:\n{said}")
