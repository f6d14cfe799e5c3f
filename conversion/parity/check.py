"""Parity: does every artifact of a build answer like the checkpoint that it was made of?

The reference is the trained network itself, unfused, in eager PyTorch, on the same pixels of
real validation photos: random inputs hide conversion faults.
"""

import importlib.metadata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from conversion import golden
from conversion.answers import (
    Replies,
    Tell,
    ask_everyone,
    choose_photos,
    open_runners,
    without_folder,
)
from conversion.artifact import (
    GOLDEN_NAME,
    PARITY_NAME,
    Artifact,
    Build,
    GoldenPhoto,
    read_build,
    to_json_text,
)
from conversion.cross_check import cross_check
from conversion.errors import ArtifactError, ParityError
from conversion.parity.confidences import ArtifactConfidence
from conversion.parity.distributions import write_distribution
from conversion.parity.files import Finding, write_finding
from conversion.parity.fitting import fit_confidences, judge_photos
from conversion.parity.flips import write_flips
from conversion.parity.gate import MAX_DIFFERENCE, MAX_KNOWN_SCORE_DIFFERENCE, MIN_AGREEMENT, Gate
from conversion.parity.report import ParityReport
from conversion.parity.statistics import CrossCheck, Photos, Statistics, compare
from conversion.parity.verdicts import write_verdicts
from conversion.report.html_report import write_report
from conversion.report.picture import draw
from conversion.report.writer import to_markdown
from conversion.runners import Runner
from conversion.structure.summary import Structure, faults, inspect
from conversion.tensorflow_runner import TensorFlowRunner
from training.checkpoint import Checkpoint
from training.evaluation.unknown import KNOWN_SCORE
from training.files import new_directory, sha256_bytes, write_atomic, write_sums

MAX_DISAGREEMENTS = 20


@dataclass(frozen=True)
class Options:
    """How artifacts are compared.

    Attributes:
        limit: compare on at most so many photos, evenly spread; None for all.
        gate: what passes.
        cross_check: whether to run each `.tflite` in TensorFlow's interpreter as well.
    """

    limit: int | None = None
    gate: Gate = field(default_factory=Gate)
    cross_check: bool = False


