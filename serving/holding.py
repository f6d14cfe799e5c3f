"""Holding versions back at once, and letting them go on."""

from serving.errors import HoldError
from serving.publishing.policy import find_on_its_way
from serving.rollouts import HALTED, PAUSED, Rollouts
from serving.storage import Storage

HALT, PAUSE, RESUME = "halt", "pause", "resume"
DONE = {HALT: "halted", PAUSE: "paused", RESUME: "resumed"}


def change_hold(
    storage: Storage,
    rollouts: Rollouts,
    model: str,
    version: str,
    action: str,
    actor: str,
    reason: str,
) -> str:
    """Halts, pauses or resumes a version.

    Returns:
        What it is then, in one word.

    Raises:
        HoldError: a pause of what is not being rolled out.
        UnknownModelError: no such model.
        UnknownVersionError: no such version.
        StateError: see `Database.write`.
    """
    catalogue = storage.catalogue
    catalogue.choose_version(model, version)
    release = catalogue.find_release(model)
    if action == PAUSE and all(
        find_on_its_way(release, channel) != version for channel in release.channels
    ):
        raise HoldError(
            f"{model} {version} is not being rolled out, and a pause stops nothing else: "
            "a halt takes a version from everybody"
        )
    if action == RESUME:
        rollouts.resume(model, version, actor, reason, release)
    else:
        rollouts.hold(model, version, HALTED if action == HALT else PAUSED, actor, reason)
    return DONE[action]
