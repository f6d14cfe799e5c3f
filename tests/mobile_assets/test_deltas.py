import contextlib
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_assets.deltas import (
    MAX_DELTA_FILE_BYTES,
    apply_delta,
    can_have_delta,
    delta_path,
    make_delta,
)
from mobile_assets.errors import DeltaError
from training.files import sha256_bytes

FILES = st.binary(max_size=4096)


def follow(old: bytes, delta: bytes, new: bytes) -> bytes:
    return apply_delta(old, delta, sha256_bytes(new), len(new))


def make_weights(size_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


@given(old=FILES, new=FILES)
def test_a_delta_gives_back_the_new_file(old: bytes, new: bytes) -> None:
    assert follow(old, make_delta(old, new), new) == new


@given(old=st.binary(min_size=64, max_size=2048), data=st.data())
def test_a_damaged_delta_gives_the_new_file_or_an_error(old: bytes, data: st.DataObject) -> None:
    new = old[: len(old) // 2] + data.draw(FILES)
    delta = bytearray(make_delta(old, new))
    for _ in range(data.draw(st.integers(1, 3))):
        delta[data.draw(st.integers(0, len(delta) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(delta[: data.draw(st.integers(0, len(delta)))])
    with contextlib.suppress(DeltaError):
        assert follow(old, cut, new) == new


@given(delta=st.binary(max_size=512))
@settings(max_examples=200)
def test_any_bytes_as_a_delta_are_refused(delta: bytes) -> None:
    with pytest.raises(DeltaError):
        apply_delta(b"old" * 100, b"\x28\xb5\x2f\xfd" + delta, "0" * 64, 1000)


def test_a_delta_finds_old_bytes_over_the_whole_length_of_large_files() -> None:
    # The first bytes of the old file are needed again at the end of the new one.
    start, body = make_weights(1 << 16), make_weights(16 << 20, 1)
    old, new = start + body, body + b"new labels" + start
    delta = make_delta(old, new)
    assert len(delta) < len(new) // 500
    assert follow(old, delta, new) == new


def test_a_delta_of_another_old_file_is_refused() -> None:
    old, new = make_weights(5000), make_weights(5000) + b"more"
    delta = make_delta(old, new)
    with pytest.raises(DeltaError):
        follow(make_weights(5000, 1), delta, new)


@pytest.mark.parametrize("claimed_bytes", [1 << 10, 1 << 40])
def test_a_bomb_is_stopped_at_the_signed_size(claimed_bytes: int) -> None:
    # 8 MB of zeros in some hundred bytes; the header claims less, or what no memory holds.
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(8 << 20))
    honest = zstandard.ZstdCompressor().compress(bytes(8 << 20))
    assert len(bomb) < 1000
    for delta in (bomb, honest):
        with pytest.raises(DeltaError):
            apply_delta(b"old", delta, "0" * 64, 1000)
    header = b"\x28\xb5\x2f\xfd\xe0" + claimed_bytes.to_bytes(8, "little")
    with pytest.raises(DeltaError):
        apply_delta(b"old", header + honest[13:], "0" * 64, 1000)


def test_what_is_longer_than_the_window_of_decoders_gets_no_delta() -> None:
    assert can_have_delta(MAX_DELTA_FILE_BYTES, 1)
    assert not can_have_delta(1, MAX_DELTA_FILE_BYTES + 1)
    with pytest.raises(DeltaError, match="allowed are 134217728"):
        apply_delta(b"", b"", "0" * 64, MAX_DELTA_FILE_BYTES + 1)


def test_the_path_is_that_of_the_contract() -> None:
    path = delta_path("colours", "1.1.0", "artifacts/c.tflite", "ab" * 32)
    assert path == "colours/1.1.0/deltas/abababababababab-c.tflite.zst"
