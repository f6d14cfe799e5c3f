"""Pixels and verdicts of the TypeScript client are those of Python, for any photo and answer."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.mobile_assets.typescript import (
    run_node,
)
from training.answers import Answers
from training.evaluation.decisions import Limits, judge, sum_coarse
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import PixelsHwc, Preprocess

LABELS = ["apple", "banana", "cherry", "plum", "lime"]
HIERARCHY = Hierarchy.from_names(["pome", "berry", "stone", "stone", "citrus"])
SIZES = [(32, 32), (33, 47), (640, 20), (97, 300), (45, 32), (32, 500), (200, 200), (61, 48)]
RESAMPLERS = ("bilinear", "bicubic", "lanczos")
_COUNT = 300


def make_photos(random: np.random.Generator) -> list[tuple[Image.Image, Preprocess]]:
    """Photos of noise and of hard edges, where filters overshoot, reduced and enlarged."""
    photos = []
    for index, (width, height) in enumerate(SIZES):
        noise = random.integers(0, 256, (height, width, 3), np.uint8)
        edges = np.where(noise > 127, np.uint8(255), np.uint8(0))
        image = Image.fromarray(edges if index % 2 else noise)
        for resampler in RESAMPLERS:
            photos.append((image, Preprocess(32, 36 + index % 3, resampler)))
    return photos


def make_answers(
    random: np.random.Generator,
) -> list[tuple[Answers, Limits, Hierarchy | None]]:
    """Answers and limits drawn so that every verdict is given; some limits are None."""
    cases = []
    for _ in range(_COUNT):
        given = random.dirichlet(np.full(len(LABELS), 0.4), 1).astype(np.float32)
        score = random.choice(["known_score", "max_probability", "gen"])
        least = {"known_score": -1.5, "max_probability": 0.4, "gen": -3.5}[score]
        hierarchy = HIERARCHY if random.random() < 0.7 else None
        limits = Limits(
            temperature=float(random.uniform(0.5, 3)),
            score=str(score),
            min_score=None if random.random() < 0.3 else least,
            sure=None if random.random() < 0.1 else float(random.uniform(0.5, 0.95)),
            coarse=None if hierarchy is None else float(random.uniform(0.4, 0.9)),
        )
        known = random.uniform(-3, 0, 1).astype(np.float32)
        cases.append((Answers(given, known), limits, hierarchy))
    return cases


def to_json(answers: Answers, limits: Limits, hierarchy: Hierarchy | None) -> dict[str, Any]:
    return {
        "labels": LABELS,
        "hierarchy": None if hierarchy is None else hierarchy.to_json(),
        "confidence": {
            "temperature": limits.temperature,
            "sure": {"min_probability": limits.sure},
            "coarse": None if hierarchy is None else {"min_probability": limits.coarse},
            "known": {"score": limits.score, "min_score": limits.min_score},
        },
        "probabilities": [float(value) for value in answers.probabilities[0]],
        "known_score": float(answers.known_scores[0]),
    }


@pytest.fixture(scope="module")
def photos() -> list[tuple[Image.Image, Preprocess]]:
    return make_photos(np.random.default_rng(0))


@pytest.fixture(scope="module")
def answers() -> list[tuple[Answers, Limits, Hierarchy | None]]:
    return make_answers(np.random.default_rng(1))


@pytest.fixture(scope="module")
def told(
    package: Path,
    photos: list[tuple[Image.Image, Preprocess]],
    answers: list[tuple[Answers, Limits, Hierarchy | None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What TypeScript makes of all cases."""
    encoded = []
    for index, (image, preprocess) in enumerate(photos):
        # As a canvas gives them, every other time.
        samples = image.convert("RGBA" if index % 2 else "RGB").tobytes()
        numbers = {name: value for name, value in preprocess.to_json().items() if name != "steps"}
        size = {"width": image.width, "height": image.height}
        encoded.append({**size, **numbers, "samples": base64.b64encode(samples).decode()})
    cases = {"photos": encoded, "answers": [to_json(*case) for case in answers]}
    path = tmp_path_factory.mktemp("cases") / "cases.json"
    path.write_text(json.dumps(cases))
    script = package / "build" / "test" / "support" / "recompute.js"
    found: dict[str, Any] = json.loads(run_node(script, path, cwd=package))
    return found


def resize_as_the_manifest_says(image: Image.Image, preprocess: Preprocess) -> PixelsHwc:
    """Horizontally, then vertically, each pass rounded, whatever order Pillow would choose."""
    short = min(image.size)
    width, height = (
        (2 * side * preprocess.resize_px + short) // (2 * short) for side in image.size
    )
    resampler = Image.Resampling[preprocess.resampler.upper()]
    resized = image.resize((width, image.height), resampler).resize((width, height), resampler)
    side = preprocess.input_px
    left, top = (width - side) // 2, (height - side) // 2
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def test_pixels_are_the_same_to_the_bit(
    photos: list[tuple[Image.Image, Preprocess]], told: dict[str, Any]
) -> None:
    for (image, preprocess), encoded in zip(photos, told["photos"], strict=True):
        expected = resize_as_the_manifest_says(image, preprocess)
        found = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(expected.shape)
        assert np.array_equal(found, expected), (image.size, preprocess)


def test_the_order_that_pillow_chooses_costs_a_level_at_most(
    photos: list[tuple[Image.Image, Preprocess]],
) -> None:
    """Pillow 13 goes vertically first in some photos; only rounding differs without overshoot."""
    for image, preprocess in photos:
        if preprocess.resampler == "bilinear":
            ordered = resize_as_the_manifest_says(image, preprocess).astype(int)
            assert np.abs(ordered - preprocess(image)).max() <= 1, image.size


def test_verdicts_are_the_same(
    answers: list[tuple[Answers, Limits, Hierarchy | None]], told: dict[str, Any]
) -> None:
    seen = set()
    for (given, limits, hierarchy), found in zip(answers, told["answers"], strict=True):
        calibrated, verdicts = judge(given, limits, hierarchy)
        seen.add(str(verdicts[0]))
        assert found["verdict"] == verdicts[0], limits
        names = [LABELS[index] for index in np.argsort(-calibrated[0], kind="stable")]
        assert [entry["label"] for entry in found["answers"]] == names
        assert found["answers"][0]["probability"] == pytest.approx(calibrated.max(), abs=1e-9)
        assert (found["coarse"] is None) == (hierarchy is None)
        if hierarchy is not None:
            sums = sum_coarse(hierarchy, calibrated)[0]
            assert found["coarse"]["label"] == hierarchy.coarse.names[int(sums.argmax())]
            # Python sums in float32.
            assert found["coarse"]["probability"] == pytest.approx(sums.max(), abs=1e-6)
    assert seen == {"sure", "coarse", "unsure", "unknown"}


def test_the_labels_that_the_cases_are_about_make_a_label_set() -> None:
    assert len(LabelSet(tuple(LABELS))) == len(HIERARCHY.parents)
