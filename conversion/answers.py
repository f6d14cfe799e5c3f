"""Asks the trained model and every artifact about the same photos."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conversion.artifact import Build
from conversion.deploy import one_thread
from conversion.errors import ArtifactError, ParityError
from conversion.runners import Runner, open_runner
from conversion.spread import spread_places
from training.answers import Answers
from training.checkpoint import Checkpoint
from training.errors import PhotoError
from training.sources.data import Photo, open_source

_BATCH = 32

Tell = Callable[[str], None]
PixelsNhwc = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Replies:
    """What everyone answered on the same photos.

    Attributes:
        photos: the photos, in order.
        sizes_bytes: size of each file.
        reference: the checkpoint's answers.
        artifacts: artifact file name -> its answers.
        failures: artifact file name -> why it could not be run to the end.
        unknown: what the same ones answered on photos of things that are none of the labels;
            None where the source has no such photos.
    """

    photos: tuple[Photo, ...]
    sizes_bytes: Indices
    reference: Answers
    artifacts: dict[str, Answers]
    failures: dict[str, str]
    unknown: "Replies | None" = None

    @property
    def truth(self) -> Indices:
        """True class of each photo, shape [N]."""
        return np.array([photo.class_index for photo in self.photos], np.int64)


@dataclass(frozen=True)
class Chosen:
    """What everyone is to be asked about.

    Attributes:
        photos: validation photos of the checkpoint's classes.
        unknown: photos of things that are none of them; may be none.
        source: where they come from.
    """

    photos: tuple[Photo, ...]
    unknown: tuple[Photo, ...]
    source: str


def choose_photos(checkpoint: Checkpoint, limit: int | None) -> Chosen:
    """Chooses validation photos of the checkpoint's classes, and photos of unknown things.

    Args:
        checkpoint: its settings name the source.
        limit: at most so many photos of either, evenly spread; None for all.

    Raises:
        ParityError: there are none, they are of other classes, or all of one class.
        DataError: the source cannot be read.
    """
    source = open_source(checkpoint.settings.data)
    if source.labels != checkpoint.labels:
        raise ParityError(
            f"{source.name} has {len(source.labels)} classes that are not the checkpoint's "
            f"{len(checkpoint.labels)}, in their order: photos of the same classes are needed"
        )
    if not source.validation:
        raise ParityError(f"{source.name} holds no validation photos to compare on")
    photos = _spread(source.validation, limit)
    _check_classes(photos, source.labels.names, source.name)
    return Chosen(photos, _spread(source.unknown, limit), source.name)


def open_runners(directory: Path, build: Build) -> tuple[dict[str, Runner], dict[str, str]]:
    """Opens the artifacts that this machine can run.

    Returns:
        File name -> runner, and file name -> why there is none.

    Raises:
        RuntimeMissingError: a runtime is not installed.
    """
    runners: dict[str, Runner] = {}
    failures: dict[str, str] = {}
    for artifact in build.artifacts:
        name = artifact.file_name
        if not artifact.variant.executed_here:
            continue
        try:
            runners[name] = open_runner(directory / name, artifact.runtime)
        except ArtifactError as error:
            failures[name] = f"cannot be opened: {error}"
    return runners, failures


def without_folder(words: Exception | str, directory: Path) -> str:
    """Returns words without the build's folder: reports leave this machine, its folders do not."""
    return str(words).replace(f"{directory}/", "")


