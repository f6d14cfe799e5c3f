"""The TUF client: nothing is used whose bytes the trusted root does not vouch for."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, TargetFile, Targets  # type: ignore[attr-defined]
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater
from urllib3.exceptions import HTTPError

from mobile_assets.errors import PullError
from mobile_assets.reading import SHA256
from mobile_assets.transfer import USER_AGENT, Transfer, count_bytes
from training.errors import StorageError
from training.files import sha256_bytes

# The most bytes that each kind of metadata may have, against endless data: a hundred times what a
# repository of fifty versions needs.
_CONFIG = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=32,
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=2_000_000,
    targets_max_length=5_000_000,
    app_user_agent=USER_AGENT,
)
TIMEOUT_S = 30
# The release and the manifests of the few versions that channels name.
_MOST_DOCUMENTS = 8
_NAME_DIGITS = 16


class TrustedRepository:
    """A repository over HTTP, seen through signed metadata that are kept between pulls."""

    def __init__(
        self,
        metadata_dir: Path,
        base_url: str,
        trusted_root: bytes,
        timeout_s: int = TIMEOUT_S,
        targets_url: str | None = None,
        documents_dir: Path | None = None,
        api_key: str | None = None,
    ) -> None:
        """Loads what is known already; nothing is fetched yet.

        Args:
            metadata_dir: where verified metadata are kept; they defend against rollback.
            base_url: address that `metadata/` lies below, and `targets/` too unless they lie
                elsewhere.
            trusted_root: root metadata that the app was shipped with.
            timeout_s: longest wait for a connection, and between two pieces of an answer.
            targets_url: address of the files where it is another, as of a network of caches.
            documents_dir: where `read` keeps the files that it read last, so that they are fetched
                again only when others are published; None to keep none.
            api_key: what the server at `base_url` asks for; sent there alone.

        Raises:
            PullError: the address or the trusted root cannot be used.
            StorageError: the folder cannot be written.
        """
        self.base_url = _check_address(base_url)
        self.targets_url = _check_address(targets_url or f"{self.base_url}/targets")
        self.transfer = Transfer(timeout_s, self.base_url, api_key)
        self._metadata_dir = metadata_dir
        self._documents_dir = documents_dir
        with typed_errors("the trusted root", "the root metadata given to the client"):
            metadata_dir.mkdir(parents=True, exist_ok=True)
            self._updater = Updater(
                str(metadata_dir),
                f"{self.base_url}/metadata/",
                target_base_url=f"{self.targets_url}/",
                fetcher=self.transfer,
                config=_CONFIG,
                bootstrap=trusted_root,
            )

    def read_files_from(self, url: str) -> None:
        """Makes `download` with a `partial_dir` fetch from below another address from now on.

        Raises:
            PullError: the address cannot be used.
        """
        self.targets_url = _check_address(url)

    def refresh(self) -> None:
        """Fetches and verifies the current metadata.

        Raises:
            PullError: unreachable, or not what the trusted root vouches for.
            StorageError: the metadata could not be kept.
        """
        with typed_errors("the metadata", f"{self.base_url}/metadata"):
            self._updater.refresh()

    def download(
        self, target_path: str, to: Path, max_bytes: int, partial_dir: Path | None = None
    ) -> None:
        """Downloads a file that the metadata vouch for; the bytes are verified.

        Args:
            target_path: its name in the metadata.
            to: where it goes; its folder is made. Nothing is fetched where the same bytes lie
                there already.
            max_bytes: the most that it may have.
            partial_dir: on the same disk; where what came is kept when the connection breaks, for
                the next call to go on from. Nothing is kept without.

        Raises:
            PullError: not published, too large, unreachable, or other bytes than signed.
            StorageError: the file cannot be written.
        """
        with typed_errors(target_path, f"{self.targets_url}/{target_path}"):
            target = self._updater.get_targetinfo(target_path)
            if target is None:
                raise PullError(f"{self.base_url} publishes no {target_path}")
            if target.length > max_bytes:
                raise PullError(f"{target_path} has {target.length} bytes: allowed are {max_bytes}")
            if self._updater.find_cached_target(target, str(to)) is not None:
                return
            sha256 = target.hashes.get("sha256", "")
            if partial_dir is None or not SHA256.fullmatch(sha256):
                self._updater.download_target(target, str(to))
                return
            partial = partial_dir / sha256
            self._complete(target, sha256, partial)
            to.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(to)

    def find_size(self, target_path: str) -> int | None:
        """Returns the signed length of a file in bytes; None where no such file is published.

        Raises:
            PullError: metadata are unreachable, or not what the trusted root vouches for.
            StorageError: the metadata could not be kept.
        """
        with typed_errors(target_path, self.base_url):
            target = self._updater.get_targetinfo(target_path)
        return None if target is None else target.length

    def list_models(self) -> tuple[str, ...]:
        """Returns the models that the metadata name, after `refresh`, by name.

        Raises:
            PullError: the metadata that were kept are damaged.
            StorageError: they cannot be read.
        """
        with typed_errors("the kept metadata", str(self._metadata_dir)):
            data = (self._metadata_dir / "targets.json").read_bytes()
            delegations = Metadata[Targets].from_bytes(data).signed.delegations
        return tuple(sorted(delegations.roles or ())) if delegations is not None else ()

    def _complete(self, target: TargetFile, sha256: str, partial: Path) -> None:
        """Downloads the rest of a file; where parts do not fit together, once more the whole."""
        folder, _, name = target.path.rpartition("/")
        url = f"{self.targets_url}/{folder}/{sha256}.{name}"
        was_begun = count_bytes(partial) > 0
        try:
            self.transfer.complete(url, partial, target.length)
            with partial.open("rb") as file:
                target.verify_length_and_hashes(file)
        except (LengthOrHashMismatchError, DownloadLengthMismatchError):
            partial.unlink(missing_ok=True)
            if not was_begun:
                raise
            self._complete(target, sha256, partial)

    def read(self, target_path: str, max_bytes: int) -> bytes:
        """Returns the bytes of a small file; see `download`."""
        with typed_errors(target_path, self.base_url), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "target"
            kept = self._document_path(target_path)
            if kept is not None:
                with suppress(OSError):
                    shutil.copyfile(kept, path)  # verified like any other
            self.download(target_path, path, max_bytes)
            data = path.read_bytes()
        if kept is not None:
            _keep_document(kept, data)
        return data

    def _document_path(self, target_path: str) -> Path | None:
        if self._documents_dir is None:
            return None
        return self._documents_dir / sha256_bytes(target_path.encode())[:_NAME_DIGITS]


def _keep_document(path: Path, data: bytes) -> None:
    """Keeps what was read, or does not: it can be fetched again."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if count_bytes(path) != len(data) or path.read_bytes() != data:
            path.unlink(missing_ok=True)
            path.write_bytes(data)
        path.touch()
        documents = sorted(path.parent.iterdir(), key=lambda other: other.stat().st_mtime)
        for other in documents[:-_MOST_DOCUMENTS]:
            other.unlink()


