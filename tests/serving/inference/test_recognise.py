import gzip
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image

from conversion.artifact import read_build
from conversion.parity.confidences import write_confidence
from mobile_assets.bundle import write_bundle
from serving.app import create_app
from serving.errors import NoArtifactError
from serving.inference.engine import Engine
from serving.inference.loaded import LoadedVersion, LoadedVersions
from serving.inference.places import Places
from serving.inference.schemas import RecogniseAnswer
from serving.publishing.policy import pin
from serving.publishing.publish import change_release, publish
from serving.settings import Settings
from serving.storage import Storage
from tests.mobile_assets.builds import (
    COLOURS,
    answer,
    make_build,
    make_confidence,
    make_photo,
    write_build,
)
from training.files import write_sums
from training.hierarchy import Hierarchy
from training.labels import LabelSet

URL = "/v1/models/colours/recognise"
RED, GREEN = make_photo(COLOURS["red"]), make_photo(COLOURS["green"])


def read_tflite(published: Path, version: str) -> bytes:
    folder = published / "targets" / "colours" / version / "artifacts"
    return next(folder.glob("*.tflite")).read_bytes()


def make_form(data: bytes, field: str = "photo") -> dict[str, object]:
    return {"data": {field: (io.BytesIO(data), "photo.jpg")}, "content_type": "multipart/form-data"}


@pytest.mark.parametrize("label", COLOURS)
@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_answer_is_the_artifacts_own(
    client: FlaskClient, published: Path, version: str, label: str
) -> None:
    photo = make_photo(COLOURS[label])
    url = f"{URL}?version={version}&top_k=3"
    found = client.post(url, data=photo, content_type="image/jpeg").json
    expected = answer(read_tflite(published, version), photo)
    given = {entry["label"]: entry["probability"] for entry in found["answers"]}
    assert given == pytest.approx(dict(zip(COLOURS, expected, strict=True)), abs=1e-6)
    assert found["answers"][0]["label"] == label
    assert (found["model"], found["version"]) == ("colours", version)
    assert set(found["timings_ms"]) == {"wait", "load", "prepare", "run", "total"}


def test_without_a_version_the_current_one_answers_also_a_form(client: FlaskClient) -> None:
    response = client.post(URL, **make_form(GREEN))
    assert response.json["version"] == "1.1.0"
    assert response.json["answers"][0]["label"] == "green"
    assert response.headers["Cache-Control"] == "no-store"


def test_a_channels_current_version_answers(repository: Path, key_folder: Path) -> None:
    change_release("colours", repository, [key_folder], pin("beta", "1.0.0"))
    client = create_app(Settings(repository)).test_client()
    for query, version in [
        ("channel=beta", "1.0.0"),
        ("channel=stable", "1.1.0"),
        ("channel=beta&version=1.0.0", "1.0.0"),
        ("", "1.1.0"),
    ]:
        answer = client.post(f"{URL}?{query}", data=RED, content_type="image/jpeg")
        assert answer.json["version"] == version