def ask_everyone(
    checkpoint: Checkpoint,
    chosen: Chosen,
    runners: dict[str, Runner],
    failures: dict[str, str],
    tell: Tell,
) -> Replies:
    """Asks everyone, batch by batch, so that the pixels of few photos lie in memory at a time.

    Args:
        checkpoint: the reference, in eager PyTorch on one thread.
        chosen: at least one photo.
        runners: file name -> runner.
        failures: file name -> why there is no runner.
        tell: takes lines of progress.

    Raises:
        ParityError: no photo could be read, or all that could are of one class.
        PhotoError: a photo cannot be read, and the settings do not say to leave such out.
    """
    known = _ask_all(checkpoint, chosen.photos, runners, failures, tell)
    if not known.photos:
        raise ParityError("none of the photos could be read")
    _check_classes(known.photos, checkpoint.labels.names, "what could be read")
    if not chosen.unknown:
        return known
    tell(f"parity: {len(chosen.unknown)} photos of unknown things")
    unknown = _ask_all(checkpoint, chosen.unknown, runners, known.failures, tell)
    kept = {name: known.artifacts[name] for name in unknown.artifacts}
    failures = unknown.failures
    return replace(known, artifacts=kept, failures=failures, unknown=unknown)


def _spread(photos: Sequence[Photo], limit: int | None) -> tuple[Photo, ...]:
    return tuple(photos[place] for place in spread_places(len(photos), limit))


def _ask_all(
    checkpoint: Checkpoint,
    photos: tuple[Photo, ...],
    runners: dict[str, Runner],
    failures: dict[str, str],
    tell: Tell,
) -> Replies:
    failures = dict(failures)
    kept: list[Photo] = []
    sizes_bytes: list[int] = []
    reference: list[Answers] = []
    answers: dict[str, list[Answers]] = {name: [] for name in runners}
    skip = checkpoint.settings.data.skip_problems
    for batch in _batches(photos):
        x_nhwc, sizes, read = _read_batch(batch, checkpoint, skip, tell)
        if not read:
            continue
        kept += read
        sizes_bytes += sizes
        with one_thread():
            reference.append(checkpoint.answer(x_nhwc))
        for name, runner in runners.items():
            if name not in failures:
                try:
                    answers[name].append(_ask(runner, x_nhwc, len(checkpoint.labels)))
                except ArtifactError as error:
                    failures[name] = str(error)
        tell(f"parity: {len(kept)} of {len(photos)} photos")
    nothing = Answers(np.empty((0, len(checkpoint.labels)), np.float32), np.empty(0, np.float32))
    done = {
        name: Answers.concatenate([nothing, *parts])
        for name, parts in answers.items()
        if name not in failures
    }
    own = Answers.concatenate([nothing, *reference])
    return Replies(tuple(kept), np.array(sizes_bytes, np.int64), own, done, failures)


def _check_classes(photos: tuple[Photo, ...], names: tuple[str, ...], where: str) -> None:
    if len({photo.class_index for photo in photos}) < 2:
        raise ParityError(
            f"{where}: the {len(photos)} photos to compare on all show "
            f"{names[photos[0].class_index]!r}; a file that always says so would pass: photos "
            "of at least 2 classes are needed"
        )


def _batches(photos: tuple[Photo, ...]) -> Iterator[tuple[Photo, ...]]:
    iterator = iter(photos)
    while batch := tuple(itertools.islice(iterator, _BATCH)):
        yield batch


def _read_batch(
    batch: tuple[Photo, ...], checkpoint: Checkpoint, skip: bool, tell: Tell
) -> tuple[PixelsNhwc, list[int], list[Photo]]:
    pixels, sizes_bytes, read = [], [], []
    for photo in batch:
        try:
            data = photo.read()
            pixels.append(checkpoint.preprocess.read(data, photo.name))
        except PhotoError as error:
            if not skip:
                raise
            tell(f"left out: {error}")
            continue
        sizes_bytes.append(len(data))
        read.append(photo)
    return np.stack(pixels) if pixels else np.empty(0, np.uint8), sizes_bytes, read


def _ask(runner: Runner, x_nhwc: PixelsNhwc, classes: int) -> Answers:
    answers = runner.answer(x_nhwc)
    if answers.probabilities.shape != (len(x_nhwc), classes):
        raise ArtifactError(
            f"it gives {answers.probabilities.shape[1:]} probabilities, the checkpoint has "
            f"{classes} classes"
        )
    return answers