def is_web_address(url: str) -> bool:
    """Tells whether something is an address that files can be fetched from."""
    try:
        parts = urlsplit(url)
    except ValueError:  # as of "http://["
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _check_address(url: str) -> str:
    if not is_web_address(url):
        raise PullError(f"the address {url!r}: allowed are http://... and https://...")
    return url.rstrip("/")


@contextmanager
def typed_errors(what: str, where: str) -> Iterator[None]:
    """Turns the errors of TUF, HTTP and the disk into ours."""
    try:
        yield
    except (RepositoryError, DownloadLengthMismatchError) as error:
        why = _explain_distrust(error)
        raise PullError(f"cannot trust {what} from {where}: {error}: {why}") from error
    except (DownloadError, HTTPError) as error:
        raise PullError(f"cannot fetch {what} from {where}: {_explain_failure(error)}") from error
    except OSError as error:
        raise StorageError(f"cannot keep {what}: {error.strerror or error}") from error


def _explain_distrust(error: Exception) -> str:
    match error:
        case ExpiredMetadataError():
            return "old metadata are repeated, nobody renewed them, or the clock here is wrong"
        case BadVersionNumberError():
            return "older than what was seen before"
        case UnsignedMetadataError():
            return "not signed by the keys that the trusted root names"
        case LengthOrHashMismatchError():
            return "other bytes than were signed"
        case DownloadLengthMismatchError():
            return "more than was signed"
    return "not what the trusted root vouches for"


def _explain_failure(error: Exception) -> str:
    if isinstance(error, DownloadHTTPError):
        return f"the server answered HTTP {error.status_code}"
    if isinstance(error, HTTPError):
        return f"the connection broke: {error}"
    cause = error.__cause__ or error
    return f"unreachable, or no answer in time: {getattr(cause, 'reason', cause)}"
