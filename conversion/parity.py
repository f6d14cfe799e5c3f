"""Parity: does every artifact of a build answer like the checkpoint that it was made of?

The reference is the trained network itself, unfused, in eager PyTorch, on the same pixels of
real validation photos: random inputs hide conversion faults.
"""

import importlib.metadata
import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conversion import golden, report
from conversion.artifact import (
    GOLDEN_NAME,
    MAX_DISAGREEMENTS,
    PARITY_NAME,
    Artifact,
    Build,
    GoldenPhoto,
    ParityReport,
    read_build,
    to_json_text,
)
from conversion.deploy import one_thread
from conversion.errors import ArtifactError, ParityError
from conversion.runners import Probabilities, Runner, open_runner
from training.checkpoint import Checkpoint
from training.data import Photo, open_source
from training.errors import PhotoError
from training.files import new_directory, sha256_bytes, write_atomic, write_sums

# Smallest share of photos with the same answer, by precision.
MIN_AGREEMENT = {"fp32": 0.995, "fp16": 0.99}
# Largest difference of one probability. Measured on photos, widths 0.5 to 1.3: up to 3.3e-6 in
# float32, where only the order of sums differs, and up to 0.016 in float16, which keeps 11 bits
# of every intermediate; a forgotten mean or swapped channels give over 0.9.
MAX_DIFFERENCE = {"fp32": 1e-3, "fp16": 0.1}
_BATCH = 32

