"""Requests of any kind are read, or refused with a typed error; answers say what was asked for."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from serving.errors import InferenceError
from serving.inference.messages import LABEL, Reply, Request, Wanted, read_request
from training.answers import Answers

SIDE_PX = 2
NAMES = ("inputs", "outputs", "parameters", "id", "name", "shape", "datatype", "data")
WORDS = st.sampled_from(["image", "photo", "FP32", "UINT8", "BYTES", "label", "binary_data_size"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
ANY = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | WORDS, inner, max_size=5)
    ),
    max_leaves=12,
)
ROWS = np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]], np.float32)
REPLY = Reply(
    "colours",
    "1.0.0",
    ["red", "green", "blue"],
    Answers(ROWS, np.array([-1.5, 0.25], np.float32)),
    ["green", "red"],
    ["sure", "unsure"],
)


@settings(max_examples=200)
@given(st.fixed_dictionaries({"inputs": st.lists(ANY, max_size=2) | ANY, "outputs": ANY}) | ANY)
def test_any_json_is_read_or_refused(table: object) -> None:
    try:
        found = read_request(json.dumps(table).encode(), None, SIDE_PX)
    except InferenceError:
        return
    assert 1 <= len(found.given) <= 16


@given(st.binary(max_size=80), st.none() | st.integers(0, 90))
def test_any_bytes_are_read_or_refused(body: bytes, header_length: int | None) -> None:
    try:
        found = read_request(body, header_length, SIDE_PX)
    except InferenceError:
        return
    assert header_length == 0
    assert found.given == [body]


def ask(*wanted: Wanted, name: str | None = None) -> tuple[dict, bytes]:
    body, header_length = REPLY.write(Request(name, [b""], wanted, None))
    size = len(body) if header_length is None else header_length
    return json.loads(body[:size]), body[size:]


def test_an_answer_holds_what_was_asked_for_in_that_order() -> None:
    table, follow = ask(Wanted(LABEL, False), Wanted(PROBABILITIES, False), name="seven")
    assert [output["name"] for output in table["outputs"]] == [LABEL, PROBABILITIES]
    assert table["outputs"][0]["data"] == ["green", "red"]
    assert table["outputs"][1]["data"] == pytest.approx(ROWS.ravel().tolist())
    assert (table["id"], table["model_name"], table["model_version"]) == (
        "seven",
        "colours",
        "1.0.0",
    )
    assert follow == b""
    assert "id" not in ask(Wanted(LABEL, False))[0]


def test_binary_data_follow_in_the_order_of_their_outputs() -> None:
    table, follow = ask(
        Wanted(KNOWN_SCORE, True), Wanted(LABEL, False), Wanted(PROBABILITIES, True)
    )
    sizes = [output.get("parameters", {}).get("binary_data_size") for output in table["outputs"]]
    assert sizes == [8, None, 24]
    assert np.frombuffer(follow[:8], "<f4").tolist() == [-1.5, 0.25]
    np.testing.assert_array_equal(np.frombuffer(follow[8:], "<f4").reshape(2, 3), ROWS)


@pytest.mark.parametrize(("classes", "shape"), [(1, [2, 1]), (2, [2, 2]), (99, [2, 3])])
def test_classes_come_most_probable_first_and_equal_ones_in_label_order(
    classes: int, shape: list[int]
) -> None:
    table, _ = ask(Wanted(PROBABILITIES, False, classes))
    (output,) = table["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", shape)
    every = ["0.700000:1:green", "0.200000:2:blue", "0.100000:0:red"]
    every += ["0.400000:0:red", "0.400000:2:blue", "0.200000:1:green"]
    count = shape[1]
    assert output["data"] == every[:count] + every[3 : 3 + count]
