"""Schemathesis asks a server process what its document allows, and what it does not: all checks.

A short run, the same each time; docs/api.md has the command of the long one.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.serving.test_server import serve

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 2
# Those that systematically go through limits, and sequences of requests, take a minute and more.
PHASES = "examples,fuzzing"


def test_schemathesis_finds_nothing(published: Path, tmp_path: Path) -> None:
    with serve(published, "--state", str(tmp_path / "state")) as (address, _):
        program = Path(sys.executable).with_name("schemathesis")
        command = [program, "--config-file", CONFIG, "run", f"{address}/openapi.json"]
        options = f"--checks all --seed 1 --no-color --max-examples {EXAMPLES} --phases {PHASES}"
        done = subprocess.run(
            [*map(str, command), *options.split(), "--generation-deterministic"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout[-8000:]
    assert "passed" in done.stdout