Tell = Callable[[str], None]
PixelsNhwc = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What everyone answered on the same photos.

    Attributes:
        photos: the photos, in order.
        sizes_bytes: size of each file.
        reference: the checkpoint's probabilities, float32 [N, classes].
        artifacts: artifact file name -> its probabilities, float32 [N, classes].
        failures: artifact file name -> why it could not be run to the end.
    """

    photos: tuple[Photo, ...]
    sizes_bytes: Indices
    reference: Probabilities
    artifacts: dict[str, Probabilities]
    failures: dict[str, str]

    @property
    def truth(self) -> Indices:
        """True class of each photo, shape [N]."""
        return np.array([photo.class_index for photo in self.photos], np.int64)


def run_parity(
    directory: Path, checkpoint: Checkpoint, limit: int | None, tell: Tell
) -> list[ParityReport]:
    """Compares every artifact of a build, and writes `parity/` into its folder, whole.

    Args:
        directory: the build's folder.
        checkpoint: what it was made of. Its settings name the source of the photos.
        limit: compare on at most so many photos, evenly spread; None for all.
        tell: takes lines of progress.

    Returns:
        One report for each artifact, in the build's order.

    Raises:
        ArtifactError: the build is incomplete or was changed after it was written.
        ParityError: the build is of another checkpoint, or there are no photos of its classes.
        RuntimeMissingError: a runtime is not installed.
        DataError, PhotoError: the photos cannot be read.
    """
    build = read_build(directory)
    _check_origin(build, checkpoint, directory)
    source = open_source(checkpoint.settings.data)
    if source.labels != checkpoint.labels:
        raise ParityError(
            f"{source.name} has {len(source.labels)} classes that are not the checkpoint's "
            f"{len(checkpoint.labels)}, in their order: photos of the same classes are needed"
        )
    photos = _spread(source.validation, limit)
    if not photos:
        raise ParityError(f"{source.name} holds no validation photos to compare on")
    runners, failures = _open_all(directory, build)
    answers = _answer_all(checkpoint, photos, runners, failures, tell)
    reports = [
        _compare(artifact, build, answers, runners.get(artifact.file_name), source.name)
        for artifact in build.artifacts
    ]
    _write(directory, build, answers, reports)
    return reports


def _check_origin(build: Build, checkpoint: Checkpoint, directory: Path) -> None:
    if build.checkpoint_sha256 != checkpoint.sha256 or build.labels != checkpoint.labels:
        raise ParityError(
            f"{directory} was made of checkpoint {build.checkpoint_sha256}; "
            f"{checkpoint.directory} is checkpoint {checkpoint.sha256}"
        )


def _spread(photos: tuple[Photo, ...], limit: int | None) -> tuple[Photo, ...]:
    """Returns all photos, or `limit` of them at even distances: sources list class by class."""
    if limit is None or limit >= len(photos):
        return photos
    places = np.linspace(0, len(photos) - 1, limit).round().astype(int)
    return tuple(photos[place] for place in places)


def _open_all(directory: Path, build: Build) -> tuple[dict[str, Runner], dict[str, str]]:
    runners: dict[str, Runner] = {}
    failures: dict[str, str] = {}
    for artifact in build.artifacts:
        name = artifact.file_name
        try:
            runners[name] = open_runner(directory / name, artifact.runtime)
        except ArtifactError as error:
            # The report leaves this machine with the bundle: its folders stay out of it.
            failures[name] = f"cannot be opened: {str(error).replace(f'{directory}/', '')}"
    return runners, failures


def _answer_all(
    checkpoint: Checkpoint,
    photos: tuple[Photo, ...],
    runners: dict[str, Runner],
    failures: dict[str, str],
    tell: Tell,
) -> Answers:
    """Asks everyone, batch by batch, so that the pixels of few photos lie in memory at a time."""
    failures = dict(failures)
    kept: list[Photo] = []
    sizes_bytes: list[int] = []
    reference: list[Probabilities] = []
    answers: dict[str, list[Probabilities]] = {name: [] for name in runners}
    skip = checkpoint.settings.data.skip_problems
    for batch in _batches(photos):
        x_nhwc, sizes, read = _read_batch(batch, checkpoint, skip, tell)
        if not read:
            continue
        kept += read
        sizes_bytes += sizes
        with one_thread():
            reference.append(checkpoint.probabilities(x_nhwc))
        for name, runner in runners.items():
            if name not in failures:
                try:
                    answers[name].append(_ask(runner, x_nhwc, len(checkpoint.labels)))
                except ArtifactError as error:
                    failures[name] = str(error)
        tell(f"parity: {len(kept)} of {len(photos)} photos")
    if not kept:
        raise ParityError("none of the photos could be read")
    done = {name: np.concatenate(rows) for name, rows in answers.items() if name not in failures}
    return Answers(
        tuple(kept), np.array(sizes_bytes, np.int64), np.concatenate(reference), done, failures
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


def _ask(runner: Runner, x_nhwc: PixelsNhwc, classes: int) -> Probabilities:
    answers = runner.probabilities(x_nhwc)
    if answers.shape != (len(x_nhwc), classes):
        raise ArtifactError(
            f"it gives {answers.shape[1:]} probabilities, the checkpoint has {classes} classes"
        )
    return answers


def _compare(
    artifact: Artifact, build: Build, answers: Answers, runner: Runner | None, source: str
) -> ParityReport:
    reference, truth = answers.reference, answers.truth
    failure = answers.failures.get(artifact.file_name, "")
    own = answers.artifacts.get(artifact.file_name, np.empty((0, reference.shape[1]), np.float32))
    compared = len(own)
    same = own.argmax(axis=1) == reference[:compared].argmax(axis=1)
    difference = np.abs(own - reference[:compared])
    packages = runner.packages if runner is not None else ()
    labels = runner.labels if runner is not None else None
    return ParityReport(
        artifact=artifact.file_name,
        artifact_sha256=artifact.sha256,
        checkpoint_sha256=build.checkpoint_sha256,
        evaluator=runner.evaluator if runner is not None else "none",
        photos=compared,
        reference_top1=_share(reference.argmax(axis=1) == truth),
        artifact_top1=_share(own.argmax(axis=1) == truth[:compared]),
        agreement=_share(same),
        max_probability_difference=float(difference.max(initial=0)),
        mean_probability_difference=float(difference.mean()) if compared else 0.0,
        min_agreement=MIN_AGREEMENT[artifact.precision],
        max_difference_allowed=MAX_DIFFERENCE[artifact.precision],
        labels_match=labels is None or labels == build.labels.names,
        tool_versions={name: importlib.metadata.version(name) for name in ("torch", *packages)},
        source=source,
        disagreements=tuple(
            answers.photos[index].name for index in np.flatnonzero(~same)[:MAX_DISAGREEMENTS]
        ),
        failure=failure,
    )


def _share(hits: npt.NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _write(directory: Path, build: Build, answers: Answers, reports: list[ParityReport]) -> None:
    with new_directory(directory / PARITY_NAME) as folder:
        chosen = _write_golden(folder, build, answers)
        for entry in reports:
            write_atomic(folder / f"{entry.artifact}.json", to_json_text(asdict(entry)))
        write_atomic(folder / "report.md", report.to_markdown(build, reports, chosen))
        picture = report.draw(build, reports, answers.reference, answers.artifacts)
        write_atomic(folder / "report.png", picture)
        write_sums(folder)


def _write_golden(folder: Path, build: Build, answers: Answers) -> list[GoldenPhoto]:
    chosen = []
    indices = golden.choose(answers.reference, answers.truth, answers.sizes_bytes)
    for position, index in enumerate(indices, start=1):
        photo = answers.photos[index]
        data = photo.read()
        name = f"golden/{golden.file_name(position, photo.class_index, build.labels, data)}"
        write_atomic(folder / name, data)
        chosen.append(
            GoldenPhoto(
                name,
                photo.name,
                build.labels.names[photo.class_index],
                sha256_bytes(data),
                {key: [float(p) for p in rows[index]] for key, rows in answers.artifacts.items()},
            )
        )
    write_atomic(folder / GOLDEN_NAME, to_json_text([asdict(entry) for entry in chosen]))
    return chosen