def run_parity(
    directory: Path, checkpoint: Checkpoint, options: Options, tell: Tell
) -> list[ParityReport]:
    """Compares every artifact of a build; writes `parity/`, then `report/`, into its folder, whole.

    Args:
        directory: the build's folder.
        checkpoint: what it was made of. Its settings name the source of the photos.
        options: how to compare.
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
    chosen = choose_photos(checkpoint, options.limit)
    runners, failures = open_runners(directory, build)
    answers = ask_everyone(checkpoint, chosen, runners, failures, tell)
    checks = cross_check(directory, build, checkpoint, answers, tell) if options.cross_check else {}
    target = checkpoint.settings.train.target_precision
    confidences = fit_confidences(build, answers, target)
    asked = _Asked(
        directory, build, answers, runners, checks, confidences, chosen.source, options.gate
    )
    findings = [_find_out(asked, artifact) for artifact in build.artifacts]
    _write(asked, findings)
    write_report(directory)
    return [finding.report for finding in findings]


@dataclass(frozen=True)
class _Asked:
    """Everything that findings are made of."""

    directory: Path
    build: Build
    answers: Replies
    runners: dict[str, Runner]
    checks: dict[str, CrossCheck]
    confidences: dict[str, ArtifactConfidence]
    source: str
    gate: Gate


def _check_origin(build: Build, checkpoint: Checkpoint, directory: Path) -> None:
    if build.checkpoint_sha256 != checkpoint.sha256 or build.labels != checkpoint.labels:
        raise ParityError(
            f"{directory} was made of checkpoint {build.checkpoint_sha256}; "
            f"{checkpoint.directory} is checkpoint {checkpoint.sha256}"
        )


def _find_out(asked: _Asked, artifact: Artifact) -> Finding:
    structure, structure_faults = _read_structure(asked.directory, artifact)
    statistics = _compare(asked, artifact)
    report = _judge(asked, artifact, statistics, structure_faults)
    confidence = asked.confidences[artifact.file_name]
    return Finding(artifact, report, statistics, structure, confidence)


def _read_structure(
    directory: Path, artifact: Artifact
) -> tuple[Structure | None, tuple[str, ...]]:
    try:
        structure = inspect(directory / artifact.file_name, artifact.runtime)
    except ArtifactError as error:
        return None, (f"its structure cannot be read: {without_folder(error, directory)}",)
    return structure, tuple(faults(structure, artifact.precision))


def _compare(asked: _Asked, artifact: Artifact) -> Statistics | None:
    own = asked.answers.artifacts.get(artifact.file_name)
    if own is None:
        return None
    names = tuple(photo.name for photo in asked.answers.photos)
    photos = Photos(names, asked.answers.truth, asked.build.labels.names)
    known = asked.confidences[artifact.file_name].confidence.known
    found = compare(
        artifact.file_name,
        photos,
        asked.answers.reference,
        own,
        asked.gate,
        known.min_score if known.score == KNOWN_SCORE else None,
    )
    return replace(found, cross_check=asked.checks.get(artifact.file_name))


def _judge(
    asked: _Asked,
    artifact: Artifact,
    statistics: Statistics | None,
    structure_faults: tuple[str, ...],
) -> ParityReport:
    name, gate = artifact.file_name, asked.gate
    executed = artifact.variant.executed_here
    runner = asked.runners.get(name)
    failure = without_folder(asked.answers.failures.get(name, ""), asked.directory)
    labels = runner.labels if runner is not None else None
    check = statistics.cross_check if statistics is not None else None
    return ParityReport(
        artifact=name,
        artifact_sha256=artifact.sha256,
        checkpoint_sha256=asked.build.checkpoint_sha256,
        evaluator=runner.evaluator if runner is not None else "none",
        **_figures(asked, statistics),
        loss_margin=gate.margin(artifact.precision),
        min_accuracy_share=gate.min_accuracy_share,
        min_photos=gate.min_photos,
        min_agreement=MIN_AGREEMENT.get(artifact.precision),
        max_difference_allowed=MAX_DIFFERENCE.get(artifact.precision),
        max_known_score_difference_allowed=MAX_KNOWN_SCORE_DIFFERENCE.get(artifact.precision),
        labels_match=labels is None or labels == asked.build.labels.names,
        tool_versions=_list_versions(runner, check),
        source=asked.source,
        structure_faults=structure_faults,
        cross_check_faults=tuple(check.faults()) if check is not None else (),
        executed=executed,
        failure=failure if executed else f"the {artifact.backend} delegate is on phones only",
    )


def _figures(asked: _Asked, statistics: Statistics | None) -> dict[str, Any]:
    if statistics is None:
        names = asked.answers.reference.probabilities.argmax(axis=1)
        reference = names == asked.answers.truth
        nothing = dict.fromkeys(
            (
                "artifact_top1",
                "agreement",
                "same_known",
                "max_probability_difference",
                "mean_probability_difference",
                "max_known_score_difference",
            ),
            0.0,
        )
        top1 = float(reference.mean())
        # Nothing is known of the loss.
        return {"photos": 0, "reference_top1": top1, "loss_low": -1.0, "loss_high": 1.0, **nothing}
    low, high = statistics.gate_interval
    return {
        "photos": statistics.photos,
        "reference_top1": statistics.reference_top1,
        "artifact_top1": statistics.artifact_top1,
        "loss_low": low,
        "loss_high": high,
        "agreement": statistics.agreement.value,
        "max_probability_difference": statistics.max_probability_difference,
        "mean_probability_difference": statistics.mean_probability_difference,
        "max_known_score_difference": statistics.max_known_score_difference,
        "same_known": statistics.same_known,
        "disagreements": tuple(flip.photo for flip in statistics.flips[:MAX_DISAGREEMENTS]),
    }


def _list_versions(runner: Runner | None, check: CrossCheck | None) -> dict[str, str]:
    packages = ["torch", *(runner.packages if runner is not None else ())]
    if check is not None:
        packages += TensorFlowRunner.packages
    return {name: importlib.metadata.version(name) for name in packages}


def _write(asked: _Asked, findings: list[Finding]) -> None:
    build, answers = asked.build, asked.answers
    with new_directory(asked.directory / PARITY_NAME) as folder:
        chosen = list(_write_golden(folder, build, answers))
        write_atomic(folder / GOLDEN_NAME, to_json_text([asdict(entry) for entry in chosen]))
        for finding in findings:
            write_finding(folder, finding)
        for name, verdicts, distribution in judge_photos(build, answers, asked.confidences):
            write_verdicts(folder, name, verdicts)
            write_distribution(folder, name, distribution)
        _write_flips(folder, answers, findings)
        reports = [finding.report for finding in findings]
        write_atomic(folder / "report.md", to_markdown(build, findings, chosen))
        write_atomic(folder / "report.png", draw(build, reports))
        write_sums(folder)


def _write_flips(folder: Path, answers: Replies, findings: list[Finding]) -> None:
    photos = {photo.name: photo for photo in answers.photos}
    found = [finding.statistics for finding in findings if finding.statistics is not None]
    write_flips(folder, found, lambda name: photos[name].read())


def _write_golden(folder: Path, build: Build, answers: Replies) -> Iterator[GoldenPhoto]:
    indices = golden.choose(answers.reference.probabilities, answers.truth, answers.sizes_bytes)
    for position, index in enumerate(indices, start=1):
        photo = answers.photos[index]
        data = photo.read()
        name = f"golden/{golden.file_name(position, photo.class_index, build.labels, data)}"
        write_atomic(folder / name, data)
        yield GoldenPhoto(
            name,
            photo.name,
            build.labels.names[photo.class_index],
            sha256_bytes(data),
            {
                key: [float(p) for p in own.probabilities[index]]
                for key, own in answers.artifacts.items()
            },
            {key: float(own.known_scores[index]) for key, own in answers.artifacts.items()},
        )
