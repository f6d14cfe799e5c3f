"""What `deploy/` says is so of the server that it deploys."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving import server
from tests.conftest import ROOT
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.test_server import clean_environment

DEPLOY = ROOT / "deploy"
HEAVY = {"torch", "tensorflow", "executorch", "coremltools", "litert-torch", "matplotlib"}
OPTIONAL = {"brotli", "pygments", "setuptools", "pip"}  # taken by others where they happen to be
# Answers a photo and the pages that need templates, and names what was imported for that.
IMPORTED = """
import importlib.metadata, json, sys
from pathlib import Path
import serving.server
from serving.app import create_app
from serving.settings import Settings
client = create_app(Settings(Path(sys.argv[1]), state=Path(sys.argv[2]))).test_client()
photo = Path(sys.argv[3]).read_bytes()
found = client.post("/v1/models/colours/recognise", data=photo, content_type="image/jpeg")
assert found.status_code == 200, found.data
for path in ("/", "/docs", "/openapi.json", "/readyz", "/v1/models"):
    assert client.get(path).status_code == 200, path
owners = importlib.metadata.packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted({owner for top in tops for owner in owners.get(top, [])[:1]})))
"""


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^ \\\n]+)", path.read_text(), re.M)
    return {normalise(name): version for name, version in found}


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return read_lock(DEPLOY / "requirements-serve.lock")


def test_all_that_a_running_server_imports_stands_in_its_lock(
    published: Path, lock: dict[str, str], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(make_photo(COLOURS["red"]))
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, published, tmp_path / "state", photo],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    imported = {normalise(name) for name in json.loads(done.stdout.splitlines()[-1])}
    assert {"flask", "ai-edge-litert", "pillow", "numpy"} <= imported
    assert imported - {"ghostlens", *OPTIONAL} <= set(lock)


def test_the_servers_lock_is_small_pinned_as_ours_and_hashed(lock: dict[str, str]) -> None:
    assert not HEAVY & set(lock)
    ours = read_lock(ROOT / "requirements.lock")
    assert {name: version for name, version in lock.items() if ours.get(name) != version} == {}
    entries = re.split(
        r"^(?=[a-z0-9])", (DEPLOY / "requirements-serve.lock").read_text(), flags=re.M
    )
    assert [entry.split()[0] for entry in entries[1:] if "--hash=sha256:" not in entry] == []


def read_yaml(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return found


def test_nobody_is_killed_before_gunicorn_let_its_workers_finish() -> None:
    grace = server._GRACEFUL_TIMEOUT_S
    pod = read_yaml("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    pause = re.search(r"sleep\((\d+)\)", container["lifecycle"]["preStop"]["exec"]["command"][2])
    assert pause is not None
    assert pod["terminationGracePeriodSeconds"] > int(pause[1]) + grace
    stop = read_yaml("compose.yml")["services"]["server"]["stop_grace_period"]
    assert int(stop.removesuffix("s")) > grace


def test_the_pods_run_as_the_images_user_with_nothing_to_write_to_but_what_is_mounted() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "Containerfile").read_text(), re.M)
    pod = read_yaml("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    assert user is not None
    assert pod["securityContext"]["runAsUser"] == int(user[1])
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    workers = next(entry for entry in container["env"] if entry["name"] == "GHOSTLENS_WORKERS")
    assert workers["value"] == container["resources"]["limits"]["cpu"]


def test_the_autoscaler_reads_a_metric_that_the_server_has() -> None:
    (metric,) = read_yaml("kubernetes/autoscaler.yaml")["spec"]["metrics"]
    names = (ROOT / "serving" / "observing" / "metrics.py").read_text()
    assert f'"{metric["pods"]["metric"]["name"].removeprefix("ghostlens_")}"' in names


def test_extras_that_the_images_are_built_with_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = read_yaml("compose.yml")["services"]["server"]["build"]["args"]["EXTRAS"]
    assert set(extras.split(",")) <= set(known)
