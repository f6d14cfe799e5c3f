from collections.abc import Iterator
from pathlib import Path

import pytest

from conversion.errors import RuntimeMissingError
from conversion.runners import Runner, open_runner
from mobile_assets import selftest
from mobile_assets.bundle import write_bundle
from mobile_assets.client import BundleClient
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import MODEL, make_build
from tests.mobile_assets.cloud_builds import make_cloud_build
from tests.mobile_assets.repositories import Repository, Server
from tests.mobile_assets.typescript import compile_package, copy_package, require_node
from tests.mobile_assets.wire import Wire


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole build with passing parity; tests that change it make their own."""
    return make_build(tmp_path_factory.mktemp("builds") / "colours")


@pytest.fixture(scope="session")
def bundle_path(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(build_dir, tmp_path_factory.mktemp("bundles") / "colours.bundle.zip")


@pytest.fixture(scope="session")
def second_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1.1.0 of the same model, which answers less surely."""
    folder = tmp_path_factory.mktemp("second")
    build_dir = make_build(folder / "build", "1.1.0", strength=0.01)
    return write_bundle(build_dir, folder / "colours.bundle.zip")


@pytest.fixture(scope="session")
def two_models_path(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same build in one release with a cloud model."""
    folder = tmp_path_factory.mktemp("two")
    cloud_dir = make_cloud_build(folder / "cloud")
    return write_bundle(build_dir, folder / "colours.bundle.zip", cloud_dir=cloud_dir)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TypeScript client with its tests, compiled."""
    require_node()
    folder = copy_package(tmp_path_factory.mktemp("typescript") / "package")
    compile_package(folder, "tsconfig.test.json")
    return folder


@pytest.fixture
def repository(bundle_path: Path, tmp_path: Path) -> Repository:
    """A repository that publishes version 1.0.0."""
    made = Repository(tmp_path / "repository")
    made.add(bundle_path)
    return made


@pytest.fixture
def wire(repository: Repository) -> Wire:
    """The server of that repository, and what goes over the wire to it."""
    return Wire(create_app(Settings(repository.folder)))


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    with Server(repository.folder).running() as running:
        yield running


@pytest.fixture
def client(repository: Repository, server: Server, tmp_path: Path) -> BundleClient:
    return BundleClient(tmp_path / "cache", server.url, repository.trusted_root, timeout_s=5)


@pytest.fixture
def pulled(client: BundleClient) -> BundleClient:
    client.pull(MODEL, "python")
    return client


@pytest.fixture
def only_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a phone that has no other runtime: artifacts of others are placed, and not run."""

    def open_litert(source: Path, runtime: str) -> Runner:
        if runtime != "litert":
            raise RuntimeMissingError(f"{runtime} is not installed")
        return open_runner(source, runtime)

    monkeypatch.setattr(selftest, "open_runner", open_litert)
