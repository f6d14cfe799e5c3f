import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving import test_server
from tests.serving.test_server import ask, clean_environment, serve, wait_until_ready


@dataclass
class Observed:
    """A server process of two workers that is looked at from outside."""

    address: str
    metrics_address: str
    process: subprocess.Popen[str]
    temporary: Path

    def read_metrics(self) -> dict[str, float]:
        """Returns samples by name and labels, as in `ghostlens_x{a="b",c="d"}`."""
        text = ask(f"{self.metrics_address}/metrics").read().decode()
        return {
            describe(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def wait_for_metrics(self, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """Returns the metrics once something holds of them: requests are counted at their end."""
        for _ in range(500):
            found = self.read_metrics()
            if holds(found):
                return found
            time.sleep(0.02)
        raise AssertionError(found)

    def read_log(self) -> str:
        """Returns what was logged since the last call."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def wait_for_log(self, request_id: str) -> dict[str, Any]:
        """Returns the log line of a request; what came before it is lost."""
        text = ""
        for _ in range(500):
            text += self.read_log()
            for line in text.splitlines(keepends=True):
                if line.endswith("\n") and request_id in line and line.startswith("{"):
                    return dict(json.loads(line))
            time.sleep(0.02)
        raise AssertionError(text)


def describe(name: str, labels: dict[str, str]) -> str:
    inner = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


@pytest.fixture(scope="session")
def observed(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    temporary, state = tmp_path_factory.mktemp("metrics"), tmp_path_factory.mktemp("observed")
    settings = {
        "GHOSTLENS_METRICS_ADDRESS": "127.0.0.1:0",
        "GHOSTLENS_LOG_CLIENT_ADDRESS": "truncated",
        "TMPDIR": str(temporary),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_server, "clean_environment", lambda: clean_environment() | settings)
        with serve(published, "--workers", "2", "--state", str(state)) as (address, process):
            assert process.stdout is not None
            while not (found := re.search(r"(http\S+)/metrics", process.stdout.readline())):
                continue
            wait_until_ready(address)
            yield Observed(address, found[1], process, temporary)
