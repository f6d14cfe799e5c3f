import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from conversion.artifact import GoldenPhoto
from conversion.report import draw, to_markdown
from tests.conversion.test_artifact import make_report


@pytest.fixture
def reports(build):
    return [make_report(artifact=entry.file_name) for entry in build.artifacts]


def test_the_page_tells_verdict_figures_and_versions(build, reports):
    failed = replace(reports[1], agreement=0.5, disagreements=("validation/apple/3.jpg",))
    golden = [GoldenPhoto("golden/01-a.jpg", "validation/a/1.jpg", "a", "0" * 64, {})]
    page = to_markdown(build, [reports[0], failed, reports[2]], golden)
    rows = [line for line in page.splitlines() if line.startswith("| `produce")]
    assert [row.split("|")[-2].strip() for row in rows] == ["passed", "**failed**", "passed"]
    assert "50.00% (99.5%)" in rows[1]
    assert "validation/apple/3.jpg" in page
    assert "executorch 1." in page
    assert "golden/01-a.jpg" in page


def test_the_picture_shows_a_failure_in_another_colour(build, reports):
    reference = np.full((20, 4), 0.25, np.float32)
    answers = {report.artifact: reference + 1e-6 for report in reports}

    def count_red(with_reports):
        data = draw(build, with_reports, reference, answers)
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        return int(((pixels[..., 0] > 150) & (pixels[..., 1:] < 70).all(axis=-1)).sum())

    assert count_red(reports) == 0
    assert count_red([reports[0], replace(reports[1], agreement=0.5), reports[2]]) > 1000


def test_artifacts_that_could_not_run_are_drawn_too(build, reports):
    failed = [replace(report, failure="truncated", photos=0) for report in reports]
    data = draw(build, failed, np.ones((3, 4), np.float32), {})
    assert Image.open(io.BytesIO(data)).width > 1000
