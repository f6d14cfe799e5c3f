"""The leakage check finds exactly the pairs within its limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.leakage import LIMIT_BITS, find_leakage
from training.evaluation.photo_hash import PhotoHashes


def make_hashes(words: np.ndarray, prefix: str, mirrored: np.ndarray | None = None) -> PhotoHashes:
    names = tuple(f"{prefix}{index}" for index in range(len(words)))
    return PhotoHashes(names, words, ~words if mirrored is None else mirrored)


def draw_words(seed: int, count: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 2**64, (count, 3), dtype=np.uint64)


def flip_bits(words: np.ndarray, bits: list[int]) -> np.ndarray:
    flipped = np.unpackbits(words.view(np.uint8))
    flipped[bits] ^= 1
    return np.packbits(flipped).view(np.uint64)


@given(
    st.integers(0, 99),
    st.lists(st.integers(0, 191), unique=True, min_size=LIMIT_BITS - 3, max_size=LIMIT_BITS + 3),
    st.booleans(),
)
def test_a_copy_is_found_within_the_limit_and_not_beyond(
    seed: int, bits: list[int], mirrored: bool
) -> None:
    # More training photos than one block holds.
    trained = draw_words(seed, 40_000)
    copy = flip_bits(trained[33_000 + seed], bits)
    other = draw_words(1000 + seed, 1)
    rows = np.concatenate([other, copy[None]])
    photos = make_hashes(other.repeat(2, 0), "e", rows) if mirrored else make_hashes(rows, "e")
    found = find_leakage(make_hashes(trained, "t"), photos)
    assert found.seen.tolist() == [False, len(bits) <= LIMIT_BITS]
    if len(bits) <= LIMIT_BITS:
        (pair,) = found.pairs
        assert (pair.evaluated, pair.trained) == ("e1", f"t{33_000 + seed}")
        assert (pair.distance_bits, pair.mirrored) == (len(bits), mirrored)


def test_the_most_alike_training_photo_is_named() -> None:
    copy = draw_words(0, 1)
    trained = np.stack([flip_bits(copy[0], [1, 2, 3]), flip_bits(copy[0], [7])])
    (pair,) = find_leakage(make_hashes(trained, "t"), make_hashes(copy, "e")).pairs
    assert pair.describe() == "e0 is t1 (1 bits differ)"


@pytest.mark.parametrize(("trained", "evaluated"), [(0, 3), (3, 0), (0, 0)])
def test_no_photos_have_nothing_in_common(trained: int, evaluated: int) -> None:
    one, other = (
        make_hashes(draw_words(1, trained), "t"),
        make_hashes(draw_words(2, evaluated), "e"),
    )
    assert find_leakage(one, other).to_json()["seen_in_training"] == 0


def test_the_report_counts_all_and_names_a_thousand() -> None:
    words = draw_words(3, 1200)
    report = find_leakage(make_hashes(words, "t"), make_hashes(words, "e")).to_json()
    assert report["seen_in_training"] == 1200
    assert report["share"] == 1
    assert len(report["pairs"]) == 1000
