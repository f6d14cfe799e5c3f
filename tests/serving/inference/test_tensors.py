import base64
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from serving.errors import InferenceError
from serving.inference.tensors import read_elements, read_pixels, write_binary

SHAPE = [2, 2, 2, 3]
FLOATS = st_np.arrays(np.float32, tuple(SHAPE), elements=st.floats(0, 255, width=32))
WHOLE = st_np.arrays(np.uint8, tuple(SHAPE))


@given(FLOATS)
def test_pixels_come_back_from_every_form(x_nhwc: np.ndarray) -> None:
    for form in (x_nhwc.tobytes(), x_nhwc.tolist(), x_nhwc.ravel().tolist()):
        found = read_pixels(SHAPE, "FP32", form)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, x_nhwc)


@given(WHOLE)
def test_whole_pixels_need_a_byte_each(x_nhwc: np.ndarray) -> None:
    for form in (x_nhwc.tobytes(), x_nhwc.tolist()):
        np.testing.assert_array_equal(read_pixels(SHAPE, "UINT8", form), x_nhwc)


GOOD = [0] * 24


@pytest.mark.parametrize(
    ("datatype", "given", "words"),
    [
        ("FP32", bytes(95), "96 bytes: given are 95"),
        ("UINT8", bytes(25), "24 bytes: given are 25"),
        ("FP32", GOOD[1:], "24 numbers: given are 23"),
        ("FP32", np.full(24, np.nan, np.float32).tobytes(), "0 to 255"),
        ("FP32", np.full(24, np.inf, np.float32).tobytes(), "0 to 255"),
        ("FP32", [-1, *GOOD[1:]], "0 to 255"),
        ("FP32", [1e300, *GOOD[1:]], "0 to 255"),
        ("FP32", [10**400, *GOOD[1:]], "too large"),
        ("FP32", ["1", *GOOD[1:]], "no number"),
        ("FP32", [True, *GOOD[1:]], "no number"),
        ("FP32", [None, *GOOD[1:]], "no number"),
        ("FP32", [[0], *GOOD[1:]], "nested evenly"),
        ("FP32", [[[[[0]]]]], "nested evenly"),
        ("UINT8", [0.5, *GOOD[1:]], "whole numbers"),
        ("UINT8", [256, *GOOD[1:]], "whole numbers"),
        ("FP32", [], "24 numbers: given are 0"),
    ],
)
def test_a_tensor_that_is_not_as_it_says_is_refused(
    datatype: str, given: bytes | list, words: str
) -> None:
    with pytest.raises(InferenceError, match=words):
        read_pixels(SHAPE, datatype, given)


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_elements_come_back_from_both_forms(elements: list[bytes]) -> None:
    binary = b"".join(struct.pack("<I", len(part)) + part for part in elements)
    texts = [base64.b64encode(part).decode() for part in elements]
    for form in (binary, texts):
        assert read_elements(len(elements), form) == elements


@given(st.binary(max_size=40), st.integers(0, 4))
def test_any_bytes_are_elements_or_refused(data: bytes, count: int) -> None:
    try:
        found = read_elements(count, data)
    except InferenceError:
        return
    assert b"".join(struct.pack("<I", len(part)) + part for part in found) == data


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (struct.pack("<I", 0xFFFFFFFF) + b"abc", "4294967295 bytes by its length: 3"),
        (b"\x01\x00", "within the length"),
        (b"", "given are 0"),
        (["###"], "base64"),
        (["a"], "base64"),
        ([7], "strings of base64"),
        (["é"], "base64"),
    ],
)
def test_elements_that_are_not_as_they_say_are_refused(given: bytes | list, words: str) -> None:
    with pytest.raises(InferenceError, match=words):
        read_elements(1, given)


def test_texts_are_written_as_clients_read_them() -> None:
    data = write_binary(["kiwi", "äpfel"])
    assert read_elements(2, data) == [b"kiwi", "äpfel".encode()]
