import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from mobile_assets.bundle import write_bundle
from mobile_assets.release import STABLE, Release
from mobile_assets.signing import create_keys
from serving.app import create_app
from serving.publishing.objects import open_objects
from serving.publishing.policy import pin, unpin
from serving.publishing.publish import Keys, change_release, publish
from serving.publishing.repository import read_metadata_in
from serving.settings import Settings
from serving.state.database import Database
from tests.mobile_assets.builds import make_build
from tests.serving.postgres_server import PostgresServer, serve_postgres


class StorageFetcher(FetcherInterface):
    """Gives the TUF client a repository's files without a server."""

    scheme = "storage://"

    def __init__(self, repository: Path | str) -> None:
        self._objects = open_objects(repository)

    def _fetch(self, url: str) -> Iterator[bytes]:
        content = self._objects.read(url.removeprefix(self.scheme), 1 << 30)
        if content is None:
            raise DownloadHTTPError(f"no {url}", 404)
        yield content.data


@dataclass(frozen=True)
class Phone:
    """An outside TUF client with its own memory of what it saw."""

    cache: Path
    trusted_root: bytes
    metadata_url: str
    targets_url: str
    fetcher: FetcherInterface | None = None

    def read(self, target_path: str) -> bytes:
        (self.cache / "metadata").mkdir(parents=True, exist_ok=True)
        (self.cache / "targets").mkdir(exist_ok=True)
        updater = Updater(
            str(self.cache / "metadata"),
            self.metadata_url,
            str(self.cache / "targets"),
            self.targets_url,
            fetcher=self.fetcher,
            bootstrap=self.trusted_root,
        )
        updater.refresh()
        info = updater.get_targetinfo(target_path)
        assert info is not None, f"{target_path} is not published"
        return Path(updater.download_target(info)).read_bytes()


def set_current(model: str, version: str, repository: Path, keys: Keys) -> bool:
    """Makes a version the current one, older or newer; returns whether that changed anything."""

    def change(release: Release) -> Release:
        return unpin(STABLE)(pin(STABLE, version)(release))

    return change_release(model, repository, keys, change)[0]


def make_phone(repository: Path | str, cache: Path, trusted_root: bytes | None = None) -> Phone:
    root = trusted_root or read_metadata_in(repository)("1.root.json")
    assert root is not None
    fetcher = StorageFetcher(repository)
    addresses = (f"{fetcher.scheme}{folder}/" for folder in ("metadata", "targets"))
    return Phone(cache, root, *addresses, fetcher)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of two versions that answer differently."""
    folder = tmp_path_factory.mktemp("versions")
    return {
        version: write_bundle(
            make_build(folder / version, version, strength), folder / f"colours-{version}.zip"
        )
        for version, strength in {"1.0.0": 0.02, "1.1.0": 0.05}.items()
    }


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    create_keys(folder, models=["colours"])
    return folder


@pytest.fixture(scope="session")
def published(
    bundles: dict[str, Path], key_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A repository with both versions, never changed by a test; 1.1.0 is current."""
    repository = tmp_path_factory.mktemp("published") / "repository"
    for path in bundles.values():
        publish(path, repository, key_folder)
    return repository


@pytest.fixture
def repository(published: Path, tmp_path: Path) -> Path:
    """A copy of `published` that a test may change."""
    return Path(shutil.copytree(published, tmp_path / "repository"))


@pytest.fixture
def client(published: Path) -> FlaskClient:
    """A client of an app that serves `published`."""
    return create_app(Settings(published)).test_client()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server."""
    with serve_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def state_place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a new state lies: a folder, or the address of a database."""
    if request.param == "sqlite":
        return tmp_path / "state"
    return str(request.getfixturevalue("postgres").make_database())


@pytest.fixture
def database(state_place: Path | str) -> Iterator[Database]:
    """A new state, in SQLite and in PostgreSQL."""
    made = Database(state_place)
    yield made
    made.close()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of a running S3 server with an empty bucket."""
    from tests.serving.s3_server import serve_s3  # boto3 takes long to load

    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def published_s3(published: Path, s3_endpoint: str) -> str:
    """The address of `published` in object storage; everybody may read it."""
    from tests.serving.s3_server import BUCKET, CREDENTIALS

    place = f"s3://{BUCKET}/published?endpoint={s3_endpoint}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        bucket, folder = open_objects(place), open_objects(published)
        for name, size_bytes in (
            folder.list_sizes("metadata") | folder.list_sizes("targets")
        ).items():
            content = folder.read(name, size_bytes)
            assert content is not None
            bucket.write(name, content.data)
    return place


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What boto3 needs in the environment to talk to that server."""
    from tests.serving.s3_server import CREDENTIALS

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
