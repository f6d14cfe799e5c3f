"""The TypeScript package, compiled beside its development packages; and a phone that runs it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, one_at_a_time
from training.files import new_directory

PACKAGE = ROOT / "mobile_assets" / "clients" / "typescript"
VECTORS = ROOT / "mobile_assets" / "clients" / "vectors.json"
_CACHE = ROOT / ".cache" / "typescript"
_LEAST_NODE = 20
_TIMEOUT_S = 300
_NO_NETWORK = re.compile(r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH)")


def run_node(*arguments: str | Path, cwd: Path, **environment: str) -> str:
    """Runs Node.js and returns what it printed."""
    done = subprocess.run(
        ["node", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-6000:]}{done.stderr[-2000:]}"
    return done.stdout


def require_node() -> None:
    """Skips the test, with the reason, where there is no Node.js that the package runs on."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not installed here: no TypeScript is tested")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < _LEAST_NODE:
        pytest.skip(f"Node.js is {version.strip()}: our TypeScript needs {_LEAST_NODE}")


def install_packages(package: Path = PACKAGE) -> Path:
    """Returns `node_modules` of a package's lock file, downloaded once for each lock file."""
    lock = (package / "package-lock.json").read_bytes()
    folder = _CACHE / hashlib.sha256(lock).hexdigest()[:16]
    with one_at_a_time(folder):
        if not folder.exists():
            with new_directory(folder) as temporary:
                for name in ("package.json", "package-lock.json"):
                    shutil.copy(package / name, temporary)
                _install(temporary)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(_CACHE / "npm")]
    done = subprocess.run(
        ["npm", "ci", *options], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    if done.returncode and _NO_NETWORK.search(done.stderr):
        pytest.skip(f"npm's registry cannot be reached from here: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]


def copy_package(to: Path) -> Path:
    """Copies the package's sources beside its development packages, to leave those alone."""
    modules = install_packages()
    shutil.copytree(PACKAGE, to, ignore=shutil.ignore_patterns("node_modules", "dist", "build"))
    (to / "node_modules").symlink_to(modules, target_is_directory=True)
    return to


def compile_package(folder: Path, project: str) -> None:
    """Compiles a copy of the package; any error of a type fails."""
    run_node("node_modules/typescript/bin/tsc", "-p", project, cwd=folder)


@dataclass(frozen=True)
class NodePhone:
    """An app on the TypeScript client: each `do` is a process of its own, as after a restart.

    Attributes:
        package: the compiled package.
        url: the server's address.
        folder: what the app keeps; holds `root.json`, which it was shipped with.
        answers: what its runtime answers, by the photo's SHA-256.
        device: what it says of itself.
        asks_server: whether it asks the server, or follows the signed policy alone.
    """

    package: Path
    url: str
    folder: Path
    answers: dict[str, list[float]]
    device: dict[str, object] = field(default_factory=lambda: {"platform": "web"})
    asks_server: bool = True

    def do(self, *steps: str) -> list[Any]:
        """Runs steps of one process and returns what each told; an error ends them."""
        order = {
            "url": self.url,
            "root": str(self.folder / "root.json"),
            "model": "colours",
            "folder": str(self.folder / "kept"),
            "device": self.device,
            "askServer": self.asks_server,
            "answers": self.answers,
        }
        script = self.package / "build" / "test" / "support" / "phone.js"
        told = run_node(script, json.dumps(order), *steps, cwd=self.package)
        return [json.loads(line) for line in told.splitlines()]
