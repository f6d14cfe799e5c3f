from pathlib import Path

import pytest

from mobile_assets.bundle import write_bundle
from tests.mobile_assets.builds import make_build


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole build with passing parity; tests that change it make their own."""
    return make_build(tmp_path_factory.mktemp("builds") / "colours")


@pytest.fixture(scope="session")
def bundle_path(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(build_dir, tmp_path_factory.mktemp("bundles") / "colours.bundle.zip")
