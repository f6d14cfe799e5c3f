"""Each artifact gets a temperature and thresholds of its own, on known and unknown things."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from conversion.answers import Chosen, Replies, ask_everyone
from conversion.artifact import read_build
from conversion.errors import ArtifactError
from conversion.parity.confidence_words import HEADINGS, describe_target, to_cells
from conversion.parity.confidences import (
    CONFIDENCE_FOLDER,
    ArtifactConfidence,
    read_confidences,
    write_confidence,
)
from conversion.parity.fitting import fit_confidences
from tests.mobile_assets.builds import (
    COREML,
    EXECUTORCH,
    LITERT,
    PREPROCESS,
    make_build,
    make_confidence,
    make_photo,
)
from training.answers import Answers
from training.config import Settings
from training.errors import ConfidenceError
from training.evaluation.temperature import calibrate
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.photos import UNKNOWN, Photo

HIERARCHY = Hierarchy(LabelSet(("cold", "warm")), (1, 0, 0))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return read_build(make_build(tmp_path_factory.mktemp("build") / "colours"))


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(3, 0.3), count)
    truth = np.array([rng.choice(3, p=row) for row in rows])
    return rows.astype(np.float32), truth


def scored(rows: np.ndarray, around: float) -> Answers:
    """Answers with known scores around a number."""
    scores = np.random.default_rng(4).normal(around, 0.4, len(rows))
    return Answers(rows.astype(np.float32), scores.astype(np.float32))


def make_photos(truth, kinds=("",)) -> tuple[Photo, ...]:
    return tuple(
        Photo(f"{kinds[place % len(kinds)]}{place}", int(index), bytes)
        for place, index in enumerate(truth)
    )


@pytest.fixture(scope="module")
def answers() -> Replies:
    """The `.tflite` is twice as boastful as the reference; nothing ran the others."""
    rows, truth = draw(600, 1)
    strange = np.random.default_rng(2).dirichlet(np.full(3, 20.0), 100).astype(np.float32)
    kinds = ("clutter/", "held-out/validation/kiwi/")
    unknown = Replies(
        make_photos([UNKNOWN] * 100, kinds),
        np.ones(100, np.int64),
        scored(strange, -2),
        {LITERT: scored(calibrate(strange, 0.5), -2)},
        {},
    )
    own = {LITERT: scored(calibrate(rows, 0.5), -1)}
    return Replies(make_photos(truth), np.ones(600, np.int64), scored(rows, -1), own, {}, unknown)


def test_an_artifact_is_calibrated_by_its_own_answers(build, answers):
    found = fit_confidences(build, answers, 0.95)
    own, other = found[LITERT], found[EXECUTORCH]
    assert set(found) == {LITERT, EXECUTORCH, COREML}
    assert (own.fitted_on, other.fitted_on) == ("artifact", "reference")
    assert other.confidence.temperature == pytest.approx(1, rel=0.15)
    assert own.confidence.temperature == pytest.approx(2 * other.confidence.temperature, rel=0.01)
    # Calibrated, both are the same.
    assert own.confidence.sure.coverage == pytest.approx(other.confidence.sure.coverage, abs=0.01)
    assert found[COREML] == other


def test_unknown_things_are_counted_by_kind(build, answers):
    known = fit_confidences(build, answers, 0.95)[LITERT].confidence.known
    assert {kind: share.photos for kind, share in known.rejected.items()} == {
        "clutter": 50,
        "held-out": 50,
    }
    assert known.rejected["clutter"].value > 0.2
    assert known.precision >= 0.95


def test_coarse_classes_get_a_threshold(build, answers):
    assert fit_confidences(build, answers, 0.95)[LITERT].confidence.coarse is None
    nested = replace(build, hierarchy=HIERARCHY)
    assert fit_confidences(nested, answers, 0.95)[LITERT].confidence.coarse is not None


def test_an_artifact_that_answers_no_probabilities_takes_the_references(build, answers):
    rows = answers.reference.probabilities
    broken = Answers(np.full_like(rows, np.nan), answers.reference.known_scores)
    found = fit_confidences(build, replace(answers, artifacts={LITERT: broken}), 0.95)
    assert found[LITERT].fitted_on == "reference"


def test_what_is_written_is_read_again(build, answers, tmp_path):
    found = fit_confidences(build, answers, 0.95)
    for name, confidence in found.items():
        write_confidence(tmp_path / "parity", name, confidence)
    assert read_confidences(tmp_path, build) == found
    (tmp_path / "parity" / CONFIDENCE_FOLDER / f"{COREML}.json").unlink()
    assert set(read_confidences(tmp_path, build)) == {LITERT, EXECUTORCH}
    with pytest.raises(ArtifactError, match="other coarse classes"):
        read_confidences(tmp_path, replace(build, hierarchy=HIERARCHY))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fitted_on": "guesses"}, "fitted_on is 'guesses'"),
        ({"temperature": -1}, "temperature is -1"),
        ({"extra": 1}, "exactly"),
    ],
)
def test_malformed_files_are_errors_that_name_the_file(build, tmp_path, change, message):
    path = tmp_path / "parity" / CONFIDENCE_FOLDER / f"{LITERT}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(make_confidence().to_json() | change))
    with pytest.raises(ArtifactError, match=rf"{LITERT}\.json.*{message}"):
        read_confidences(tmp_path, build)
    with pytest.raises(ConfidenceError):
        ArtifactConfidence.from_json([])


def test_words_prefer_cross_fitted_figures_and_say_never(build, answers):
    found = fit_confidences(replace(build, hierarchy=HIERARCHY), answers, 0.95)[LITERT]
    cells = to_cells(found)
    assert len(cells) == len(HEADINGS)
    assert f"{found.confidence.sure.cross_fitted.coverage:.1%}" in cells[2]
    assert "clutter" in cells[4]
    never = to_cells(make_confidence(None))
    assert never[2:] == ["never", "-", "never"]
    finding = SimpleNamespace(confidence=found)
    assert "95%" in describe_target([finding])


class Fixed:
    """Answers the same for every photo; fails from some photo on."""

    def __init__(self, photos_until_failure: int = 1000) -> None:
        self.left = photos_until_failure

    def answer(self, x_nhwc):
        self.left -= len(x_nhwc)
        if self.left < 0:
            raise ArtifactError("the battery is empty")
        rows = np.tile(np.float32([0.2, 0.5, 0.3]), (len(x_nhwc), 1))
        return Answers(rows, np.zeros(len(rows), np.float32))


def make_checkpoint():
    return SimpleNamespace(
        labels=LabelSet(("red", "green", "blue")),
        preprocess=PREPROCESS,
        settings=Settings(),
        answer=Fixed().answer,
    )


def test_everyone_is_asked_about_unknown_things_too():
    data = make_photo((10, 200, 10))
    known = tuple(Photo(f"validation/{index}", index % 2, lambda: data) for index in range(6))
    unknown = tuple(Photo(f"clutter/{index}", UNKNOWN, lambda: data) for index in range(3))
    runners = {"whole": Fixed(), "tired": Fixed(photos_until_failure=7)}
    found = ask_everyone(
        make_checkpoint(), Chosen(known, unknown, "x"), runners, {}, lambda _: None
    )
    assert found.reference.probabilities.shape == (6, 3)
    assert found.unknown.reference.probabilities.shape == (3, 3)
    # What fails on the unknown things alone has failed.
    assert list(found.artifacts) == list(found.unknown.artifacts) == ["whole"]
    assert found.failures == {"tired": "the battery is empty"}
    none = ask_everyone(make_checkpoint(), Chosen(known, (), "x"), runners, {}, lambda _: None)
    assert none.unknown is None
