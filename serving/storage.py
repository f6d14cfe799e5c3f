"""What the server reads of a repository: verified, renewed while it runs, the last good kept."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from mobile_assets.errors import ManifestError
from mobile_assets.manifest import MANIFEST_NAME, Manifest
from mobile_assets.reading import SHA256
from mobile_assets.release import Release
from serving.errors import (
    NotReadyError,
    RepositoryError,
    UnknownFileError,
    UnknownModelError,
    UnknownVersionError,
)
from serving.publishing.objects import Place, Status, open_objects
from serving.publishing.repository import (
    METADATA_FOLDER,
    METADATA_NAME,
    TARGETS_FOLDER,
    TIMESTAMP_NAME,
    ReadMetadata,
    State,
    file_path,
    find_incomplete,
    read_metadata_in,
    read_roots,
    read_sha256,
    read_state,
    read_target,
    release_path,
    stored_path,
)
from training.errors import GhostlensError, StorageError

# A damaged repository is looked at again this often, even where no file's time changed.
_RETRY_S = 2.0
_TIMESTAMP = f"{METADATA_FOLDER}/{TIMESTAMP_NAME}"
_SERVED_BELOW = f"/{TARGETS_FOLDER}"
_MANIFESTS_IN_MEMORY = 64
_CHECKED_FILES = 4096
# What publishing writes, and nothing that climbs out or is hidden.
_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,250}", re.ASCII)
_NEVER_READ = Status(-1, "")


@dataclass(frozen=True)
class Catalogue:
    """One verified state of the repository.

    Attributes:
        state: the signed metadata.
        releases: what is published of each model, by name.
    """

    state: State
    releases: Mapping[str, Release]

    def find_release(self, model: str) -> Release:
        """Returns what is published of a model.

        Raises:
            UnknownModelError: no such model.
        """
        release = self.releases.get(model)
        if release is None:
            raise UnknownModelError(model, self.releases)
        return release

    def choose_version(self, model: str, version: str | None = None) -> str:
        """Returns the version asked for, or else the current one.

        Raises:
            UnknownModelError: no such model.
            UnknownVersionError: the model has no such version.
        """
        release = self.find_release(model)
        if version is None:
            return release.current
        if version not in release.names:
            raise UnknownVersionError(model, version, release.names)
        return version

    def find_target(self, path: str) -> TargetFile:
        """Returns the signed entry of a TUF target path.

        Raises:
            UnknownFileError: no such target.
        """
        target = self.state.find_target(path)
        if target is None:
            raise UnknownFileError(f"no published file {path!r}")
        return target


@dataclass(frozen=True)
class StoredFile:
    """A published file whose bytes were compared with the hash in its name.

    Attributes:
        name: its name in the repository's storage.
        sha256: 64 hexadecimal digits.
        size_bytes: its length.
    """

    name: str
    sha256: str
    size_bytes: int


class Storage:
    """Reads a repository for the server. Safe to use from several threads.

    A new release is seen at the next request. What does not verify is not taken: the last good
    state stays, and `find_problems` says why.
    """

    def __init__(
        self, repository: Place, trusted_root: Path | None = None, files_url: str | None = None
    ) -> None:
        """Remembers where to read; nothing is read yet.

        Args:
            repository: where it lies.
            trusted_root: see `Settings`.
            files_url: see `Settings`.

        Raises:
            SettingsError: the address of the repository cannot be used.
        """
        self._objects = open_objects(repository)
        self.files_url = files_url.rstrip("/") if files_url else None
        self._read = read_metadata_in(self._objects)
        self._trusted_root_path = trusted_root
        self._trusted_root: bytes | None = None
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._mark: Status | None = _NEVER_READ
        self._fault: str = ""
        self._unfinished: str = ""
        self._look_again_at_s = 0.0
        self._retry_at_s = 0.0
        self._damaged: dict[str, str] = {}
        self._read_manifest = lru_cache(maxsize=_MANIFESTS_IN_MEMORY)(self._parse_manifest)
        self._check_file = lru_cache(maxsize=_CHECKED_FILES)(self._compare_with_name)

    @property
    def catalogue(self) -> Catalogue:
        """The newest verified state.

        Raises:
            NotReadyError: nothing was published, or nothing verifies.
        """
        self._refresh()
        catalogue = self._catalogue
        if catalogue is None:
            raise NotReadyError("no verified release to answer from; /readyz says why")
        return catalogue

    def find_problems(self) -> list[str]:
        """Returns, in words, what is wrong with the repository now; empty when all is well."""
        self._refresh()
        expired = self._catalogue.state.find_expired() if self._catalogue else []
        faults = [fault for fault in (self._fault, self._unfinished) if fault]
        return [*faults, *expired, *self._damaged.values()]

    def read_manifest(self, model: str, version: str) -> Manifest:
        """Returns the manifest of a published version.

        Raises:
            UnknownModelError: no such model.
            UnknownVersionError: the model has no such version.
            RepositoryError: the file is missing, changed or malformed.
        """
        catalogue = self.catalogue
        catalogue.choose_version(model, version)
        target = catalogue.find_target(file_path(model, version, MANIFEST_NAME))
        return self._read_manifest(target.path, read_sha256(target), target.length)

    def read_file(self, model: str, version: str, path: str) -> bytes:
        """Returns a file of a published bundle, checked against its signed hash.

        Raises:
            UnknownFileError: no such file.
            RepositoryError: the file is missing or changed.
        """
        return self._read_target(self.catalogue.find_target(file_path(model, version, path)))

    def find_url(self, target: TargetFile) -> str:
        """Returns where a target is served: below `files_url`, or else a path of this server."""
        return f"{self.files_url or _SERVED_BELOW}/{stored_path(target)}"

    def find_elsewhere(self, url_path: str) -> str | None:
        """Returns where others serve what a path below `/targets/` names; None where nobody does.

        Raises:
            UnknownFileError: nothing could have that name.
        """
        _check_url_path(url_path)
        return f"{self.files_url}/{url_path}" if self.files_url else None

    def open_file(self, file: StoredFile, start: int, stop: int) -> BinaryIO:
        """Opens a file to be read from byte `start` up to `stop`; it may give more.

        Raises:
            RepositoryError: it is not there any more; likewise StorageError.
        """
        return self._objects.open(file.name, start, stop)

    def find_file(self, url_path: str) -> StoredFile:
        """Returns the file at a path below `/targets/`, after comparing it with its name.

        Files of earlier releases are found too: a client may be half-way through one.

        Raises:
            UnknownFileError: no such file.
            RepositoryError: its bytes are not those that its name promises.
        """
        sha256, name = _check_url_path(url_path), f"{TARGETS_FOLDER}/{url_path}"
        status = self._objects.find_status(name)
        if status is None:
            raise _make_unknown(url_path)
        if not self._check_file(name, sha256, status):
            fault = f"{name} was changed after it was published"
            self._damaged[url_path] = fault
            raise RepositoryError(fault)
        self._damaged.pop(url_path, None)
        return StoredFile(name, sha256, status.size_bytes)

    def read_metadata(self, name: str) -> bytes:
        """Returns a metadata file: of the last good state, or an earlier one from disk.

        Raises:
            UnknownFileError: no such file.
        """
        match = METADATA_NAME.fullmatch(name)
        files = self.catalogue.state.files
        if name in files:
            return files[name]
        # Clients ask for the root after the newest on purpose: there must be none but verified.
        data = self._read(name) if match and match[2] != "root" else None
        if data is None:
            raise UnknownFileError(f"no published metadata {name!r}")
        return data

    def _refresh(self) -> None:
        # Whoever comes while another looks gets what was there before, and never waits for a
        # storage that does not answer.
        if time.monotonic() < self._look_again_at_s or not self._lock.acquire(
            blocking=self._catalogue is None
        ):
            return
        try:
            mark = self._objects.find_status(_TIMESTAMP)
            if mark != self._mark or (self._fault and time.monotonic() >= self._retry_at_s):
                self._reload(mark)
        except StorageError as error:
            self._fault = str(error)
            self._mark = _NEVER_READ
        finally:
            self._look_again_at_s = time.monotonic() + self._objects.look_again_s
            self._lock.release()

    def _reload(self, mark: Status | None) -> None:
        try:
            self._catalogue = self._load()
            self._fault = ""
        except GhostlensError as error:
            self._fault = str(error)
            self._retry_at_s = time.monotonic() + _RETRY_S
        self._mark = mark

    def _load(self) -> Catalogue:
        state, unfinished = self._read_state()
        if state is None:
            raise NotReadyError(
                f"nothing is published in {self._objects.describe()}; "
                "`python -m serving publish` does it"
            )
        if self._catalogue is not None:
            _check_not_older(self._catalogue.state, state)
        releases = {model: self._read_release(state, model) for model in state.list_models()}
        catalogue = Catalogue(state, releases)
        self._check_files(catalogue)
        self._trusted_root = next(iter(state.files.values()))
        self._unfinished = unfinished
        return catalogue

    def _read_state(self) -> tuple[State | None, str]:
        """Reads what verifies; under the root before the newest where a ceremony was killed.

        It is the state from before, which a restart may go on serving. A server that saw the newest
        root in use does not go back below it; see `_check_not_older`.

        Returns:
            The state, and in words what is unfinished.
        """
        trusted = self._find_trusted_root()
        try:
            return read_state(self._read, trusted), ""
        except RepositoryError as error:
            *before, newest = read_roots(self._read, trusted) or [""]
            if not before:
                raise
            try:
                hiding = partial(_read_all_but, self._read, newest)
                state = read_state(hiding, trusted)
            except RepositoryError:
                raise error from None
            words = f"{newest} is not in use yet: run its `serving trust publish` again"
            return state, words

    def _read_release(self, state: State, model: str) -> Release:
        target = state.models[model].targets[release_path(model)]
        return Release.from_bytes(self._read_target(target))

    def _find_trusted_root(self) -> bytes | None:
        # Once something verified, its root is trusted: another one in the folder is tampering.
        if self._trusted_root is not None:
            return self._trusted_root
        if self._trusted_root_path is None:
            return None
        try:
            return self._trusted_root_path.read_bytes()
        except OSError as error:
            raise RepositoryError(
                f"cannot read the trusted root {self._trusted_root_path}: {error.strerror}"
            ) from error

    def _check_files(self, catalogue: Catalogue) -> None:
        for model, release in catalogue.releases.items():
            for version in release.names:
                catalogue.find_target(file_path(model, version, MANIFEST_NAME))
        place = find_incomplete(self._objects, catalogue.state.list_targets())
        if place is not None:
            raise RepositoryError(f"{place} is missing or incomplete, though it is published")

    def _read_target(self, target: TargetFile) -> bytes:
        return read_target(self._objects, target)

    def _compare_with_name(self, name: str, sha256: str, status: Status) -> bool:
        return self._objects.holds(name, sha256)

    def _parse_manifest(self, path: str, sha256: str, size_bytes: int) -> Manifest:
        target = TargetFile(size_bytes, {"sha256": sha256}, path)
        manifest = Manifest.from_bytes(self._read_target(target))
        if path != file_path(manifest.model, manifest.version, MANIFEST_NAME):
            raise ManifestError(f"{path} is about {manifest.model} {manifest.version}")
        return manifest


def _check_url_path(url_path: str) -> str:
    """Returns the SHA-256 in the name of a file that may have been published."""
    parts = url_path.split("/")
    sha256, dot, _ = parts[-1].partition(".")
    if not dot or not SHA256.fullmatch(sha256) or not all(map(_PATH_PART.fullmatch, parts)):
        raise _make_unknown(url_path)
    return sha256


def _make_unknown(url_path: str) -> UnknownFileError:
    return UnknownFileError(
        f"no published file {url_path!r}; addresses stand in the answers of /v1/models"
    )


def _read_all_but(read: ReadMetadata, hidden: str, name: str) -> bytes | None:
    return None if name == hidden else read(name)


def _check_not_older(old: State, new: State) -> None:
    if new.root.version < old.root.version:
        # Else keys that a ceremony revoked would count again.
        raise RepositoryError(
            f"nothing verifies under the root of version {old.root.version}, which was served "
            "before"
        )
    if new.timestamp.version < old.timestamp.version:
        raise RepositoryError(
            f"{TIMESTAMP_NAME} is version {new.timestamp.version}, older than version "
            f"{old.timestamp.version}, which was served before"
        )