def test_a_compressed_body_is_inflated_and_a_bomb_is_not(published: Path) -> None:
    client = create_app(Settings(published, max_upload_bytes=5000)).test_client()
    for body, status in [(gzip.compress(RED), 200), (gzip.compress(bytes(5001)), 413)]:
        headers = {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"}
        assert client.post(URL, data=body, headers=headers).status_code == status
    headers = {"Content-Encoding": "gzip"}
    assert client.post(URL, headers=headers, **make_form(RED)).status_code == 415


def test_top_k_limits_the_answers_most_probable_first(client: FlaskClient) -> None:
    for top_k, count in [(1, 1), (2, 2), (1000, 3)]:
        response = client.post(f"{URL}?top_k={top_k}", data=RED, content_type="image/jpeg")
        shares = [entry["probability"] for entry in response.json["answers"]]
        assert len(shares) == count
        assert shares == sorted(shares, reverse=True)


def test_the_verdict_follows_the_releases_threshold(client: FlaskClient) -> None:
    grey = make_photo((90, 90, 90))  # as much of each colour: a third, below the threshold of 0.6
    assert client.post(URL, data=RED, content_type="image/jpeg").json["verdict"] == "sure"
    assert client.post(URL, data=grey, content_type="image/jpeg").json["verdict"] == "unsure"


@pytest.fixture(scope="module")
def nested(key_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A release with coarse classes: "cold" is green or blue; below 0.35 nothing is known."""
    folder = tmp_path_factory.mktemp("nested")
    build_dir = make_build(folder / "build", strength=0.05)
    hierarchy = Hierarchy(LabelSet(("cold", "warm")), (1, 0, 0))
    build = replace(read_build(build_dir), hierarchy=hierarchy)
    write_build(build_dir, build)
    for artifact in build.artifacts:
        confidence = make_confidence(0.9, coarse=0.8, min_score=0.35)
        write_confidence(build_dir / "parity", artifact.file_name, confidence)
    write_sums(build_dir / "parity")
    bundle = write_bundle(build_dir, folder / "colours.zip")
    publish(bundle, folder / "repository", key_folder)
    return create_app(Settings(folder / "repository")).test_client()


@pytest.mark.parametrize(
    ("colour", "verdict", "words"),
    [
        ((220, 30, 30), "sure", "red"),
        ((30, 200, 195), "coarse", "cold (which one is not sure)"),
        ((200, 198, 30), "unsure", "not sure: perhaps red"),
        ((100, 100, 100), "unknown", "not a known item"),
    ],
)
def test_an_answer_says_in_words_how_far_it_can_be_trusted(
    nested: FlaskClient, colour: tuple[int, int, int], verdict: str, words: str
) -> None:
    found = nested.post(URL, data=make_photo(colour), content_type="image/jpeg").json
    assert found["verdict"] == verdict
    assert found["words"].startswith(words)
    shares = {entry["label"]: entry["probability"] for entry in found["answers"]}
    coarse = {"warm": shares["red"], "cold": shares["green"] + shares["blue"]}
    assert found["coarse"]["label"] == max(coarse, key=lambda name: coarse[name])
    names = {"warm": {"red"}, "cold": {"green", "blue"}}[found["coarse"]["label"]]
    assert {choice["label"] for choice in found["coarse"]["choices"]} == names
    assert found["coarse"]["probability"] == pytest.approx(max(coarse.values()), abs=1e-6)


def test_an_answer_has_the_form_that_the_api_describes(
    nested: FlaskClient, client: FlaskClient
) -> None:
    for asked in (nested, client):  # with coarse classes and without
        found = asked.post(URL, data=RED, content_type="image/jpeg").json
        assert RecogniseAnswer().validate(found) == {}
        assert set(found) == set(RecogniseAnswer().fields)


def test_the_api_names_every_verdict(client: FlaskClient) -> None:
    schema = client.get("/openapi.json").json["components"]["schemas"]["RecogniseAnswer"]
    assert schema["properties"]["verdict"]["enum"] == ["sure", "coarse", "unsure", "unknown"]
    assert client.post(URL, data=RED, content_type="image/jpeg").json["coarse"] is None


def make_png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def add_to_form(**fields: object) -> dict[str, object]:
    """Returns a form with a photo and more."""
    form = make_form(RED)
    assert isinstance(form["data"], dict)
    return form | {"data": form["data"] | fields}


@pytest.mark.parametrize(
    ("request_arguments", "status", "words"),
    [
        ({"data": b"", "content_type": "image/jpeg"}, 422, "no bytes"),
        ({"data": b"not a photo", "content_type": "image/jpeg"}, 422, "allowed are JPEG"),
        ({"data": RED[:400], "content_type": "image/jpeg"}, 422, "not a readable photo"),
        ({"data": make_png(10_000, 6_000), "content_type": "image/png"}, 422, "60.0 megapixels"),
        ({"data": RED, "content_type": "text/plain"}, 415, "allowed are image/*"),
        ({"data": RED}, 415, "of no stated type"),
        (make_form(RED, "picture"), 422, "its fields: picture"),
        (add_to_form(top_k="1"), 422, "its fields: photo, top_k"),
        ({"data": {"photo": "as text"}, "content_type": "multipart/form-data"}, 422, "a file in"),
        (add_to_form(photo=[(io.BytesIO(RED), "1"), (io.BytesIO(RED), "2")]), 422, "once"),
        (make_form(b""), 422, "no bytes"),
        ({"data": b"--x", "content_type": "multipart/form-data"}, 422, "its fields: none"),
    ],
)
def test_a_body_without_a_usable_photo_is_a_problem_that_says_why(
    client: FlaskClient, request_arguments: dict[str, object], status: int, words: str
) -> None:
    response = client.post(URL, **request_arguments)
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert words in response.json["detail"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("top_k=0", 422, "top_k"),
        ("top_k=1001", 422, "top_k"),
        ("top_k=many", 422, "top_k"),
        ("topk=3", 422, "topk: Unknown field"),
        ("version=", 422, "version"),
        ("channel=beta", 404, "no channel 'beta'; there are: stable"),
        ("channel=stable&version=1.0.0", 409, "not current in stable: that is 1.1.0"),
        ("channel=stable&version=1.0", 404, "published are: 1.1.0, 1.0.0"),
        ("version=9.9.9", 404, "published are: 1.1.0, 1.0.0"),
        ("version=../../x", 404, "published are: 1.1.0, 1.0.0"),
    ],
)
def test_a_wrong_question_is_a_problem_that_says_what_is_allowed(
    client: FlaskClient, query: str, status: int, words: str
) -> None:
    response = client.post(f"{URL}?{query}", data=RED, content_type="image/jpeg")
    assert response.status_code == status
    assert words in response.json["detail"]


def test_a_body_over_the_limit_is_refused_and_the_next_request_served(published: Path) -> None:
    client = create_app(Settings(published, max_upload_bytes=2000)).test_client()
    for arguments in ({"data": bytes(2001), "content_type": "image/png"}, make_form(bytes(2001))):
        response = client.post(URL, **arguments)
        assert response.status_code == 413
        assert "allowed are 2000 bytes" in response.json["detail"]
    assert client.post(URL, data=RED, content_type="image/jpeg").status_code == 200


def test_threads_get_the_answers_of_their_own_photos(published: Path) -> None:
    # One version fits and two are asked for: loading and dropping happen all the time.
    engine = Engine(LoadedVersions(Storage(published), memory_bytes=1), Places(4, 100, wait_s=60))
    photos = {label: make_photo(colour) for label, colour in COLOURS.items()}
    jobs = [(label, version) for label in photos for version in ("1.0.0", "1.1.0")] * 20

    def recognise(job: tuple[str, str]) -> tuple[str, str]:
        with engine.admit(lambda: False) as ticket:
            found = engine.recognise(ticket, "colours", job[1], photos[job[0]], 1).found
        return found.answers[0].label, found.version

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(recognise, jobs)) == jobs


def test_when_the_line_is_full_the_server_is_busy_and_then_serves_again(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(published, recognise_at_once=1, recognise_queue=0))
    entered, leave = threading.Event(), threading.Event()
    find = LoadedVersions.find

    def wait_inside(versions: LoadedVersions, model: str, version: str) -> LoadedVersion:
        entered.set()
        assert leave.wait(60)
        return find(versions, model, version)

    monkeypatch.setattr(LoadedVersions, "find", wait_inside)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(app.test_client().post, URL, data=RED, content_type="image/jpeg")
        assert entered.wait(60)
        second = app.test_client().post(URL, data=RED, content_type="image/jpeg")
        leave.set()
        assert first.result().status_code == 200
    assert second.status_code == 503
    assert second.json["type"] == "/docs#busy"
    assert second.headers["Retry-After"] == "1"


def test_a_version_without_litert_says_what_it_has(key_folder: Path, tmp_path: Path) -> None:
    folder = make_build(tmp_path / "build", "1.0.0")
    build = read_build(folder)
    kept = tuple(artifact for artifact in build.artifacts if artifact.runtime != "litert")
    next(folder.glob("*.tflite")).unlink()
    write_build(folder, replace(build, artifacts=kept))
    publish(write_bundle(folder, tmp_path / "b.zip"), tmp_path / "repository", key_folder)
    storage = Storage(tmp_path / "repository")
    with pytest.raises(NoArtifactError, match=r"no litert artifact.*it has: coreml, executorch"):
        LoadedVersions(storage, 1).find("colours", "1.0.0")
    client = create_app(Settings(tmp_path / "repository")).test_client()
    response = client.post(URL, data=RED, content_type="image/jpeg")
    assert (response.status_code, response.json["type"]) == (409, "/docs#no-artifact")


def test_a_tampered_artifact_never_answers(repository: Path) -> None:
    client = create_app(Settings(repository)).test_client()
    path = next((repository / "targets/colours/1.1.0/artifacts").glob("*.tflite"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert client.post(URL, data=RED, content_type="image/jpeg").status_code == 503
    good = client.post(f"{URL}?version=1.0.0", data=RED, content_type="image/jpeg")
    assert good.status_code == 200
