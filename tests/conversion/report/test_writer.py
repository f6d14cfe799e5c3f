import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from conversion.artifact import GoldenPhoto
from conversion.parity.files import Finding
from conversion.parity.gate import Gate
from conversion.parity.statistics import CrossCheck, compare
from conversion.report.picture import draw
from conversion.report.writer import to_markdown
from conversion.structure.summary import Structure
from tests.conversion.parity.test_report import make_report
from tests.conversion.parity.test_statistics import draw_case
from tests.mobile_assets.builds import make_confidence

STRUCTURE = Structure(
    runtime="litert",
    size_bytes=1,
    inputs=(),
    outputs=(),
    ops={"CONV_2D": 7, "ADD": 3},
    outside_ops={},
    backends=(),
    delegated_share=None,
    weights={"int8": 90, "float32": 10},
    activations={"float32": 5},
    compression="",
    schema="3",
    minimum_runtime="TensorFlow Lite 2.4",
    minimum_systems={"Android": "6.0"},
)


@pytest.fixture
def findings(build):
    """Passing reports of every artifact, with statistics and structure."""
    statistics = compare("a", *draw_case(0, 200, noise=1.5), Gate())
    return [
        Finding(
            entry, make_report(artifact=entry.file_name), statistics, STRUCTURE, make_confidence()
        )
        for entry in build.artifacts
    ]


def change(finding: Finding, **changes) -> Finding:
    return replace(finding, report=replace(finding.report, **changes))


def rows_of(page: str, title: str) -> list[str]:
    section = page.split(f"## {title}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `produce")]


def test_the_page_tells_verdict_figures_and_versions(build, findings):
    findings[1] = change(findings[1], agreement=0.5, disagreements=("validation/apple/3.jpg",))
    findings[2] = change(findings[2], loss_low=-0.002, loss_high=0.02)
    findings[3] = replace(
        change(findings[3], executed=False, photos=0, failure="it is for phones"), statistics=None
    )
    golden = [GoldenPhoto("golden/01-a.jpg", "validation/a/1.jpg", "a", "0" * 64, {})]
    page = to_markdown(build, findings, golden)
    verdicts = [row.split("|")[-2].strip() for row in rows_of(page, "Accuracy")]
    others = ["passed"] * (len(findings) - 4)
    assert verdicts == ["passed", "**failed**", "**inconclusive**", "**not executed**", *others]
    assert "1 inconclusive, 1 failed, 1 not executed" in page
    assert "0.00 (-0.20 to 2.00)" in rows_of(page, "Accuracy")[2]
    assert len(rows_of(page, "Probabilities")) == len(findings) - 1
    assert "1e-06 (0.001) | 100.0%" in rows_of(page, "Known score")[0]
    assert "**Names the same class as the checkpoint on 50.00%" in page
    assert "**Not executed: it is for phones**" in page
    assert "executorch 1." in page
    assert "Weights: 90.0% int8, 10.0% float32" in page
    assert "needs TensorFlow Lite 2.4 (Android 6.0)" in page
    assert "golden/01-a.jpg" in page


def test_the_page_shows_flipped_photos_with_both_answers_and_the_cross_check(build, findings):
    statistics = findings[0].statistics
    check = CrossCheck("TensorFlow interpreter", 64, 0.96875, 0.013, 0.9, 0.5)
    findings[0] = replace(findings[0], statistics=replace(statistics, cross_check=check))
    page = to_markdown(build, findings, [])
    flip = statistics.flips[0]
    assert f"- {flip.kind}: `{flip.photo}` shows {flip.truth}: {flip.reference}" in page
    assert "96.9% of 64, largest difference 0.013" in rows_of(page, "Probabilities")[0]


def count_red(build, reports) -> int:
    pixels = np.asarray(Image.open(io.BytesIO(draw(build, reports))).convert("RGB")).astype(int)
    return int(((pixels[..., 0] > 150) & (pixels[..., 1:] < 70).all(axis=-1)).sum())


def test_the_picture_shows_a_failure_in_another_colour(build, findings):
    reports = [finding.report for finding in findings]
    assert count_red(build, reports) == 0
    reports[1] = replace(reports[1], agreement=0.9)
    assert count_red(build, reports) > 500


def test_intervals_far_outside_of_the_picture_are_drawn_too(build, findings):
    reports = [finding.report for finding in findings]
    reports[0] = replace(reports[0], artifact_top1=0.1, loss_low=0.7, loss_high=0.9)
    reports[1] = replace(reports[1], artifact_top1=1.0, loss_low=-0.2, loss_high=-0.05)
    assert count_red(build, reports) > 100


def test_artifacts_that_could_not_run_are_drawn_too(build, findings):
    failed = [replace(finding.report, failure="truncated", photos=0) for finding in findings]
    assert Image.open(io.BytesIO(draw(build, failed))).width > 1000
