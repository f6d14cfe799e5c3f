"""What the fleet goes through, from a good version on all phones to a rollback.

The test and the study (docs/studies/fleet.py) tell it with other numbers of phones used.
"""

from tests.fleet.bundles import CRASHING, FIRST, SECOND, WRONG
from tests.fleet.fleet import Fleet
from tests.mobile_assets.builds import MODEL


def tell(fleet: Fleet, share: float) -> None:
    """Tells the whole story.

    Args:
        fleet: new phones.
        share: of all phones that are used in each round besides those that the round is about,
            0 to 1; others sleep, as phones do.
    """
    with fleet.measured():
        _roll_out_a_good_version(fleet, share)
        _meet_a_bad_version(fleet, WRONG, "100%", share)
        _meet_a_bad_version(fleet, CRASHING, "10%", share)
        _roll_back(fleet, share)


def _roll_out_a_good_version(fleet: Fleet, share: float) -> None:
    fleet.observer.mark(f"{FIRST} for all")
    fleet.use(fleet.choose(share, fleet.list_new()))
    fleet.publish(SECOND, "--share", "1%")
    fleet.observer.on_its_way = SECOND
    fleet.observer.mark(f"{SECOND} to 1 %")
    included = fleet.list_included(100)
    early, late = included[: len(included) // 2], included[len(included) // 2 :]
    fleet.use(fleet.choose(share, early, without=late))
    # Sooner than enough phones reported: the server holds it until the others did.
    fleet.command("releases", "rollout", MODEL, SECOND, "--share", "10%")
    fleet.observer.mark("10 %, held")
    fleet.use(fleet.choose(share / 2, without=late))
    _note_reached(fleet, 100)
    fleet.use(late)
    fleet.observer.mark("10 %")
    fleet.use(fleet.choose(share, fleet.list_included(1000)))
    _note_reached(fleet, 1000)
    fleet.command("releases", "rollout", MODEL, SECOND, "--share", "100%")
    fleet.observer.mark("100 %")
    outage = len(fleet.phones) // 40  # phones used while there is no server
    fleet.use_and_kill(fleet.choose(min(1, 2 * share)), outage)
    _note_reached(fleet, 10_000)
    fleet.command("releases", "promote", MODEL)
    fleet.observer.on_its_way = ""


def _note_reached(fleet: Fleet, share_bp: int) -> None:
    fleet.included[share_bp] = {phone.name for phone in fleet.list_included(share_bp)}
    fleet.reached[share_bp] = {phone.name for phone in fleet.list_running(SECOND)}


def _meet_a_bad_version(fleet: Fleet, version: str, offered: str, share: float) -> None:
    """Publishes a bad version, lets phones meet it, and ends its rollout once it is halted."""
    fleet.publish(version, "--share", offered)
    fleet.observer.on_its_way = version
    fleet.observer.mark(f"bad {version} to {offered}")
    fleet.use(fleet.choose(share))
    # Those who run it by now, and a few others.
    fleet.use(fleet.choose(share / 10, fleet.list_running(version)))
    fleet.command("releases", "rollback", MODEL)
    fleet.observer.on_its_way = ""


def _roll_back(fleet: Fleet, share: float) -> None:
    fleet.command("releases", "rollback", MODEL, FIRST)
    fleet.observer.mark(f"rollback to {FIRST}")
    chosen = fleet.choose(share)
    fleet.use(chosen)
    # Who asks in the moment in which a server process reads the new policy is told the old one.
    late = [phone for phone in chosen if phone.life.ran[-1] != FIRST]
    fleet.use(late)
    fleet.rolled_back, fleet.told_late = chosen, late
    for phone in fleet.phones:
        phone.open_app()
