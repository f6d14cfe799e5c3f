"""Deciding about a correction: what commands and views do alike."""

from serving.corrections.keeping import KeptPhotos
from serving.corrections.store import Decision, Found, decide, find
from serving.corrections.tables import LABEL
from serving.errors import RequestError
from serving.state.database import Database
from serving.storage import Storage


class Review:
    """Decides about corrections, for commands and for views."""

    def __init__(
        self, storage: Storage, database: Database, photos: KeptPhotos, label_place: str = ""
    ) -> None:
        """Remembers where to look.

        Args:
            storage: says which labels a version has.
            database: holds the corrections.
            photos: those that were kept with them.
            label_place: where a request names the label, as errors say it; empty for none.
        """
        self._storage, self._database, self._photos = storage, database, photos
        self._label_place = f"{label_place}: " if label_place else ""

    def decide(self, correction_id: str, decision: Decision, model: str | None = None) -> Found:
        """Accepts or rejects a correction; the photo of one that is rejected is deleted.

        Args:
            correction_id: which one.
            decision: what was decided.
            model: the model that it must be of; any where None.

        Returns:
            The correction as it is then.

        Raises:
            UnknownCorrectionError: there is none, or none of that model.
            RequestError: the version has no such label.
            CorrectionError: see `serving.corrections.store.decide`.
            StateError: see `Database.write`; likewise RepositoryError.
        """
        if decision.right is not None:
            # Read before the transaction: object storage may be slow, and others wait.
            with self._database.read() as connection:
                known = find(connection, correction_id, model)
            self._check_label(known, *decision.right)
        with self._database.write() as connection:
            dropped = decide(connection, find(connection, correction_id, model), decision)
            found = find(connection, correction_id, model)
        if dropped is not None:
            self._photos.remove(dropped)
        return found

    def _check_label(self, found: Found, kind: str, name: str | None) -> None:
        if kind != LABEL:
            return
        manifest = self._storage.read_manifest(found.model, found.version)
        if name not in manifest.labels.names:
            raise RequestError(
                f"{self._label_place}{found.model} {found.version} has no label {name!r}"
            )
