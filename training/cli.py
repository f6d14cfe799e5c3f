"""The commands of the training room: `python -m training ...`."""

import dataclasses
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click

from training.config import ARCHITECTURES, DataSettings, Settings, load_settings, override
from training.console import TypedErrorGroup
from training.errors import ConfigError, DataError
from training.evaluation.describe import describe_share
from training.evaluation.judged import SPLITS, open_judged
from training.evaluation.leakage import LIMIT_BITS
from training.evaluation.photo_hash import HASH_BITS
from training.files import SUMS_NAME, write_atomic
from training.sources.data import (
    Problem,
    Source,
    check_source,
    count_checked,
    drop_problems,
    open_source,
)
from training.sources.more import MANIFEST_NAME
from training.sources.source_index import INDEX_NAME, SourceIndex
from training.words import count_words

_DATA_HELP = (
    "Photos: a folder of classes, a CSV manifest, a copy of the Grocery Store Dataset, or one of "
    "the words 'synthetic' and 'grocery'."
)
_MORE_HELP = (
    " Named again: CSV manifests, or folders with a manifest.csv, whose photos are trained on too, "
    "as `serving corrections export` writes them."
)


@click.group(cls=TypedErrorGroup)
def main() -> None:
    """Photos in, a checkpoint out."""


@main.command()
@click.option("--config", default="", help="A preset's name or a TOML file; see `presets`.")
@click.option("--data", multiple=True, help=_DATA_HELP + _MORE_HELP)
@click.option(
    "--pretrained", default="", help="Weights to start from: a file, or timm/ghostnet_100.in1k."
)
@click.option("--set", "assignments", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option("--fresh", is_flag=True, help="Discard what lies in the run's folder.")
def fit(
    config: str,
    data: tuple[str, ...],
    pretrained: str,
    assignments: tuple[str, ...],
    out: Path,
    fresh: bool,
) -> None:
    """Train a network. The same command goes on after a kill, and runs under torchrun."""
    from training.learning.parallel import open_group
    from training.learning.train import fit as train_network

    settings = resolve_settings(config, data, assignments)
    if pretrained:
        model = dataclasses.replace(settings.model, pretrained=pretrained)
        settings = dataclasses.replace(settings, model=model)
    with open_group() as group:
        if group.is_first:
            _make_way(out, fresh)
        index = SourceIndex(out / INDEX_NAME, settings.data)
        source = group.share(open_checked(settings.data, index) if group.is_first else None)
        assert source is not None
        metrics = train_network(settings, source, out)
        if group.is_first:
            share = describe_share(metrics, "top1")
            click.echo(f"{out}: top-1 {share} on {count_words(metrics['photos'], 'photo')}")


@main.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", default="", help=_DATA_HELP + " Default: what it was trained with.")
@click.option("--split", type=click.Choice(SPLITS), default=SPLITS[0], show_default=True)
@click.option("--workers", default=2, show_default=True, help="Processes that decode photos.")
@click.option("--strict", is_flag=True, help="No figures where a photo was seen in training.")
@click.option(
    "--limit-bits",
    type=click.IntRange(0, HASH_BITS - 1),
    default=LIMIT_BITS,
    show_default=True,
    help="Photos whose hashes differ in so many bits, or fewer, count as the same.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures there, as JSON.")
@click.option("--pictures", type=click.Path(path_type=Path), help="Draw into this folder.")
def evaluate(
    checkpoint: Path,
    data: str,
    split: str,
    workers: int,
    strict: bool,
    limit_bits: int,
    out: Path | None,
    pictures: Path | None,
) -> None:
    """Measure a checkpoint on any photos, with the thresholds that it holds.

    Photos that look like one that it was trained on are named first. Classes are matched by name;
    photos of classes that it does not know count as photos of unknown things. A folder may hold
    class folders without splits.
    """
    from training.checkpoint import load_checkpoint
    from training.evaluation.describe import describe_leakage
    from training.evaluation.judging import check_leakage, describe_judgement, judge_checkpoint

    loaded = load_checkpoint(checkpoint)
    settings = find_data(data, loaded.settings.data) if data else loaded.settings.data
    judged = open_judged(settings, split, loaded.labels)
    click.echo(f"{judged.name}: {count_words(len(judged.photos), 'photo')}")
    for note in judged.notes:
        click.echo(f"note: {note}")
    leakage = check_leakage(loaded, judged, workers, limit_bits, strict)
    click.echo("\n".join(describe_leakage(leakage[1])))
    figures = judge_checkpoint(loaded, judged, workers, pictures, leakage)
    click.echo("\n".join(describe_judgement(figures)))
    if out is not None:
        write_atomic(out, json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


@main.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", default="", help=_DATA_HELP + " Default: what it was trained with.")
@click.option(
    "--set", "assignments", multiple=True, metavar="data.KEY=VALUE", help="As in data.clutter=200."
)
@click.option("--k", type=click.IntRange(1), help="Neighbour of the score 'nearest'.")
@click.option("--workers", default=2, show_default=True, help="Processes that decode photos.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures there, as JSON.")
def unknown(
    checkpoint: Path,
    data: str,
    assignments: tuple[str, ...],
    k: int | None,
    workers: int,
    out: Path | None,
) -> None:
    """Measure how well scores tell known things from unknown ones.

    The source must hold photos of unknown things: see data.held_out, data.clutter, the folder
    unknown/ and the split "unknown" of a manifest.
    """
    from training.checkpoint import load_checkpoint
    from training.evaluation.features import read_features
    from training.evaluation.rejection import describe_rejection, measure_rejection
    from training.photos import group_by_kind

    loaded = load_checkpoint(checkpoint)
    settings = override(loaded.settings, assignments).data
    source = open_checked(find_data(data, settings) if data else settings)
    if source.labels != loaded.labels:
        raise DataError(
            f"{checkpoint} knows other classes than {source.name}; name those that it was "
            "trained without with --set data.held_out=[...]"
        )
    known = read_features(loaded, source.validation, workers, "known things")
    kinds = {
        kind: read_features(loaded, photos, workers, kind)
        for kind, photos in group_by_kind(source.unknown).items()
    }
    training = read_features(loaded, source.train, workers, "training photos")
    figures = {"checkpoint": loaded.sha256} | measure_rejection(
        training, known, kinds, loaded.density, k
    )
    for line in describe_rejection(figures):
        click.echo(line)
    if out is not None:
        write_atomic(out, json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


@main.command()
@click.argument("data", required=True, nargs=-1)
def check(data: tuple[str, ...]) -> None:
    """Check a data source, and name every problem in it.

    More than one DATA is what `fit` takes with --data named again.
    """
    source = open_checked(find_all_data(data, DataSettings()))
    coarse = "" if source.hierarchy is None else f" in {len(source.hierarchy.coarse)} coarse ones"
    click.echo(
        f"{source.name}: {len(source.labels)} classes{coarse}, {len(source.train):,} training and "
        f"{count_words(len(source.validation), 'validation photo')}, {len(source.unknown):,} of "
        "unknown things"
    )


@main.command()
@click.option("--classes", default=1000, show_default=True, help="Number of outputs.")
@click.option("--input-px", default=224, show_default=True, help="Side of the input.")
def describe(classes: int, input_px: int) -> None:
    """Print the size of each network, as it is deployed."""
    from training.networks.branches import merge_all
    from training.networks.catalogue import create, measure

    for name in ARCHITECTURES:
        model = create(name, classes).eval()
        trained, deployed = measure(model, input_px), measure(merge_all(model), input_px)
        words = f"{name}: {deployed}"
        click.echo(words if trained == deployed else f"{words}; while it trains {trained}")


@main.command()
def presets() -> None:
    """List the presets, and print where each lies: copy one to make your own."""
    for path in sorted((Path(str(files("training"))) / "presets").glob("*.toml")):
        first_line = path.read_text().splitlines()[0].removeprefix("# ")
        click.echo(f"{path.stem}: {first_line} ({path})")


@main.command()
@click.option("--config", default="", help="A preset's name or a TOML file; see `presets`.")
@click.option("--data", multiple=True, help=_DATA_HELP + _MORE_HELP)
@click.option("--set", "assignments", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting.")
@click.option("--steps", default=6, show_default=True, help="Batches a turn.")
@click.option("--rounds", default=5, show_default=True, help="Turns of each that count.")
@click.option("--ladder", is_flag=True, help="Also measure what each difference is worth.")
def benchmark(
    config: str,
    data: tuple[str, ...],
    assignments: tuple[str, ...],
    steps: int,
    rounds: int,
    ladder: bool,
) -> None:
    """Measure how fast training is beside a plain PyTorch loop."""
    from training.learning.throughput import OURS, describe_machine, measure_throughput

    settings = resolve_settings(config, data, assignments)
    click.echo(f"before: {describe_machine()}")
    source = open_source(settings.data)
    found = measure_throughput(settings, source, steps, rounds, ladder, click.echo)
    model, train = settings.model, settings.train
    click.echo(f"after: {found.machine}")
    click.echo(
        f"{model.architecture}, {model.input_px} px, batches of {train.batch_size}, policy "
        f"{train.policy}, {train.workers} workers, {found.photos} photos a turn of {source.name}; "
        f"decoding them once: {found.decoding.wall_s:.1f} s, spread over {found.epochs} epochs"
    )
    click.echo(found.to_markdown())
    ratio = statistics.median(found.ratios(OURS))
    click.echo(f"training is {ratio:.2f} times as fast as a plain PyTorch loop")


@main.command()
@click.option("--per-class", default=6, show_default=True, help="Photos of each class.")
@click.option("--seed", default=0, show_default=True, help="Seed of the photos.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A PNG file.")
def sample(per_class: int, seed: int, out: Path) -> None:
    """Draw a sheet of the built-in synthetic photos."""
    import io

    from training.sources.synthetic import contact_sheet

    buffer = io.BytesIO()
    contact_sheet(per_class, seed).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())


def resolve_settings(config: str, data: Sequence[str], assignments: tuple[str, ...]) -> Settings:
    """Returns the settings of a command line: a preset or a file, then --data, then --set.

    Raises:
        ConfigError: no such preset or file, or a setting that is not allowed.
    """
    settings = Settings()
    if config:
        preset = Path(str(files("training"))) / "presets" / f"{config}.toml"
        settings = load_settings(preset if preset.is_file() else Path(config))
    if data:
        settings = dataclasses.replace(settings, data=find_all_data(data, settings.data))
    return override(settings, assignments)


def find_all_data(data: Sequence[str], base: DataSettings) -> DataSettings:
    """Returns the settings of a source and of manifests whose photos are trained on too.

    Args:
        data: for `find_data`, then the manifests.
        base: all other settings.

    Raises:
        ConfigError: nothing lies at a path, or a manifest is none.
    """
    first, *more = data
    for path in map(Path, more):
        if not (path / MANIFEST_NAME if path.is_dir() else path).is_file():
            raise ConfigError(
                f"no manifest at {path}: beside the first source allowed are CSV files, and "
                f"folders with a {MANIFEST_NAME}"
            )
    return dataclasses.replace(find_data(first, base), more=tuple(more))


def find_data(data: str, base: DataSettings) -> DataSettings:
    """Tells from a word or a path which kind of source is meant.

    Raises:
        ConfigError: nothing lies at the path.
    """
    base = dataclasses.replace(base, more=())
    if data in ("synthetic", "grocery"):
        return dataclasses.replace(base, source=data, path="")
    path = Path(data)
    if not path.exists():
        raise ConfigError(
            f"no photos at {data}: allowed are a folder, a CSV file, 'synthetic' and 'grocery'"
        )
    if path.is_file():
        return dataclasses.replace(base, source="csv", path=data)
    grocery = any((path / part / "classes.csv").is_file() for part in ("", "dataset"))
    return dataclasses.replace(base, source="grocery" if grocery else "folder", path=data)


def open_checked(settings: DataSettings, index: SourceIndex | None = None) -> Source:
    """Opens a source and checks its photos; every problem is printed by name.

    Args:
        settings: table [data] of the settings.
        index: where the list of photos and what the check found are kept, for a run that is
            resumed.

    Raises:
        DataError: the source has problems, and the settings do not say to skip them.
    """
    source = open_source(settings, index)

    def check_anew() -> list[Problem]:
        photos = count_checked(source)
        with click.progressbar(length=photos, label="check photos", file=sys.stderr) as bar:
            return check_source(source, tick=lambda: bar.update(1))

    problems = index.check(check_anew) if index else check_anew()
    for problem in problems:
        click.echo(f"{problem.severity}: {problem.message}", err=True)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors and not settings.skip_problems:
        raise DataError(
            f"{source.name}: {count_words(len(errors), 'problem')}, named above; mend "
            f"{'it' if len(errors) == 1 else 'them'}{_offer_to_skip(errors)}"
        )
    return drop_problems(source, errors) if errors else source


def _offer_to_skip(errors: list[Problem]) -> str:
    if not all(problem.leave_out for problem in errors):
        return ""  # leaving photos out would not be enough
    return ", or let `fit` leave those photos out with --set data.skip_problems=true"


def _make_way(out: Path, fresh: bool) -> None:
    """Discards a former run where that is asked for, and refuses to write over a finished one."""
    from training.learning.state import STATE_NAME

    if fresh:
        for name in ("events", INDEX_NAME, SUMS_NAME, STATE_NAME):
            path = out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    if (out / SUMS_NAME).exists() and not (out / STATE_NAME).exists():
        raise ConfigError(f"{out} holds a finished checkpoint; use another --out, or --fresh")
