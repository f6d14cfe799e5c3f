"""The server as it is deployed, in processes of its own, which can be killed and started again."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT


class ServerProcess:
    """`python -m serving run` of a repository, always at the same address.

    Attributes:
        url: its address.
    """

    def __init__(self, repository: Path, **environment: str) -> None:
        self._repository, self._environment = repository, environment
        self._port = _find_free_port()
        self._process: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        arguments = ("run", "--repository", str(self._repository), "--port", str(self._port))
        inherited = {name: text for name, text in os.environ.items() if "GHOSTLENS_" not in name}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "serving", *arguments],
            env=inherited | {"PYTHONPATH": str(ROOT)} | self._environment,
            stdout=subprocess.PIPE,
            stderr=self._log,  # a line for each request: a pipe would fill
            text=True,
            start_new_session=True,  # so that its worker can be killed with it
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert re.search(r"http://[0-9.]+:[0-9]+", line), self._read_log()

    def kill(self) -> None:
        """Kills all its processes at once, as a machine that loses power does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._read_log()

    def stop(self) -> str:
        """Stops it as an operator does, and returns what it wrote to stderr."""
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=60)
        return self._read_log()

    def _read_log(self) -> str:
        """Returns what was logged, and forgets it."""
        self._log.seek(0)
        text = self._log.read()
        self._log.seek(0)
        self._log.truncate()
        return text


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
