from pathlib import Path

import numpy as np
import pytest

from conversion.answers import Replies
from conversion.errors import ArtifactError
from conversion.parity.fitting import judge_photos
from conversion.parity.verdicts import PhotoVerdicts, read_verdicts, write_verdicts
from tests.mobile_assets.builds import LITERT, describe_build, make_confidence
from training.answers import Answers
from training.photos import Photo

ROWS = np.array([[0.9, 0.05, 0.05], [0.4, 0.5, 0.1], [0.1, 0.2, 0.7]], np.float32)
TRUTH = (0, 0, 2)


def make_answers(rows: np.ndarray) -> Replies:
    photos = tuple(Photo(f"val/{n}.jpg", truth, bytes) for n, truth in enumerate(TRUTH))
    sizes = np.array([100, 200, 300], np.int64)
    scores = np.zeros(3, np.float32)
    return Replies(photos, sizes, Answers(ROWS, scores), {LITERT: Answers(rows, scores)}, {})


def write(folder: Path, rows: np.ndarray) -> PhotoVerdicts | None:
    confidences = {LITERT: make_confidence(sure=0.6)}
    build = describe_build("1.0.0", ())
    for name, found, _ in judge_photos(build, make_answers(rows), confidences):
        write_verdicts(folder / "parity", name, found)
    return read_verdicts(folder, LITERT)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert write(tmp_path, ROWS) == PhotoVerdicts(
        photos=("val/0.jpg", "val/1.jpg", "val/2.jpg"),
        sizes_bytes=(100, 200, 300),
        truth=TRUTH,
        answers=(0, 1, 2),
        verdicts=("sure", "unsure", "sure"),
    )


def test_what_answers_no_probabilities_has_no_verdicts(tmp_path: Path) -> None:
    assert write(tmp_path, ROWS * np.float32(np.nan)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read"),
        ("[]", "cannot read"),
        ('{"photos": 3}', "cannot read"),
        ('{"photos": [], "sizes_bytes": [], "truth": [], "answers": []}', "verdicts"),
        (
            '{"photos": ["a"], "sizes_bytes": [1], "truth": [0], "answers": [0], '
            '"verdicts": ["perhaps"]}',
            "the verdict 'perhaps': allowed are sure, coarse, unsure, unknown",
        ),
        (
            '{"photos": ["a"], "sizes_bytes": [1], "truth": [0], "answers": [], '
            '"verdicts": ["sure"]}',
            r"lists of \[0, 1\] items",
        ),
        (
            '{"photos": ["a"], "sizes_bytes": [1], "truth": [0], "answers": [-1], '
            '"verdicts": ["sure"]}',
            "whole numbers from 0",
        ),
        (
            '{"photos": [["a"]], "sizes_bytes": [1], "truth": [0], "answers": [1], '
            '"verdicts": ["sure"]}',
            "names are texts",
        ),
        (
            '{"photos": ["a"], "sizes_bytes": [1], "truth": [0], "answers": [1], '
            '"verdicts": [["sure"]]}',
            "cannot read",
        ),
    ],
)
def test_malformed_verdicts_are_a_typed_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "parity" / "verdicts" / f"{LITERT}.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ArtifactError, match=words):
        read_verdicts(tmp_path, LITERT)
