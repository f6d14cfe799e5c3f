import json
from pathlib import Path

import numpy as np
import pytest

from conversion.answers import Replies
from conversion.errors import ArtifactError
from conversion.parity.distributions import read_distribution_bytes, write_distribution
from conversion.parity.fitting import judge_photos
from tests.mobile_assets.builds import LABELS, LITERT, describe_build, make_confidence
from training.answers import Answers
from training.evaluation.distribution import CONFIDENCE_BINS, Distribution
from training.photos import Photo


def test_what_parity_writes_is_what_the_artifact_said_after_its_temperature(
    tmp_path: Path,
) -> None:
    rows = np.array([[0.9, 0.05, 0.05], [0.4, 0.5, 0.1], [0.1, 0.2, 0.7]], np.float32)
    photos = tuple(Photo(f"val/{n}.jpg", 0, bytes) for n in range(3))
    answers = Answers(rows, np.zeros(3, np.float32))
    replies = Replies(photos, np.array([1, 2, 3], np.int64), answers, {LITERT: answers}, {})
    build = describe_build("1.0.0", ())
    # A temperature of 2 takes 0.9 to 0.68, below the threshold.
    confidences = {LITERT: make_confidence(sure=0.7, temperature=2.0)}
    for name, _, found in judge_photos(build, replies, confidences):
        write_distribution(tmp_path / "parity", name, found)
    data = read_distribution_bytes(tmp_path, LITERT)
    assert data is not None
    found = Distribution.from_json(json.loads(data))
    assert found.labels == dict.fromkeys(LABELS.names, 1)
    assert found.verdicts == {"unsure": 3}
    assert found.confidences[8] == 1  # 65 to 70 %
    assert sum(found.confidences) == 3


def test_a_build_of_before_has_none_and_a_malformed_file_is_a_typed_error(tmp_path: Path) -> None:
    assert read_distribution_bytes(tmp_path, LITERT) is None
    path = tmp_path / "parity" / "distribution" / f"{LITERT}.json"
    path.parent.mkdir(parents=True)
    for text in (
        "{",
        "[]",
        json.dumps(Distribution((0,) * CONFIDENCE_BINS, {}, {}).to_json())[:-9],
    ):
        path.write_text(text)
        with pytest.raises(ArtifactError, match="cannot read"):
            read_distribution_bytes(tmp_path, LITERT)
