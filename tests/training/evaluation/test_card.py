"""The model card says in words what was measured, and what was not."""

import numpy as np
import pytest

from training.answers import Answers
from training.config import DataSettings, Settings
from training.evaluation.card import write_card
from training.evaluation.leakage import find_leakage
from training.evaluation.photo_hash import PhotoHashes
from training.evaluation.summary import Classes, Predictions, summarise_fitted
from training.sources.data import open_source

SOURCE = open_source(DataSettings(train_per_class=1, validation_per_class=1))


def make_card(right: bool, unknown: int, seen: int) -> str:
    classes = len(SOURCE.labels)
    truth = np.arange(60) % classes
    rows = np.full((60, classes), 0.02 / (classes - 1), np.float32)
    rows[np.arange(60), truth if right else (truth + 1) % classes] = 0.98
    flat = np.full((unknown, classes), 1 / classes, np.float32)
    known = Answers(rows, np.zeros(60, np.float32))
    figures = summarise_fitted(
        Predictions(known, truth, {"clutter": Answers(flat, np.full(unknown, -9, np.float32))}),
        Classes(SOURCE.labels.names, SOURCE.hierarchy),
        0.95,
    )
    words = np.arange(180, dtype=np.uint64).reshape(60, 3) * np.uint64(0x9E3779B97F4A7C15)
    judged = PhotoHashes(tuple(map(str, range(60))), words, ~words)
    trained = PhotoHashes(judged.names[:seen], words[:seen], ~words[:seen])
    leakage = find_leakage(trained, judged, 0).to_json()
    return write_card(Settings(), SOURCE, {**figures, "leakage": leakage}, "from nothing")


def test_a_good_run_says_from_which_probability_on_it_is_sure() -> None:
    card = make_card(right=True, unknown=25, seen=0)
    assert "| top-1 | 100.0 % (95 % interval 94.0 to 100.0) |" in card
    assert "| coarse class | 100.0 %" in card
    assert "None of the 60 photos looks like one" in card
    assert "A class is sure from a probability of" in card
    assert "- clutter, 25 photos: 100.0 %" in card


def test_a_bad_run_says_never_and_names_what_was_not_measured() -> None:
    card = make_card(right=False, unknown=0, seen=2)
    assert "A class is sure: never. No threshold reached a precision of 95 %." in card
    assert "**2 of the 60 photos look like training photos**" in card
    assert "does not know was not measured" in card


@pytest.mark.parametrize("right", [True, False])
def test_the_card_has_a_head_that_the_hub_reads(right: bool) -> None:
    head = make_card(right, 0, 0).split("---\n")[1]
    assert "library_name: ghostlens\n" in head
