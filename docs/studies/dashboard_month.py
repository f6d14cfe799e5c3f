"""Fills a state with a month of simulated scans, to look at the dashboard.

    python docs/studies/drift.py BUNDLE --out STUDY          # once: answers on photos of all kinds
    python docs/studies/dashboard_month.py STUDY BUNDLE --state STATE [--darker]
    python -m serving run --repository REPOSITORY --state STATE

A shop with a weekly rhythm; a tenth of what devices are not sure of is no item. With --darker, a
lamp breaks a week ago, and half the photos are a quarter as bright from then on.
"""

import datetime
import uuid
from collections import Counter
from pathlib import Path

import click
import numpy as np
from drift import CLUTTER, SAME, Pool, load
from sqlalchemy import insert
from sqlalchemy.engine import Connection

from mobile_assets.bundle import open_bundle
from serving.corrections.tables import corrections
from serving.dashboard.counting import add_counts
from serving.dashboard.counts import (
    CONFIDENCE,
    LABEL,
    LATENCY,
    ON_DEVICE,
    ON_SERVER,
    SENT,
    VERDICT,
    find_latency_bin,
    today,
)
from serving.dashboard.tables import usage_days
from serving.rollouts import hash_device
from serving.state.database import Database
from training.evaluation.confidence import VERDICTS

DAYS, DEVICES = 42, 14
RHYTHM = (0.8, 0.85, 0.9, 1.0, 1.3, 1.5, 0.4)  # Monday to Sunday
SCANS_A_DAY = 420
MODEL = "demo"


def pick(rng: np.random.Generator, pool: Pool, scans: int, weights: np.ndarray) -> np.ndarray:
    """Returns rows of a pool: bin, label, verdict."""
    table = np.stack([pool.bins, pool.labels, pool.verdicts], axis=1)
    return table[rng.choice(len(table), scans, p=weights[pool.labels] / weights[pool.labels].sum())]


@click.command()
@click.argument("study", type=click.Path(path_type=Path, exists=True))
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--state", type=click.Path(path_type=Path), required=True)
@click.option("--darker", is_flag=True)
def main(study: Path, bundle: Path, state: Path, darker: bool) -> None:
    """Fills the state."""
    pools = load(study / "pools.npz")
    manifest = open_bundle(bundle).manifest
    names, version = manifest.labels.names, manifest.version
    rng = np.random.default_rng(5)
    usual = rng.dirichlet(np.full(len(names), 2.0)) + 0.005
    counts: Counter[tuple[str, int, str, str, str, str]] = Counter()
    devices: dict[tuple[int, str], int] = {}

    def count(day: int, place: str, rows: np.ndarray) -> None:
        for bin_, label, verdict in rows:
            for kind, item in (
                (CONFIDENCE, str(bin_)),
                (LABEL, names[label]),
                (VERDICT, VERDICTS[verdict]),
            ):
                counts[MODEL, day, version, place, kind, item] += 1

    for ago in range(DAYS):
        day = today() - ago
        weekday = (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).weekday()
        scans = int(rng.poisson(SCANS_A_DAY * RHYTHM[weekday] * (0.4 if ago == 0 else 1)))
        weights = usual * rng.lognormal(0, 0.12, len(names))
        strange = rng.binomial(scans, 0.03)
        dark = rng.binomial(scans - strange, 0.5) if darker and ago < 7 else 0
        rows = np.concatenate(
            [
                pick(rng, pools[SAME], scans - strange - dark, weights),
                pick(rng, pools["a quarter as bright"], dark, weights),
                pick(rng, pools[CLUTTER], strange, np.ones(len(names))),
            ]
        )
        count(day, ON_DEVICE, rows)
        unsure = rows[rows[:, 2] >= VERDICTS.index("unsure")]
        sent = unsure[rng.random(len(unsure)) < 0.9]
        counts[MODEL, day, version, ON_DEVICE, SENT, ""] += len(sent)
        count(day, ON_SERVER, sent)
        slow = 2.2 if ago in (11, 12) else 1.0
        for latency in rng.lognormal(np.log(42 * slow), 0.45, len(sent)):
            counts[MODEL, day, version, ON_SERVER, LATENCY, str(find_latency_bin(latency))] += 1
        for number in range(DEVICES):
            devices[day, hash_device(str(number))] = scans // DEVICES
    with Database(state).write() as connection:
        add_counts(connection, counts)
        for (day, device), scans in devices.items():
            row = {"model": MODEL, "day": day, "device": device, "scans": scans}
            connection.execute(insert(usage_days).values(row))
        correct(connection, rng, names, version)
    click.echo(f"{sum(n for key, n in counts.items() if key[4] == VERDICT)} scans in {state}")


def correct(
    connection: Connection, rng: np.random.Generator, names: tuple[str, ...], version: str
) -> None:
    """Adds corrections of pairs that look alike."""
    pairs = [("lemon", "lime"), ("orange", "tomato"), ("apple", "pear"), ("kiwi", "potato")]
    known = [(a, b) for a, b in pairs if a in names and b in names]
    known += [(names[0], names[3]), (names[5], names[2])]
    for (answered, right), often in zip(known, (23, 14, 9, 5, 3, 2), strict=False):
        for _ in range(often):
            when = (today() - int(rng.integers(0, 25))) * 86_400_000
            values = {
                "correction_id": str(uuid.uuid4()),
                "request_sha256": "0" * 64,
                "scanned_ms": when,
                "received_ms": when,
                "model": MODEL,
                "version": version,
                "device": hash_device("0"),
                "answered_label": answered,
                "answered_probability": 0.6,
                "answered_verdict": "unsure",
                "answered_by": "device",
                "right_kind": "label",
                "right_label": right,
                "state": "open",
                "photo": "not-sent",
            }
            connection.execute(insert(corrections).values(values))


if __name__ == "__main__":
    main()
