"""With which share a rollout began, by the signed releases that the repository still holds.

A server that sees a rollout first at 50 % cannot tell by itself whether its owner began so, or
raised it before any phone asked. Former metadata stay published, each under its number, so that
this can be read wherever the release was signed.
"""

from tuf.api.metadata import Targets  # type: ignore[attr-defined]

from mobile_assets.release import Release, Rollout
from serving.publishing.repository import release_path, stored_path, verify
from serving.storage import Storage
from training.errors import GhostlensError

_MOST_RELEASES = 100


def find_first_share(storage: Storage, model: str, channel: str, rollout: Rollout) -> int:
    """Returns the lowest share that a rollout was ever signed with, in parts of 10,000.

    Args:
        storage: reads the repository.
        model: its name.
        channel: where the rollout is.
        rollout: as it is signed now.

    Returns:
        The share now where no former release of it can be read and verified any more, or where
        the last 100 metadata of the model do not reach back to its beginning.
    """
    share_bp = rollout.share_bp
    newest = storage.catalogue.state.models[model].version
    for number in range(newest - 1, max(0, newest - 1 - _MOST_RELEASES), -1):
        former = _read_former(storage, model, number)
        if former is None:
            continue
        found = former.channels.get(channel)
        if found is None or found.rollout is None or found.rollout.salt != rollout.salt:
            break
        share_bp = min(share_bp, found.rollout.share_bp)
    return share_bp


def _read_former(storage: Storage, model: str, number: int) -> Release | None:
    """Returns a former release; None where it is gone, or not signed by the keys of now."""
    state = storage.catalogue.state
    try:
        data = storage.read_metadata(f"{number}.{model}.json")
        target = verify(Targets, data, state.targets, model).targets[release_path(model)]
        file = storage.find_file(stored_path(target))
        with storage.open_file(file, 0, file.size_bytes) as content:
            return Release.from_bytes(content.read(file.size_bytes))
    except (GhostlensError, KeyError):
        return None
