"""The Open Inference Protocol as any client may speak it; `test_triton.py` has NVIDIA's."""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, PREPROCESS, SIDE_PX, make_photo

URL = "/v2/models/colours/infer"
PHOTOS = [make_photo(colour) for colour in COLOURS.values()]
X_NHWC = np.stack([PREPROCESS.read(photo) for photo in PHOTOS])
IMAGE = {
    "name": "image",
    "datatype": "FP32",
    "shape": list(X_NHWC.shape),
    "data": X_NHWC.ravel().tolist(),
}
PHOTO = {
    "name": "photo",
    "datatype": "BYTES",
    "shape": [3],
    "data": [base64.b64encode(photo).decode() for photo in PHOTOS],
}


def find_outputs(answer: dict) -> dict:
    return {output["name"]: output["data"] for output in answer["outputs"]}


def test_pixels_and_photos_in_json_get_the_same_answers(client: FlaskClient) -> None:
    answers = [client.post(URL, json={"inputs": [given]}) for given in (IMAGE, PHOTO)]
    assert [answer.status_code for answer in answers] == [200, 200]
    pixels, photos = (find_outputs(answer.json) for answer in answers)
    assert pixels == photos
    assert pixels["label"] == list(COLOURS)
    assert list(pixels) == ["probabilities", "known_score", "label", "verdict"]
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_pixels_that_are_no_whole_numbers_are_taken_as_they_are(client: FlaskClient) -> None:
    between = IMAGE | {"data": [min(255.0, value + 0.5) for value in IMAGE["data"]]}
    answers = [client.post(URL, json={"inputs": [given]}).json for given in (IMAGE, between)]
    whole, half = (np.array(find_outputs(answer)["probabilities"]) for answer in answers)
    assert 0 < np.abs(whole - half).max() < 0.05


def test_a_photos_file_may_be_the_whole_body(client: FlaskClient) -> None:
    headers = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    for given in (headers, {"Content-Type": headers["Content-Type"]}):
        answer = client.post(URL, data=PHOTOS[1], headers=given)
        assert find_outputs(answer.json)["label"] == ["green"]
    body = json.dumps({"inputs": [PHOTO]}).encode()
    assert find_outputs(client.post(URL, data=body, headers=given).json)["label"] == list(COLOURS)


def test_one_photo_goes_the_same_way_as_recognise(client: FlaskClient) -> None:
    found = client.post(
        "/v1/models/colours/recognise", data=PHOTOS[0], content_type="image/jpeg"
    ).json
    one = PHOTO | {"shape": [1, 1], "data": PHOTO["data"][:1]}
    outputs = find_outputs(client.post(URL, json={"inputs": [one]}).json)
    assert outputs["label"] == [found["answers"][0]["label"]]
    assert outputs["verdict"] == [found["verdict"]]


def test_versions_are_listed(client: FlaskClient) -> None:
    found = client.get("/v2/models/colours/versions").json
    assert found == {"name": "colours", "versions": ["1.0.0", "1.1.0"]}


def change(given: dict = IMAGE, **changes: object) -> dict:
    return {"inputs": [{**given, **changes}]}


