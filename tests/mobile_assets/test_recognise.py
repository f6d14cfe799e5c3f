"""What is said of a photo: names, and how far they can be trusted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobile_assets.bundle import open_bundle
from mobile_assets.errors import BundleError
from mobile_assets.manifest import Manifest
from mobile_assets.recognise import Recognition, rank_answers
from tests.mobile_assets.builds import LABELS, make_confidence
from training.answers import Answers
from training.hierarchy import Hierarchy
from training.labels import LabelSet

HIERARCHY = Hierarchy(LabelSet(("cold", "warm")), (1, 0, 0))


@pytest.fixture(scope="module")
def manifest(bundle_path: Path) -> Manifest:
    """Thresholds: sure from 0.6, coarse from 0.9, unknown below 0.4; "cold" is green or blue."""
    plain = open_bundle(bundle_path).manifest
    confidence = make_confidence(0.6, coarse=0.9, min_score=0.4)
    artifacts = tuple(replace(item, confidence=confidence) for item in plain.artifacts)
    assert plain.labels.names == ("red", "green", "blue")
    return replace(plain, hierarchy=HIERARCHY, artifacts=artifacts)


def given_of(*probabilities: float, known_score: float = 0.0) -> Answers:
    return Answers(np.array([probabilities], np.float32), np.array([known_score], np.float32))


def say(manifest: Manifest, *probabilities: float, top_k: int = 3) -> Recognition:
    given = given_of(*probabilities)
    return rank_answers(manifest, manifest.artifacts[0], given, top_k)


@pytest.mark.parametrize(
    ("probabilities", "verdict", "words"),
    [
        ((0.1, 0.7, 0.2), "sure", "green"),
        ((0.05, 0.5, 0.45), "coarse", "cold (which one is not sure)"),
        ((0.3, 0.5, 0.2), "unsure", "not sure: perhaps green"),
        ((0.3, 0.36, 0.34), "unknown", "not a known item (nearest: green)"),
    ],
)
def test_each_verdict_has_its_words(manifest, probabilities, verdict, words):
    found = say(manifest, *probabilities)
    assert (found.verdict, found.in_words()) == (verdict, words)


def test_names_stand_in_place_of_labels_where_there_are_some(manifest):
    found = say(manifest, 0.05, 0.5, 0.45)
    named = found.named({"cold": "冷色", "green": "绿色"})
    assert [answer.label for answer in named.answers] == ["绿色", "blue", "red"]
    assert [choice.label for choice in named.coarse.choices] == ["绿色", "blue"]
    assert named.in_words() == "冷色 (which one is not sure)"
    assert named.answers[0].probability == found.answers[0].probability
    assert found.named({}) == found


def test_the_coarse_answer_is_the_sum_of_its_labels(manifest):
    found = say(manifest, 0.4, 0.35, 0.25)
    assert found.answers[0].label == "red"
    assert found.coarse is not None and found.coarse.label == "cold"
    assert found.coarse.probability == pytest.approx(0.6)
    assert [choice.label for choice in found.coarse.choices] == ["green", "blue"]
    assert found.coarse.choices[0].probability == pytest.approx(0.35)


def test_a_coarse_class_of_one_label_leaves_nothing_to_choose(manifest):
    soft = make_confidence(0.9, coarse=0.6)
    only = replace(manifest.artifacts[0], confidence=soft)
    alone = replace(manifest, artifacts=(only, *manifest.artifacts[1:]))
    found = say(alone, 0.7, 0.2, 0.1)
    assert (found.verdict, found.in_words()) == ("coarse", "likely red")


def test_probabilities_are_calibrated_by_the_artifacts_own_temperature(manifest):
    soft = make_confidence(0.6, coarse=0.9, temperature=2.0)
    artifacts = (manifest.artifacts[0], *manifest.artifacts[1:-1])
    last = replace(manifest.artifacts[-1], confidence=soft)
    both = replace(manifest, artifacts=(*artifacts, last))
    given = given_of(0.04, 0.64, 0.32)
    assert rank_answers(both, both.artifacts[0], given, 1).verdict == "sure"
    softened = rank_answers(both, both.artifacts[-1], given, 3)
    assert softened.verdict != "sure"
    roots = np.sqrt(given.probabilities[0]) / np.sqrt(given.probabilities[0]).sum()
    assert [answer.probability for answer in softened.answers] == pytest.approx(
        sorted(map(float, roots), reverse=True)
    )


def test_an_artifact_taken_without_parity_is_sure_of_nothing(manifest):
    first = replace(
        manifest.artifacts[0],
        parity=None,
        confidence=None,
        accepted_by_hand=True,
        objections=("never compared",),
    )
    bare = replace(manifest, artifacts=(first, *manifest.artifacts[1:]))
    found = say(bare, 0.0, 1.0, 0.0, top_k=1)
    assert (found.verdict, found.coarse, len(found.answers)) == ("unsure", None, 1)


def test_without_coarse_classes_there_is_no_coarse_answer(bundle_path):
    plain = open_bundle(bundle_path).manifest
    found = say(plain, 0.05, 0.5, 0.45)
    assert (found.verdict, found.coarse) == ("unsure", None)


def test_what_are_no_probabilities_is_an_error_that_names_the_artifact(manifest):
    with pytest.raises(BundleError, match=rf"{manifest.artifacts[0].path}: .*no probability"):
        say(manifest, float("nan"), 0.0, 0.0)
    assert len(LABELS) == 3
