"""What of a build enters a bundle: the artifacts that passed, their reports, golden photos."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conversion.artifact import (
    GOLDEN_NAME,
    PARITY_NAME,
    Artifact,
    Build,
    GoldenPhoto,
    artifact_bytes,
    read_golden,
    read_parity,
)
from conversion.parity.confidences import ArtifactConfidence, read_confidences
from conversion.parity.distributions import read_distribution_bytes
from conversion.parity.report import ParityReport
from mobile_assets.distributions import distribution_path
from mobile_assets.errors import BundleError
from mobile_assets.parts import FOLDERS, BundledArtifact, File, Golden, Metrics
from mobile_assets.platforms import SERVER_PLATFORM, SERVER_RUNTIME, platforms_of
from mobile_assets.reading import Node
from mobile_assets.released import CLOUD, ReleasedModel
from mobile_assets.requirements import find_requirements
from training.files import SUMS_NAME, sha256_bytes

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Gathered:
    """What of one build enters a bundle.

    Attributes:
        build: the build, with those artifacts alone that enter.
        model: what the manifest says of it.
        contents: the files, by their paths in the bundle.
    """

    build: Build
    model: ReleasedModel
    contents: dict[str, bytes]


def gather(
    build_dir: Path, build: Build, place: str, accepted: frozenset[str], tell: Tell
) -> Gathered:
    """Gathers what passed of a build.

    Args:
        build_dir: the build's folder.
        build: what lies there.
        place: "device" or "cloud"; of a cloud's build only what the server runs enters.
        accepted: file names of artifacts to take although parity does not speak for them.
        tell: takes a line for each artifact that is left out, with the reason.

    Raises:
        ArtifactError: the parity folder is incomplete, malformed or was changed.
        BundleError: a runtime of the build would be left without an artifact.
        ManifestError: the build's figures are not what they should be.
    """
    if place == CLOUD:
        build = _leave_out_what_no_server_runs(build, tell)
    has_parity = (build_dir / PARITY_NAME).is_dir()
    confidences = read_confidences(build_dir, build) if has_parity else {}
    reports = read_parity(build_dir) if has_parity else {}
    reports = {name: report for name, report in reports.items() if name in confidences}
    golden = read_golden(build_dir) if has_parity else ()
    objections = {
        artifact.file_name: tuple(_object_to(artifact, build, reports, golden))
        for artifact in build.artifacts
    }
    build = _choose_artifacts(build, objections, accepted, tell)
    model = _describe(build, place, reports, confidences, golden, objections)
    contents = dict(_read_contents(build_dir, build, place, golden))
    return Gathered(build, _add_requirements(model, contents), contents)


def _leave_out_what_no_server_runs(build: Build, tell: Tell) -> Build:
    kept = tuple(entry for entry in build.artifacts if entry.runtime == SERVER_RUNTIME)
    if not kept:
        has = ", ".join(artifact.file_name for artifact in build.artifacts) or "nothing"
        raise BundleError(
            f"the cloud build has no {SERVER_RUNTIME} artifact, which the server answers with; "
            f"it has {has}"
        )
    for artifact in build.artifacts:
        if artifact not in kept:
            tell(f"left out {artifact.file_name}: the server answers with {SERVER_RUNTIME}")
    return replace(build, artifacts=kept)


def _choose_artifacts(
    build: Build,
    objections: dict[str, tuple[str, ...]],
    accepted: frozenset[str],
    tell: Tell,
) -> Build:
    """Returns the build with those artifacts alone that passed or that a person accepted."""
    refused = {
        name: ", and ".join(reasons)
        for name, reasons in objections.items()
        if reasons and name not in accepted
    }
    kept = tuple(artifact for artifact in build.artifacts if artifact.file_name not in refused)
    runtimes = dict.fromkeys(artifact.runtime for artifact in build.artifacts)
    without = [name for name in runtimes if name not in {artifact.runtime for artifact in kept}]
    if without:
        words = "; ".join(f"{name}: {reasons}" for name, reasons in refused.items())
        raise BundleError(
            f"refused {len(refused)} of {len(build.artifacts)} artifacts: {words}. "
            f"Nothing would be left for {', '.join(without)}. "
            "To ship one nevertheless, name it with --accept"
        )
    for name, reasons in refused.items():
        tell(f"left out {name}: {reasons}")
    return replace(build, artifacts=kept)


def _object_to(
    artifact: Artifact,
    build: Build,
    reports: dict[str, ParityReport],
    golden: Sequence[GoldenPhoto],
) -> list[str]:
    report = reports.get(artifact.file_name)
    if report is None:
        return ["it has no parity report with thresholds; run `python -m conversion parity` first"]
    if report.artifact_sha256 != artifact.sha256:
        return ["its parity report is about other bytes; run parity again"]
    if report.checkpoint_sha256 != build.checkpoint_sha256:
        return ["its parity report compares it with another checkpoint"]
    if not report.passed:
        return report.reasons()
    if not golden or any(artifact.file_name not in photo.answers for photo in golden):
        return ["there are no golden photos with its answers; run parity again"]
    return []


def _prefix(place: str) -> str:
    return "cloud-" if place == CLOUD else ""


def _shipped_path(file_name: str, place: str) -> str:
    suffix = ".zip" if file_name.endswith(".mlpackage") else ""
    return f"{FOLDERS[_prefix(place) + 'artifact']}{file_name}{suffix}"


def _photo_path(photo: GoldenPhoto, place: str) -> str:
    return FOLDERS[_prefix(place) + "golden"] + photo.file.rpartition("/")[2]


def _read_contents(
    build_dir: Path, build: Build, place: str, golden: Sequence[GoldenPhoto]
) -> Iterator[tuple[str, bytes]]:
    """Yields paths in the bundle with bytes."""
    for artifact in build.artifacts:
        path = _shipped_path(artifact.file_name, place)
        yield path, artifact_bytes(build_dir / artifact.file_name)
    if place != CLOUD:
        yield "labels.txt", build.labels.to_text().encode()
    yield FOLDERS[_prefix(place) + "licence"] + "photos.txt", _describe_photos(build).encode()
    folder = build_dir / PARITY_NAME
    if not folder.is_dir():
        return
    for photo in golden:
        data = artifact_bytes(folder / photo.file)
        if sha256_bytes(data) != photo.sha256:
            raise BundleError(f"{folder / photo.file} is not the photo that {GOLDEN_NAME} names")
        yield _photo_path(photo, place), data
    for report in _list_reports(folder, build):
        yield FOLDERS[_prefix(place) + "report"] + report.name, artifact_bytes(report)
    for artifact in build.artifacts:
        distribution = read_distribution_bytes(build_dir, artifact.file_name)
        if distribution is not None:
            path = distribution_path(_shipped_path(artifact.file_name, place), place == CLOUD)
            yield path, distribution


def _list_reports(folder: Path, build: Build) -> Iterator[Path]:
    """Yields the reports, without those of artifacts that were left out."""
    own = {f"{artifact.file_name}.json" for artifact in build.artifacts}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name in (GOLDEN_NAME, SUMS_NAME):
            continue
        if path.suffix != ".json" or path.name in own:
            yield path


def _describe_photos(build: Build) -> str:
    return (
        f"The golden photos come from: {build.photos_source}\n"
        f"Their licence: {build.photos_licence}\n"
    )


def _describe(
    build: Build,
    place: str,
    reports: dict[str, ParityReport],
    confidences: dict[str, ArtifactConfidence],
    golden: Sequence[GoldenPhoto],
    objections: dict[str, tuple[str, ...]],
) -> ReleasedModel:
    paths = {entry.file_name: _shipped_path(entry.file_name, place) for entry in build.artifacts}
    return ReleasedModel(
        place=place,
        architecture=build.architecture,
        checkpoint_sha256=build.checkpoint_sha256,
        preprocess=build.preprocess,
        metrics=_read_metrics(build),
        photos_source=build.photos_source,
        photos_licence=build.photos_licence,
        artifacts=tuple(
            _describe_artifact(
                artifact, place, reports, confidences, objections[artifact.file_name]
            )
            for artifact in build.artifacts
        ),
        golden=tuple(_describe_golden(photo, place, paths) for photo in golden),
    )


def _add_requirements(model: ReleasedModel, contents: Mapping[str, bytes]) -> ReleasedModel:
    artifacts = tuple(
        replace(
            artifact,
            requires=find_requirements(
                artifact.runtime, artifact.tool_versions, contents[artifact.path]
            ),
        )
        for artifact in model.artifacts
    )
    return replace(model, artifacts=artifacts)


def _read_metrics(build: Build) -> Metrics:
    wanted = {name: build.metrics.get(name) for name in ("top1", "top5", "photos")}
    return Metrics.from_node(Node(wanted, "metrics", "build.json"))


def _describe_artifact(
    artifact: Artifact,
    place: str,
    reports: dict[str, ParityReport],
    confidences: dict[str, ArtifactConfidence],
    objections: tuple[str, ...],
) -> BundledArtifact:
    path, role = _shipped_path(artifact.file_name, place), f"{_prefix(place)}artifact"
    report = reports.get(artifact.file_name)
    speaks_for_it = report is not None and report.artifact_sha256 == artifact.sha256
    devices = platforms_of(artifact.runtime, artifact.backend)
    return BundledArtifact(
        file=File(path, role, artifact.sha256, artifact.size_bytes),
        runtime=artifact.runtime,
        precision=artifact.precision,
        backend=artifact.backend,
        platforms=(SERVER_PLATFORM,) if place == CLOUD else devices,
        input=artifact.input,
        outputs=artifact.outputs,
        tool_versions=artifact.tool_versions,
        parity=report if speaks_for_it else None,
        confidence=confidences[artifact.file_name] if speaks_for_it else None,
        accepted_by_hand=bool(objections),
        objections=objections,
    )


def _describe_golden(photo: GoldenPhoto, place: str, paths: dict[str, str]) -> Golden:
    answers = {
        paths[name]: tuple(float(value) for value in given)
        for name, given in photo.answers.items()
        if name in paths
    }
    scores = {paths[name]: score for name, score in photo.known_scores.items() if name in paths}
    return Golden(_photo_path(photo, place), photo.label, answers, scores)
