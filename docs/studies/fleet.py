"""A thousand phones through rollouts, two bad versions, a server that is killed, and a rollback.

Run: make bench-fleet, or python -m docs.studies.fleet [PHONES]

All phones are used in every round; tests/fleet tells the same story with fewer uses. Prints the
figures of docs/fleet.md, and draws docs/images/fleet.png.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.fleet.bundles import CRASHING, FIRST, SECOND, WRONG
from tests.fleet.fleet import Fleet
from tests.fleet.phones import BUILT_IN, Observer
from tests.fleet.story import tell

PICTURE = Path(__file__).parents[1] / "images" / "fleet.png"
COLOURS = {
    BUILT_IN: "#b8b8b8",
    FIRST: "#7fb3d5",
    SECOND: "#1f618d",
    WRONG: "#e67e22",
    CRASHING: "#c0392b",
}
NAMES = {BUILT_IN: "what the app was shipped with", WRONG: f"{WRONG} (bad: answers otherwise)"}
NAMES[CRASHING] = f"{CRASHING} (bad: crashes)"
BAD_SHARE_ALLOWED = 0.05


def main() -> None:
    """Tells the story, prints the figures and draws the picture."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder), count)
        try:
            tell(fleet, 1.0)
        finally:
            fleet.server.stop()
        print_figures(fleet, time.monotonic() - began_s)
        draw(fleet.observer, count)


def print_figures(fleet: Fleet, wall_s: float) -> None:
    """Prints what docs/fleet.md tells."""
    lives = [phone.life for phone in fleet.phones]
    own = resource.getrusage(resource.RUSAGE_SELF)
    server = resource.getrusage(resource.RUSAGE_CHILDREN)
    p50_ms, p95_ms = 1000 * np.percentile(fleet.check_s, [50, 95])
    print(f"phones {len(lives)}, used {len(fleet.observer.snapshots)} times")
    print(f"HTTP requests {fleet.requests}, checks {len(fleet.check_s)}")
    print(f"a check took {p50_ms:.0f} ms (median), {p95_ms:.0f} ms (95 %)")
    print(
        f"{wall_s:.0f} s; CPU of all phones {own.ru_utime + own.ru_stime:.0f} s, of the server "
        f"{server.ru_utime + server.ru_stime:.0f} s"
    )
    print(f"phones that found no server {sum(life.unreachable > 0 for life in lives)}")
    for version in (SECOND, WRONG, CRASHING):
        print(
            f"{version}: downloaded {fleet.observer.taken[version]}, "
            f"failed the self-test {sum(version in life.failed for life in lives)}, "
            f"ran {sum(version in life.ran for life in lives)}, "
            f"crashed {sum(version in life.crashed for life in lives)}"
        )
    for entry in fleet.list_log():
        print(f"{entry.at} {entry.actor} {entry.action} {entry.version} {entry.reason}")
    print(f"faults {len(fleet.observer.faults)}")
    for words in fleet.observer.faults[:10]:
        print(words)


def draw(observer: Observer, count: int) -> None:
    """Draws how many phones ran which version, and the bad ones once more, enlarged."""
    snapshots = observer.snapshots
    figure = Figure(figsize=(15, 10), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    uses = np.arange(1, len(snapshots) + 1)
    running = {name: [each[name] for each in snapshots] for name in COLOURS}
    above.stackplot(
        uses,
        list(running.values()),
        labels=[NAMES.get(name, name) for name in running],
        colors=list(COLOURS.values()),
    )
    for name in (WRONG, CRASHING):
        below.fill_between(uses, running[name], step="post", color=COLOURS[name], label=NAMES[name])
    limit = BAD_SHARE_ALLOWED * count
    draw_limit(below, limit, len(snapshots))
    for axes in (above, below):
        axes.tick_params(labelsize=16)
        for mark in observer.marks:
            axes.axvline(mark.uses, color="black", linewidth=1.5, alpha=0.6)
    for mark in observer.marks:
        above.text(mark.uses, 1.02 * count, mark.words, fontsize=17, rotation=35, va="bottom")
    for (version, mark), side in zip(observer.halts.items(), ("right", "left"), strict=True):
        words = f" {version}: {mark.words} \n {len(observer.ran[version])} phones ran it "
        below.text(mark.uses, limit / 5, words, fontsize=17, ha=side, color=COLOURS[version])
    above.set(xlim=(0, len(snapshots)), ylim=(0, count))
    above.set_ylabel("phones, by version", fontsize=18)
    below.set_ylabel("phones that run\na bad version", fontsize=18)
    below.set_xlabel("uses of phones, one after another", fontsize=18)
    above.legend(fontsize=16, loc="center", bbox_to_anchor=(0.7, 0.35))
    figure.savefig(PICTURE, dpi=80)


def draw_limit(axes: Axes, limit: float, uses: int) -> None:
    """Draws how many phones must not be reached by a bad version."""
    axes.axhline(limit, color="black", linestyle="--", linewidth=2)
    axes.text(uses / 100, limit, "5 % of the phones", fontsize=17, va="bottom")
    axes.set_ylim(0, 1.3 * limit)


if __name__ == "__main__":
    main()
