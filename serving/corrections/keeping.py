"""Photos of corrections where they are kept, and their end.

A photo is noted in the database before it is written, and counts once a correction names it. What
no correction names, an hour after it was noted, is left of a process that was killed or of a
correction that let it go: `sweep` deletes it. Each write has a name of its own, so that deleting
one never takes what another has just written.
"""

import logging
import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path

from sqlalchemy import delete, insert, or_, select, update

from serving.corrections.photos import SUFFIX, CleanPhoto
from serving.corrections.tables import corrections, kept_photos
from serving.errors import ServingError, UnknownCorrectionError
from serving.publishing.objects import LocalFolder, Objects, open_objects
from serving.settings import STATE_VARIABLE, Settings
from serving.state.database import Database
from serving.state.times import DAY_MS, now_ms
from training.errors import GhostlensError, StorageError
from training.files import sha256_bytes, storage_error

# Longer than any request that has noted a photo takes to store its correction.
UNNAMED_MS = 3600 * 1000
SWEEP_S = 600.0
EXPIRED = "expired"
_FOLDER = "corrections"
_MOST_SWEPT = 200
_MOST_BYTES = 64 << 20
# Nobody but the server's user may look into the folder.
_PRIVATE = 0o700


class KeptPhotos:
    """Keeps photos for as long as the owner allows. Safe to use from threads and processes."""

    def __init__(self, database: Database, place: Path | str, keep_days: int) -> None:
        """Remembers where; nothing is made yet.

        Args:
            database: the state.
            place: a folder, or the address of object storage; see `serving.publishing.objects`.
            keep_days: how long a photo is kept at most, in days.
        """
        self._database, self._place, self._keep_ms = database, place, keep_days * DAY_MS
        self._objects: Objects | None = None

    @classmethod
    def from_settings(cls, database: Database, settings: Settings) -> "KeptPhotos":
        """Makes it as the settings say."""
        return cls(database, settings.photos_place, settings.keep_photos_days)

    @property
    def name(self) -> str:
        """Where photos are kept, in words."""
        return self._open().describe()

    def until_ms(self, received_ms: int) -> int:
        """Returns until when a photo that was received then is kept, in milliseconds since 1970."""
        return received_ms + self._keep_ms

    def write(self, photo: CleanPhoto) -> str:
        """Writes a photo, flushed to disk, and returns its name. A correction must name it then.

        Raises:
            StorageError: it could not be written; likewise StateError.
        """
        name = f"{_FOLDER}/{photo.sha256[:2]}/{photo.sha256}-{uuid.uuid4().hex[:12]}{SUFFIX}"
        with self._database.write() as connection:
            connection.execute(insert(kept_photos).values(name=name, noted_ms=now_ms()))
        objects = self._open()
        if isinstance(objects, LocalFolder):
            _make_private(objects.folder)
        objects.write(name, photo.data)
        return name

    def read(self, name: str | None) -> bytes:
        """Returns a photo's file.

        Raises:
            UnknownCorrectionError: it is gone.
            ServingError: it is not the one that was written.
        """
        found = self._open().read(name, _MOST_BYTES) if name else None
        if name is None:
            raise UnknownCorrectionError("the photo of this correction is not kept")
        if found is None:
            raise UnknownCorrectionError(
                f"the photo of this correction is not where photos are looked for: "
                f"{STATE_VARIABLE} or GHOSTLENS_KEEP_PHOTOS_IN names the server's place"
            )
        if sha256_bytes(found.data) != name.rpartition("/")[2].partition("-")[0]:
            raise ServingError(f"{self._open().describe(name)} was changed after it was written")
        return found.data

    def remove(self, *names: str) -> int:
        """Deletes photos that no correction names; returns how many of them were there."""
        found = 0
        for name in names:
            found += self._open().find_status(name) is not None
            self._open().remove(name)
            with self._database.write() as connection:
                connection.execute(delete(kept_photos).filter_by(name=name))
        return found

    def sweep(self) -> int:
        """Deletes photos that are too old, and those that no correction names.

        Returns:
            How many were deleted.

        Raises:
            StateError: see `Database.write`; likewise StorageError.
        """
        now, deleted = now_ms(), self._delete_unfinished()
        aged = or_(
            corrections.c.photo_until_ms < now, corrections.c.received_ms < now - self._keep_ms
        )
        named = corrections.c.photo_name
        old = select(named).where(named.is_not(None), aged).limit(_MOST_SWEPT)
        left = (
            select(kept_photos.c.name)
            .join(corrections, named == kept_photos.c.name, isouter=True)
            .where(kept_photos.c.noted_ms < now - UNNAMED_MS, named.is_(None))
            .limit(_MOST_SWEPT)
        )
        while True:
            with self._database.read() as connection:
                too_old = list(connection.execute(old).scalars())
                unnamed = list(connection.execute(left).scalars())
            if too_old:
                with self._database.write() as connection:
                    gone = {"photo_name": None, "photo_until_ms": None, "photo": EXPIRED}
                    mine = update(corrections).where(named.in_(too_old))
                    connection.execute(mine.values(gone))
            self.remove(*too_old, *unnamed)
            deleted += len(too_old) + len(unnamed)
            if max(len(too_old), len(unnamed)) < _MOST_SWEPT:
                return deleted

    def _delete_unfinished(self) -> int:
        """Deletes what killed processes wrote under hidden names; storage elsewhere has no such."""
        objects, before_s = self._open(), (now_ms() - UNNAMED_MS) / 1000
        if not isinstance(objects, LocalFolder):
            return 0
        deleted = 0
        try:
            for path in objects.folder.glob("*/**/.*"):
                with suppress(FileNotFoundError):  # it was finished meanwhile
                    if path.is_file() and path.stat().st_mtime < before_s:
                        path.unlink()
                        deleted += 1
        except OSError as error:
            raise storage_error("clear away", objects.folder, error) from error
        return deleted

    def _open(self) -> Objects:
        if self._objects is None:
            self._objects = open_objects(self._place)
        return self._objects


def sweep_repeatedly(photos: KeptPhotos) -> threading.Thread:
    """Sweeps at once and then every ten minutes, in a thread that ends with the process."""

    def run() -> None:
        while True:
            try:
                photos.sweep()
            except GhostlensError as error:
                logging.getLogger("serving").error("old photos could not be deleted: %s", error)
            pause.wait(SWEEP_S)

    pause = threading.Event()
    thread = threading.Thread(target=run, daemon=True, name="sweep photos")
    thread.start()
    return thread


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(_PRIVATE)
    except OSError as error:
        raise StorageError(f"cannot make {folder}: {error.strerror}") from error
