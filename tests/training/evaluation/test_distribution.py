import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import ConfidenceError
from training.evaluation.distribution import (
    CONFIDENCE_BINS,
    CONFIDENCE_EDGES,
    Distribution,
    count_answers,
    describe_bins,
    find_bin,
)
from training.labels import LabelSet

LABELS = LabelSet(("apple", "pear"))
NONE = (0,) * CONFIDENCE_BINS


@given(st.floats(0, 1))
def test_every_confidence_is_within_its_bin(confidence: float) -> None:
    found = find_bin(confidence)
    assert CONFIDENCE_EDGES[found] <= confidence <= CONFIDENCE_EDGES[found + 1]
    assert confidence < CONFIDENCE_EDGES[found + 1] or confidence == 1


@given(st.lists(st.floats(0.5, 1), min_size=1, max_size=30))
def test_photos_are_counted_one_by_one_as_all_at_once(confidences: list[float]) -> None:
    rows = np.array([[value, 1 - value] for value in confidences])
    found = count_answers(LABELS, rows, np.array(["sure"] * len(rows)))
    assert found.photos == len(rows)
    for place, count in enumerate(found.confidences):
        assert count == sum(find_bin(value) == place for value in confidences)
    assert Distribution.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "changes",
    [
        {"confidences": [0] * (CONFIDENCE_BINS - 1)},
        {"confidences": [1, *NONE[1:]]},
        {"confidences": [-1, *NONE[1:]]},
        {"confidences": [True, *NONE[1:]]},
        {"confidences": 3},
        {"labels": {"apple": 1}},
        {"labels": {"apple": 0.0}},
        {"labels": []},
        {"verdicts": {"perhaps": 0}},
        {"edges": [0, 1]},
        {"more": 1},
    ],
)
def test_malformed_distributions_are_refused(changes: dict[str, object]) -> None:
    value = Distribution(NONE, {}, {}).to_json() | changes
    with pytest.raises(ConfidenceError):
        Distribution.from_json(value)
    with pytest.raises(ConfidenceError):
        Distribution.from_json([])


def test_bins_have_names() -> None:
    assert describe_bins()[-1] == "99.5 to 100 %"
    assert len(describe_bins()) == CONFIDENCE_BINS
