"""Builds the scan page as its developers do, beside the files that are committed."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT
from tests.mobile_assets.typescript import install_packages, require_node

APP = ROOT / "serving" / "scan" / "app"
BUILT = ROOT / "serving" / "scan" / "built"
_MADE = ("node_modules", ".test")


def copy_app(to: Path) -> Path:
    """Copies the page's sources with their packages to where the client is found beside them."""
    require_node()
    app = to / "serving" / "scan" / "app"
    shutil.copytree(APP, app, ignore=shutil.ignore_patterns(*_MADE))
    (app / "node_modules").symlink_to(install_packages(APP), target_is_directory=True)
    (to / "mobile_assets").symlink_to(ROOT / "mobile_assets", target_is_directory=True)
    return app


def run_npm(app: Path, script: str) -> str:
    """Runs a script of the page's `package.json`, and returns what it printed."""
    done = subprocess.run(
        ["npm", "run", "--silent", script], cwd=app, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout
