import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion.artifact import read_parity
from conversion.errors import ArtifactError
from conversion.parity.report import ParityReport
from training.files import write_sums


def make_report(**changes):
    values = {
        "artifact": "a-1.0.0-litert-fp32.tflite",
        "artifact_sha256": "0" * 64,
        "checkpoint_sha256": "1" * 64,
        "evaluator": "LiteRT runtime",
        "photos": 200,
        "reference_top1": 0.9,
        "artifact_top1": 0.9,
        "loss_low": 0.0,
        "loss_high": 0.0,
        "loss_margin": 0.005,
        "min_accuracy_share": 0.98,
        "min_photos": 100,
        "agreement": 1.0,
        "max_probability_difference": 1e-6,
        "mean_probability_difference": 1e-8,
        "max_known_score_difference": 1e-6,
        "same_known": 1.0,
        "min_agreement": 0.995,
        "max_difference_allowed": 1e-3,
        "max_known_score_difference_allowed": 1e-3,
        "labels_match": True,
        "tool_versions": {},
        "source": "test",
    }
    return ParityReport(**(values | changes))


def test_a_report_passes_when_every_condition_holds():
    report = make_report()
    assert report.passed
    assert (report.verdict, report.reasons()) == ("passed", [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agreement": 0.99}, "99.00% of 200 photos; at least 99.50%"),
        ({"max_probability_difference": 0.5}, "a probability differs by 0.5"),
        ({"max_known_score_difference": 0.5}, "a known score differs by 0.5"),
        ({"labels_match": False}, "labels"),
        ({"photos": 0}, "no photo"),
        ({"failure": "LiteRT refuses it"}, "LiteRT refuses it"),
        ({"structure_faults": ("it holds float32",)}, "it holds float32"),
        ({"cross_check_faults": ("TensorFlow says other",)}, "TensorFlow says other"),
        (
            {"artifact_top1": 0.85, "loss_low": 0.02, "loss_high": 0.08},
            "loses 5.00 points of accuracy, surely 2.00",
        ),
        (
            {"artifact_top1": 0.88, "loss_low": -0.01, "loss_high": 0.05},
            "names 88.00% of photos rightly, less than 98% of the checkpoint's 90.00%",
        ),
        ({"artifact_top1": 0.895, "loss_low": 0.005, "loss_high": 0.005}, "less than 0.50"),
    ],
)
def test_a_report_names_the_reason_that_it_fails_for(changes, words):
    report = make_report(**changes)
    assert (report.verdict, report.passed) == ("failed", False)
    assert words in " ".join(report.reasons())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"photos": 99}, "99 photos are too few; at least 100 are needed"),
        # Ten flips of a thousand would be within: (0.8 / 0.4)^2 times the photos.
        ({"loss_low": -0.01, "loss_high": 0.009, "artifact_top1": 0.899}, "about 800 photos"),
        ({"loss_low": 0.0, "loss_high": 0.005}, "about 201 photos"),
        (
            {"loss_low": -0.01, "loss_high": 0.03, "artifact_top1": 0.89},
            "more photos are unlikely to help",
        ),
    ],
)
def test_too_few_photos_are_inconclusive_and_say_how_many_would_do(changes, words):
    report = make_report(**changes)
    assert (report.verdict, report.passed) == ("inconclusive", False)
    assert words in " ".join(report.reasons())


def test_among_few_photos_one_flip_is_no_failure_but_a_surely_large_loss_is():
    flip = {"photos": 20, "artifact_top1": 0.85, "agreement": 0.95}
    assert make_report(**flip, loss_low=-0.05, loss_high=0.15).verdict == "inconclusive"
    many = {"photos": 20, "artifact_top1": 0.4, "agreement": 0.5}
    assert make_report(**many, loss_low=0.25, loss_high=0.7).verdict == "failed"


def test_int8_has_no_limits_on_agreement_and_differences():
    loose = {"min_agreement": None, "max_difference_allowed": None, "loss_margin": 0.015}
    assert make_report(**loose, agreement=0.9, max_probability_difference=0.7).passed


def test_what_was_not_executed_neither_passes_nor_fails():
    report = make_report(executed=False, photos=0, failure="the vulkan delegate is on phones only")
    assert (report.verdict, report.passed) == ("not executed", False)
    assert report.reasons() == ["not executed: the vulkan delegate is on phones only"]
    odd = replace(report, structure_faults=("it holds float32",))
    assert (odd.verdict, odd.reasons()[1]) == ("not executed", "it holds float32")


losses = st.floats(0, 0.2)


@given(losses, losses, losses, st.integers(1, 5000))
def test_the_verdict_follows_from_the_interval(loss, below, above, photos):
    report = make_report(
        artifact_top1=0.9 - loss,
        loss_low=loss - below,
        loss_high=loss + above,
        loss_margin=0.05,
        min_accuracy_share=0.0,
        photos=photos,
    )
    if report.passed:
        assert report.loss_high < 0.05
        assert photos >= 100
    if report.verdict == "failed":
        assert report.loss_low >= 0.05
    needed = report.photos_needed
    if report.verdict == "inconclusive" and needed is not None:
        assert needed > photos
        # With so many photos an interval of the same spread lies below the margin, or nearly.
        narrowed = (report.loss_high - report.loss) * math.sqrt(photos / needed)
        assert report.loss + narrowed <= 0.05 + 1e-9 or needed == 100


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_an_interval_that_leaves_the_loss_out_is_refused(low, high):
    if low <= 0 <= high:
        assert make_report(loss_low=low, loss_high=high).loss == 0
    elif low > 1e-9 or high < -1e-9:
        with pytest.raises(ArtifactError, match="loss_low and loss_high"):
            make_report(loss_low=low, loss_high=high)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["max_probability_difference", "loss_high", "loss_low"])
def test_a_report_refuses_figures_that_are_not_finite(name, value):
    with pytest.raises(ArtifactError, match=r"finite|allowed"):
        make_report(**{name: value})


@pytest.mark.parametrize("name", ["agreement", "min_agreement", "loss_margin", "reference_top1"])
def test_a_report_refuses_shares_above_one(name):
    with pytest.raises(ArtifactError, match=f"{name} is 1.5"):
        make_report(**{name: 1.5})


def test_a_report_reads_back_from_json_as_it_was():
    report = make_report(structure_faults=("a", "b"), disagreements=("x.jpg",), min_agreement=None)
    assert ParityReport.from_json(json.loads(json.dumps(report.to_json()))) == report


@pytest.mark.parametrize("key", ["loss_high", "executed", "structure_faults", "photos"])
def test_a_report_without_one_of_its_figures_is_refused(tmp_path: Path, key):
    value = make_report().to_json()
    del value[key]
    write_only(tmp_path, value)
    with pytest.raises(ArtifactError, match=r"a\.json: not a parity report"):
        read_parity(tmp_path)


@pytest.mark.parametrize("name", ["passed", "verdict", "loss"])
def test_a_verdict_cannot_be_written_into_a_report(tmp_path: Path, name):
    write_only(tmp_path, make_report(agreement=0.5).to_json() | {name: True})
    with pytest.raises(ArtifactError, match="not a parity report"):
        read_parity(tmp_path)


def write_only(build: Path, value: dict) -> None:
    folder = build / "parity"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(value))
    write_sums(folder)
