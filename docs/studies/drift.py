"""How often the drift alarm is false, and what it finds: the tables of docs/dashboard.md.

    python docs/studies/drift.py BUNDLE --out FOLDER

BUNDLE is the demo's (16 classes of built-in photos). Its LiteRT artifact names fresh photos of
other seeds: as they were trained on, darker, blurred, of a network camera's few pixels, and of
things that are none of the classes. Weeks are drawn from these answers.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

from conversion.runners import LiteRtRunner
from mobile_assets.bundle import open_bundle
from serving.dashboard.statistics import (
    LEAST_EFFECT,
    LEAST_SCANS,
    Compared,
    Distance,
    Floats,
    compare,
    jensen_shannon,
    measure_dispersion,
)
from training.evaluation.confidence import VERDICTS, judge
from training.evaluation.distribution import CONFIDENCE_BINS, find_bin
from training.photos import Photo
from training.sources.clutter import draw_clutter
from training.sources.synthetic import open_synthetic

Counts = npt.NDArray[np.int64]
Change = Callable[[Image.Image], Image.Image]
SAME = "as trained on"
CHANGES: dict[str, Change] = {
    SAME: lambda image: image,
    "darker by a third": lambda image: ImageEnhance.Brightness(image).enhance(0.67),
    "half as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "a quarter as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
    "out of focus": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
}
CLUTTER = "no item"
SEED, PER_CLASS, CLUTTER_PHOTOS = 4711, 100, 400
WEEKS = 200
SCANS = (10, 30, 100, 300, 1000, 3000, 10_000)


@dataclass(frozen=True)
class Pool:
    """Answers on photos of one kind: bin of confidence, label and verdict of each."""

    bins: Counts
    labels: Counts
    verdicts: Counts


def read_pools(bundle_path: Path) -> dict[str, Pool]:
    """Asks the artifact for photos of every kind."""
    bundle = open_bundle(bundle_path)
    manifest = bundle.manifest
    artifact = next(x for x in manifest.artifacts if (x.runtime, x.precision) == ("litert", "fp32"))
    runner = LiteRtRunner(bundle.read(artifact.path), threads=2)
    assert artifact.confidence is not None
    limits = artifact.confidence.confidence.limits
    photos = open_synthetic(SEED, 1, PER_CLASS).validation
    kinds: list[tuple[str, Change, tuple[Photo, ...]]] = [
        (name, change, tuple(photos)) for name, change in CHANGES.items()
    ]
    kinds.append((CLUTTER, CHANGES[SAME], draw_clutter(SEED, CLUTTER_PHOTOS)))

    def answer(change: Change, photo: Photo) -> tuple[int, int, int]:
        with Image.open(io.BytesIO(photo.read())) as image:
            buffer = io.BytesIO()
            change(image.convert("RGB")).save(buffer, "JPEG", quality=90)
        given = runner.answer(manifest.preprocess.read(buffer.getvalue(), photo.name)[None])
        calibrated, verdicts = judge(given, limits, manifest.hierarchy)
        first = int(calibrated[0].argmax())
        return find_bin(float(calibrated[0].max())), first, VERDICTS.index(str(verdicts[0]))

    pools = {}
    for name, change, those in kinds:
        table = np.array([answer(change, photo) for photo in those], np.int64)
        pools[name] = Pool(*table.T)
        shares = np.bincount(table[:, 2], minlength=len(VERDICTS)) / len(table)
        words = ", ".join(f"{v} {s:.0%}" for v, s in zip(VERDICTS, shares, strict=True))
        click.echo(f"{name}: {len(table)} photos; {words}")
    return pools


def save(pools: dict[str, Pool], path: Path) -> None:
    """Keeps the answers, which take minutes to get."""
    arrays = {f"{name}/{key}": array for name, p in pools.items() for key, array in vars(p).items()}
    np.savez_compressed(path, **arrays)


def load(path: Path) -> dict[str, Pool]:
    """Reads what `save` kept."""
    with np.load(path) as file:
        names = dict.fromkeys(key.rpartition("/")[0] for key in file.files)
        return {
            name: Pool(*(file[f"{name}/{key}"] for key in ("bins", "labels", "verdicts")))
            for name in names
        }


def index(first: Floats, second: Floats) -> Floats:
    """The population stability index, with half a scan in each bin."""
    p = (first + 0.5) / (first + 0.5).sum(axis=-1, keepdims=True)
    q = (second + 0.5) / (second + 0.5).sum(axis=-1, keepdims=True)
    found: Floats = np.sqrt(((p - q) * np.log(p / q)).sum(axis=-1))
    return found


def kolmogorov_smirnov(first: Floats, second: Floats) -> Floats:
    """The largest difference of the cumulated shares."""
    p = np.cumsum(first / first.sum(axis=-1, keepdims=True), axis=-1)
    q = np.cumsum(second / second.sum(axis=-1, keepdims=True), axis=-1)
    found: Floats = np.abs(p - q).max(axis=-1)
    return found


def hellinger(first: Floats, second: Floats) -> Floats:
    """Hellinger's distance."""
    p = first / first.sum(axis=-1, keepdims=True)
    q = second / second.sum(axis=-1, keepdims=True)
    found: Floats = np.sqrt(np.clip(1 - np.sqrt(p * q).sum(axis=-1), 0, 1))
    return found


