"""What each extra brings along, followed through the installed packages' own metadata."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = {"torch", "executorch", "coremltools", "litert-torch", "tensorflow", "torchao", "timm"}


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def own_requirements(extra: str) -> list[str]:
    found = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"].get(extra, [])]
    for requirement in map(Requirement, list(found)):
        if requirement.name == "ghostlens":
            for inner in requirement.extras:
                found += own_requirements(inner)
    return [text for text in found if not text.startswith("ghostlens")]


def closure(extra: str) -> set[str]:
    found: set[str] = set()
    waiting = [(Requirement(text), {""}) for text in own_requirements(extra)]
    while waiting:
        requirement, extras = waiting.pop()
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": name}) for name in extras
        ):
            continue
        name = normalise(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        try:
            inner = requires(name) or []
        except PackageNotFoundError:
            pytest.fail(f"{name} is not installed, so what it needs is not known")
        waiting += [(Requirement(text), {"", *requirement.extras}) for text in inner]
    return found


@pytest.mark.parametrize("extra", ["client", "serve"])
def test_brings_no_heavy_package(extra: str) -> None:
    packages = closure(extra)
    assert {"tuf", "ai-edge-litert", "pillow", "cryptography"} <= packages
    assert not packages & HEAVY


def test_converting_brings_them() -> None:
    assert closure("convert") >= HEAVY - {"timm"}


def test_lock_pins_every_package_of_every_extra() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {normalise(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    # pip and setuptools come with the environment, and pip-tools leaves them out.
    assert closure("dev") - pinned <= {"pip", "setuptools"}


def test_lock_names_no_index_and_no_path() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^-", lock, re.MULTILINE)
    assert "+cpu" not in lock