WRONG = [
    ([], "no JSON object"),
    ({}, "inputs are 0"),
    ({"inputs": [IMAGE, IMAGE]}, "inputs are 2"),
    ({"inputs": {}}, "inputs is a list"),
    ({"inputs": [7]}, "inputs is a list"),
    (change(name="picture"), "allowed are image and photo"),
    (change(datatype="INT64"), "allowed are FP32, UINT8"),
    (change(datatype=[]), "allowed are FP32, UINT8"),
    (change(datatype=None), "allowed are FP32, UINT8"),
    (change(PHOTO, datatype="FP32"), "allowed is BYTES"),
    (change(shape=[1, SIDE_PX, SIDE_PX, 3]), f"{SIDE_PX * SIDE_PX * 3} numbers: given are"),
    (change(shape=[0, SIDE_PX, SIDE_PX, 3]), "of N from 1 to 16"),
    (change(shape=[17, SIDE_PX, SIDE_PX, 3]), "of N from 1 to 16"),
    (change(shape=[-3, SIDE_PX, SIDE_PX, 3]), "of N from 1 to 16"),
    (change(shape=[10**30, SIDE_PX, SIDE_PX, 3]), "of N from 1 to 16"),
    (change(shape=[3.0, SIDE_PX, SIDE_PX, 3]), "allowed is"),
    (change(shape=[True, SIDE_PX, SIDE_PX, 3]), "allowed is"),
    (change(shape=[3, 3, SIDE_PX, SIDE_PX]), "allowed is"),
    (change(shape=[]), "allowed is"),
    (change(shape="3"), "allowed is"),
    (change(data={}), "has data"),
    (change(data=["x"]), "no number"),
    (change(parameters=[]), "parameters of an input"),
    (change(parameters={"binary_data_size": 4}), "both data and binary_data_size"),
    (change(PHOTO, shape=[4]), "4 elements of BYTES: given are 3"),
    (change() | {"id": 7}, "id is a text"),
    (change() | {"id": "\0"}, "id is a text"),
    (change() | {"parameters": 7}, "parameters of the request"),
    (change() | {"parameters": {"timeout": -1}}, "microseconds"),
    (change() | {"outputs": [{"name": "logits"}]}, "no output 'logits'"),
    (change() | {"outputs": [{"name": "label"}] * 2}, "asked for twice"),
    (change() | {"outputs": [{"name": "label"}] * 5}, "outputs are 5"),
    (change() | {"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}, "true or"),
    (change() | {"outputs": [{"name": "label", "parameters": {"classification": 2}}]}, "alone"),
]


@pytest.mark.parametrize(("body", "words"), WRONG)
def test_a_request_that_is_not_as_described_is_a_problem_with_an_error(
    client: FlaskClient, body: object, words: str
) -> None:
    response = client.post(URL, json=body)
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert response.json["type"] == "/docs#inference"
    assert words in response.json["error"] == response.json["detail"]


@pytest.mark.parametrize(
    ("data", "headers", "status", "words"),
    [
        (b"", {}, 400, "bytes of 0"),
        (b"{", {}, 400, "no JSON that can be read"),
        (b"\xff", {}, 400, "no JSON that can be read"),
        (b"[" * 100_000, {}, 400, "nested too deeply"),
        (b"[" * 1_000_001, {}, 400, "lists and objects"),
        (b'{"inputs": [NaN]}', {}, 400, "NaN is no JSON number"),
        (b'{"a": ' + b"9" * 5000 + b"}", {}, 400, "value has 5000 digits"),
        (bytes((8 << 20) + 1), {}, 400, "as binary data"),
        (b"{}", {"Inference-Header-Content-Length": "3"}, 400, "3 bytes of 2"),
        (b"{}", {"Inference-Header-Content-Length": "-1"}, 400, "a number of bytes"),
        (b"{}", {"Inference-Header-Content-Length": "9" * 5000}, 400, "a number of bytes"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "application/json"),
        (b"{}", {"Content-Encoding": "br"}, 415, "gzip, deflate"),
        (b"{}", {"Content-Encoding": "gzip"}, 422, "no whole gzip stream"),
        (gzip.compress(bytes(100_000), mtime=0), {"Content-Encoding": "gzip"}, 413, "50000 bytes"),
        (bytes(50_001), {}, 413, "50000 bytes"),
    ],
    ids=range(16),
)
def test_a_body_that_cannot_be_read_is_a_problem_with_an_error(
    published: Path, data: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    limit_bytes = 50_000 if "50000" in words else 32 << 20
    client = create_app(Settings(published, max_upload_bytes=limit_bytes)).test_client()
    response = client.post(URL, data=data, headers={"Content-Type": "application/json", **headers})
    assert response.status_code == status
    assert words in response.json["error"]


def test_binary_data_that_lie_about_their_size_are_refused(client: FlaskClient) -> None:
    data = X_NHWC.tobytes()
    for size_bytes, follow, words in [
        (len(data), data[:-1], "bytes follow"),
        (len(data) + 1, data, "bytes follow"),
        (True, data, "bytes follow"),
        (None, data, "of no input"),
    ]:
        given = {key: value for key, value in IMAGE.items() if key != "data"}
        parameters = {} if size_bytes is None else {"binary_data_size": size_bytes}
        body = json.dumps(change(given, datatype="UINT8", parameters=parameters)).encode()
        headers = {"Inference-Header-Content-Length": str(len(body))}
        response = client.post(URL, data=body + follow, headers=headers)
        assert response.status_code == 400
        assert words in response.json["error"]


def test_what_the_protocol_does_not_have_is_not_found_in_its_own_words(client: FlaskClient) -> None:
    for response in (
        client.get("/v2/models/plums"),
        client.get("/v2/models/colours/versions/9.9.9"),
        client.get("/v2/models/plums/versions/1.0.0/ready"),
        client.post("/v2/repository/models/colours/load"),
    ):
        assert response.status_code == 404
        assert response.json["error"]


def test_without_anything_published_the_server_is_live_and_not_ready(tmp_path: Path) -> None:
    client = create_app(Settings(tmp_path / "nothing")).test_client()
    assert client.get("/v2/health/live").json == {"live": True}
    response = client.get("/v2/health/ready")
    assert (response.status_code, response.json["type"]) == (503, "/docs#not-ready")


def test_a_damaged_version_is_not_ready_and_says_why(repository: Path) -> None:
    path = next((repository / "targets/colours/1.1.0/artifacts").glob("*.tflite"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    client = create_app(Settings(repository)).test_client()
    assert client.get("/v2/models/colours/ready").status_code == 503
    assert client.get("/v2/models/colours/versions/1.0.0/ready").json["ready"] is True