DISTANCES: dict[str, Distance] = {
    "Jensen-Shannon": jensen_shannon,
    "stability index": index,
    "Kolmogorov-Smirnov": kolmogorov_smirnov,
    "Hellinger": hellinger,
}


def draw(rng: np.random.Generator, values: Counts, bins: int, scans: int) -> Counts:
    """Draws a week's counts from a pool."""
    return np.bincount(rng.choice(values, scans), minlength=bins)


def draw_days(rng: np.random.Generator, values: Counts, bins: int, scans: int) -> Counts:
    """Draws days whose scans have something in common: each item is scanned one to five times."""
    days = []
    for _ in range(7):
        items = rng.choice(values, max(1, scans // 21))
        days.append(np.bincount(np.repeat(items, rng.integers(1, 6, len(items))), minlength=bins))
    return np.array(days)


def rate(found: list[Compared], judge_one: Callable[[Compared], bool]) -> str:
    """Returns a share of weeks in per cent."""
    return f"{sum(map(judge_one, found)) / len(found):6.1%}"


def print_false_alarms(pool: Pool, weeks: int) -> None:
    """Weeks of the same photos, against validation of 640 photos that are drawn anew each time."""
    rng = np.random.default_rng(1)
    click.echo(f"\nfalse alarms, {weeks} weeks each; in brackets: beyond chance, however small")
    click.echo("scans     " + "".join(f"{name:>24}" for name in DISTANCES))
    for scans in SCANS:
        row = []
        for distance in DISTANCES.values():
            found = [
                compare(
                    draw(rng, pool.bins, CONFIDENCE_BINS, 640),
                    draw(rng, pool.bins, CONFIDENCE_BINS, scans),
                    distance=distance,
                )
                for _ in range(weeks)
            ]
            row.append(
                f"{rate(found, lambda x: x.alarms)} ({rate(found, lambda x: x.is_beyond_chance)})"
            )
        click.echo(f"{scans:<10}" + "".join(f"{cell:>24}" for cell in row))


def print_dispersion(pool: Pool, weeks: int) -> None:
    """Scans that come in bursts of the same item: with and without what days tell of it."""
    rng = np.random.default_rng(2)
    click.echo("\nfalse alarms where each item is scanned one to five times, against validation")
    click.echo("scans     as if each told something of its own   as the days differ   dispersion")
    for scans in SCANS[2:]:
        plain, dispersed, all_of = [], [], []
        for _ in range(weeks):
            base = draw(rng, pool.bins, CONFIDENCE_BINS, 640)
            days = draw_days(rng, pool.bins, CONFIDENCE_BINS, scans)
            spread = measure_dispersion(days)
            all_of.append(spread)
            plain.append(compare(base, days.sum(axis=0)))
            dispersed.append(compare(base, days.sum(axis=0), (1.0, spread)))
        cells = [
            f"{rate(f, lambda x: x.alarms)} ({rate(f, lambda x: x.is_beyond_chance)})"
            for f in (plain, dispersed)
        ]
        click.echo(f"{scans:<10}{cells[0]:>36}{cells[1]:>21}{np.mean(all_of):>13.1f}")


def list_drifts(pools: dict[str, Pool]) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yields a name, and the pools that a week's scans come from with their shares."""
    for name in CHANGES:
        if name != SAME:
            yield name, [(name, 1.0)]
    yield "a third of photos half as bright", [(SAME, 0.67), ("half as bright", 0.33)]
    for share in (0.05, 0.1, 0.2, 0.4):
        yield f"{share:.0%} are no item", [(SAME, 1 - share), (CLUTTER, share)]


def print_power(pools: dict[str, Pool], weeks: int) -> None:
    """How often a week of other photos is told, by its scans."""
    rng = np.random.default_rng(3)
    click.echo("\nalarms on confidences, against validation of 640 photos")
    click.echo(f"{'':34}{'effect':>8}" + "".join(f"{scans:>9}" for scans in SCANS[2:6]))
    for distance_name, distance in DISTANCES.items():
        click.echo(distance_name)
        for name, parts in list_drifts(pools):
            cells = []
            for scans in SCANS[2:6]:
                found = []
                for _ in range(weeks):
                    split = rng.multinomial(scans, [share for _, share in parts])
                    week = sum(
                        draw(rng, pools[part].bins, CONFIDENCE_BINS, int(number))
                        for (part, _), number in zip(parts, split, strict=True)
                        if number
                    )
                    base = draw(rng, pools[SAME].bins, CONFIDENCE_BINS, 640)
                    found.append(compare(base, week, distance=distance))  # type: ignore[arg-type]
                cells.append(rate(found, lambda x: x.alarms))
            effect = np.median([x.effect for x in found])
            click.echo(f"  {name:32}{effect:8.2f}" + "".join(f"{cell:>9}" for cell in cells))


def print_classes(pool: Pool, weeks: int) -> None:
    """How often another mix of classes is told, against three weeks before."""
    rng = np.random.default_rng(4)
    classes = int(pool.labels.max()) + 1
    usual = rng.dirichlet(np.full(classes, 2.0))
    by_class = [pool.labels[pool.labels == label] for label in range(classes)]
    click.echo(f"\nalarms on classes, against 3 weeks of as many scans: largest {usual.max():.0%}")
    click.echo(f"{'':34}{'effect':>8}" + "".join(f"{scans:>9}" for scans in SCANS[:6]))

    def week(mix: Floats, scans: int) -> Counts:
        wanted = rng.choice(classes, scans, p=mix / mix.sum())
        return np.bincount([by_class[label][0] for label in wanted], minlength=classes)

    order = np.argsort(usual)
    mixes = {
        "the same mix": usual,
        "days wobble by a tenth": usual,
        "one frequent class is gone": np.where(np.arange(classes) == order[-2], 0.001, usual),
        "a rare class becomes a tenth": np.where(np.arange(classes) == order[0], 0.11, usual),
        "a rare class becomes a quarter": np.where(np.arange(classes) == order[0], 0.33, usual),
        "another shop's mix": rng.dirichlet(np.full(classes, 2.0)),
    }
    for name, mix in mixes.items():
        cells = []
        for scans in SCANS[:6]:
            found = []
            for _ in range(weeks):
                own = mix
                if "wobble" in name:
                    own = mix * rng.lognormal(0, 0.1, classes)
                found.append(compare(week(usual, 3 * scans), week(own, scans)))
            cells.append(rate(found, lambda x: x.alarms))
        effect = np.median([x.effect for x in found])
        click.echo(f"  {name:32}{effect:8.2f}" + "".join(f"{cell:>9}" for cell in cells))


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--weeks", default=WEEKS, show_default=True)
def main(bundle: Path, out: Path, weeks: int) -> None:
    """Prints all tables; the answers are kept in OUT and not asked for again."""
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "pools.npz"
    if not kept.exists():
        save(read_pools(bundle), kept)
    pools = load(kept)
    click.echo(f"alarm: beyond chance, effect from {LEAST_EFFECT}, from {LEAST_SCANS} scans")
    print_false_alarms(pools[SAME], weeks)
    print_dispersion(pools[SAME], weeks)
    print_power(pools, weeks)
    print_classes(pools[SAME], weeks)


if __name__ == "__main__":
    main()
