"""NVIDIA's own client against our server, a process of its own; the client is unchanged."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.mobile_assets.builds import COLOURS, PREPROCESS, SIDE_PX, answer, make_photo, score
from tests.serving.test_server import serve, wait_until_ready

PHOTOS = [make_photo(colour) for colour in COLOURS.values()]
X_NHWC = np.stack([PREPROCESS.read(photo) for photo in PHOTOS])


@pytest.fixture(scope="module")
def client(published: Path) -> Iterator[triton.InferenceServerClient]:
    with serve(published) as (address, _):
        wait_until_ready(address)
        with triton.InferenceServerClient(address.removeprefix("http://")) as client:
            yield client


@pytest.fixture(scope="module")
def expected(published: Path) -> list[list[float]]:
    folder = published / "targets/colours/1.1.0/artifacts"
    tflite = next(folder.glob("*.tflite")).read_bytes()
    assert [score(tflite, photo) for photo in PHOTOS]
    return [answer(tflite, photo) for photo in PHOTOS]


def give_pixels(dtype: str = "FP32", binary: bool = True) -> triton.InferInput:
    values = X_NHWC.astype({"FP32": np.float32, "UINT8": np.uint8}[dtype])
    given = triton.InferInput("image", list(values.shape), dtype)
    given.set_data_from_numpy(values, binary_data=binary)
    return given


def give_photos(photos: list[bytes] = PHOTOS) -> triton.InferInput:
    given = triton.InferInput("photo", [len(photos)], "BYTES")
    given.set_data_from_numpy(np.array(photos, dtype=np.object_))
    return given


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("colours") and client.is_model_ready("colours", "1.0.0")
    assert not client.is_model_ready("colours", "9.9.9") and not client.is_model_ready("plums")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    found = client.get_model_metadata("colours")
    assert found["versions"] == ["1.0.0", "1.1.0"]
    assert found["inputs"][0] == {
        "name": "image",
        "datatype": "FP32",
        "shape": [-1, SIDE_PX, SIDE_PX, 3],
    }
    assert client.get_model_metadata("colours", "1.0.0")["versions"] == ["1.0.0"]


@pytest.mark.parametrize("dtype", ["FP32", "UINT8"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_pixels_get_the_artifacts_own_answers(
    client: triton.InferenceServerClient,
    expected: list[list[float]],
    dtype: str,
    binary: bool,
    coding: str | None,
) -> None:
    result = client.infer(
        "colours",
        [give_pixels(dtype, binary)],
        request_id="seven",
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    assert result.as_numpy("probabilities") == pytest.approx(np.array(expected), abs=1e-6)
    assert result.as_numpy("label").tolist() == [label.encode() for label in COLOURS]
    assert result.as_numpy("known_score").shape == (3, 1)
    found = result.get_response()
    assert (found["id"], found["model_version"]) == ("seven", "1.1.0")


def test_photos_files_get_the_same_answers(
    client: triton.InferenceServerClient, expected: list[list[float]]
) -> None:
    wanted = [
        triton.InferRequestedOutput("probabilities"),
        triton.InferRequestedOutput("verdict", binary_data=False),
    ]
    result = client.infer("colours", [give_photos()], outputs=wanted)
    assert result.as_numpy("probabilities") == pytest.approx(np.array(expected), abs=1e-6)
    assert set(result.as_numpy("verdict").tolist()) <= {b"sure", b"unsure", "sure", "unsure"}
    assert result.as_numpy("label") is None


def test_classes_by_name(client: triton.InferenceServerClient) -> None:
    wanted = [triton.InferRequestedOutput("probabilities", class_count=2)]
    rows = client.infer("colours", [give_photos()], outputs=wanted).as_numpy("probabilities")
    assert rows.shape == (3, 2)
    assert [row[0].decode().split(":")[1:] for row in rows] == [
        [str(index), label] for index, label in enumerate(COLOURS)
    ]


def test_a_version_that_is_named_answers(client: triton.InferenceServerClient) -> None:
    old = client.infer("colours", [give_pixels()], model_version="1.0.0")
    new = client.infer("colours", [give_pixels()], model_version="1.1.0")
    assert old.get_response()["model_version"] == "1.0.0"
    assert not np.allclose(old.as_numpy("probabilities"), new.as_numpy("probabilities"))


def test_errors_come_as_the_client_expects_them(client: triton.InferenceServerClient) -> None:
    wrong_shape = triton.InferInput("image", [1, 4, 4, 3], "FP32")
    wrong_shape.set_data_from_numpy(np.zeros((1, 4, 4, 3), np.float32))
    not_finite = give_pixels()
    not_finite.set_data_from_numpy(np.full(X_NHWC.shape, np.nan, np.float32))
    for model, version, given, status, words in [
        ("plums", "", give_pixels(), "404", "no model 'plums'"),
        ("colours", "9.9.9", give_pixels(), "404", "published are: 1.1.0, 1.0.0"),
        ("colours", "", wrong_shape, "400", f"allowed is [N, {SIDE_PX}, {SIDE_PX}, 3]"),
        ("colours", "", not_finite, "400", "numbers of 0 to 255"),
        ("colours", "", give_photos([b"no photo"]), "422", "not a photo"),
    ]:
        with pytest.raises(InferenceServerException) as caught:
            client.infer(model, [given], model_version=version)
        assert caught.value.status() == status
        assert words in caught.value.message()
    assert client.infer("colours", [give_photos()]).as_numpy("label").shape == (3,)
