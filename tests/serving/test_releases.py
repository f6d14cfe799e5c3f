import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mobile_assets.bundle import write_bundle
from mobile_assets.manifest import Manifest
from serving.app import create_app
from serving.publishing.publish import publish
from serving.settings import Settings
from tests.mobile_assets.builds import make_build
from training.files import sha256_bytes

CHECK = "/v1/models/colours/check"


def test_models_and_versions_are_listed_with_addresses_that_work(client: FlaskClient) -> None:
    [model] = client.get("/v1/models").json["models"]
    assert (model["model"], model["current"]) == ("colours", "1.1.0")
    detail = client.get(model["url"]).json
    assert [entry["version"] for entry in detail["versions"]] == ["1.1.0", "1.0.0"]
    assert [entry["is_current"] for entry in detail["versions"]] == [True, False]
    release = client.get(detail["release_url"])
    assert [entry["version"] for entry in release.json["versions"]] == ["1.0.0", "1.1.0"]
    for entry in detail["versions"]:
        assert client.get(entry["url"]).json["version"] == entry["version"]


def test_a_model_says_whether_photos_of_corrections_are_kept(
    client: FlaskClient, repository: Path
) -> None:
    url, member = "/v1/models/colours", "correction_photos_days"
    assert client.get(url).json[member] is None
    keeping = create_app(Settings(repository, keep_photos=1, keep_photos_days=30)).test_client()
    assert keeping.get(url).json[member] == 30


def test_a_version_gives_its_signed_manifest_and_every_file(client: FlaskClient) -> None:
    found = client.get("/v1/models/colours/versions/1.0.0").json
    signed = client.get(found["manifest_url"]).data
    assert json.loads(signed) == found["manifest"]
    paths = {file["path"] for file in found["files"]}
    assert paths == {"manifest.json", *(file.path for file in Manifest.from_bytes(signed).files)}
    for file in found["files"]:
        data = client.get(file["url"]).data
        assert (sha256_bytes(data), len(data)) == (file["sha256"], file["size_bytes"])


def test_a_version_lists_the_languages_of_its_names_and_serves_them(
    client: FlaskClient, repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    assert client.get("/v1/models/colours/versions/1.1.0").json["languages"] == []
    table = tmp_path / "names.csv"
    table.write_text("label,zh-Hans,de\nred,红色,Rot\n", encoding="utf-8")
    build_dir = make_build(tmp_path / "build", "1.2.0")
    publish(write_bundle(build_dir, tmp_path / "named.zip", names=table), repository, key_folder)
    client = create_app(Settings(repository)).test_client()
    found = client.get("/v1/models/colours/versions/1.2.0").json
    assert found["languages"] == ["de", "zh-Hans"]
    urls = {file["path"]: file["url"] for file in found["files"] if file["role"] == "names"}
    assert client.get(urls["names/zh-Hans.json"]).json == {"red": "红色"}
    taken = client.post(CHECK, json={"platform": "web"}).json["files"]
    assert {file["path"] for file in taken} > set(urls) == {"names/de.json", "names/zh-Hans.json"}


@pytest.mark.parametrize(
    ("body", "endings"),
    [
        ({"platform": "android"}, [".tflite"]),
        ({"platform": "android", "runtimes": ["executorch", "litert"]}, [".pte"]),
        ({"platform": "ios"}, [".mlpackage.zip"]),
        ({"platform": "ios", "precision": "fp32"}, [".tflite"]),
        ({"platform": "ios", "precision": "fp16"}, [".mlpackage.zip"]),
        ({"platform": "ios", "runtimes": ["litert"], "current_version": "1.0.0"}, [".tflite"]),
        ({"platform": "web", "runtimes": ["coreml", "litert"]}, [".tflite"]),
    ],
)
def test_check_names_only_what_the_app_needs(
    client: FlaskClient, body: dict[str, object], endings: list[str]
) -> None:
    answer = client.post(CHECK, json=body).json
    assert (answer["action"], answer["version"]) == ("take", "1.1.0")
    by_role: dict[str, list[str]] = {}
    for file in answer["files"]:
        by_role.setdefault(file["role"], []).append(file["path"])
        assert client.get(file["url"]).status_code == 200
    assert [path for path in by_role["artifact"] if path.endswith(endings[0])]
    assert len(by_role["artifact"]) == 1
    assert set(by_role) == {"artifact", "labels", "golden", "licence"}
    manifest = client.get(answer["manifest"]["url"]).data
    found = (sha256_bytes(manifest), len(manifest))
    assert found == (answer["manifest"]["sha256"], answer["manifest"]["size_bytes"])
    assert len(by_role["golden"]) == 3


def test_check_leaves_an_app_alone_that_runs_the_current_version(client: FlaskClient) -> None:
    response = client.post(CHECK, json={"platform": "web", "current_version": "1.1.0"})
    assert (response.json["action"], response.json["files"]) == ("none", [])
    assert (response.json["code"], response.json["manifest"]) == ("up-to-date", None)
    assert response.json["check_again_s"] == 6 * 3600
    assert response.headers["Cache-Control"] == "no-store"


def test_check_leaves_an_app_alone_for_which_there_is_nothing(client: FlaskClient) -> None:
    answer = client.post(CHECK, json={"platform": "web", "runtimes": ["executorch"]}).json
    assert answer["action"] == "none"
    assert answer["reason"] == "colours 1.1.0 has nothing for web with executorch"
    answer = client.post(CHECK, json={"platform": "web", "precision": "int8"}).json
    assert answer["action"] == "none"
    assert answer["reason"] == "colours 1.1.0 has nothing for web with litert in int8"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "platform"),
        ({"platform": "symbian"}, "Must be one of: android, ios, web, python"),
        ({"platform": "web", "runtimes": ["onnx"]}, "executorch, litert, coreml"),
        ({"platform": "web", "runtimes": []}, "runtimes"),
        ({"platform": "web", "precision": "int4"}, "Must be one of: fp32, fp16, int8"),
        ({"platform": "web", "version": "1.0.0"}, "version: Unknown field"),
        ([], "Invalid input type"),
    ],
)
def test_a_check_that_is_not_as_described_says_what_is_allowed(
    client: FlaskClient, body: object, words: str
) -> None:
    response = client.post(CHECK, json=body)
    assert response.status_code == 422
    assert response.mimetype == "application/problem+json"
    assert words in response.json["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_broken_json_is_a_bad_request(client: FlaskClient, body: bytes) -> None:
    response = client.post(CHECK, data=body, content_type="application/json")
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/v1/models/apples", "unknown-model", "published are: colours"),
        ("/v1/models/colours/versions/9.0.0", "unknown-version", "1.1.0, 1.0.0"),
        ("/v1/models/apples/versions/1.0.0", "unknown-model", "published are: colours"),
        ("/targets/colours/nothing", "unknown-file", "addresses stand in"),
    ],
)
def test_what_is_not_there_names_what_is(
    client: FlaskClient, path: str, kind: str, words: str
) -> None:
    response = client.get(path)
    assert response.status_code == response.json["status"] == 404
    assert response.mimetype == "application/problem+json"
    assert response.json["type"] == f"/docs#{kind}"
    assert response.json["instance"] == path
    assert words in response.json["detail"]


def test_other_errors_are_problems_too(client: FlaskClient) -> None:
    nowhere, wrong = client.get("/nowhere"), client.delete("/v1/models")
    assert (nowhere.status_code, wrong.status_code) == (404, 405)
    assert "GET" in wrong.headers["Allow"]
    for response in (nowhere, wrong):
        assert response.mimetype == "application/problem+json"
        assert response.json["type"] == "about:blank"


def test_a_damaged_manifest_is_the_servers_fault_and_tells_no_paths(repository: Path) -> None:
    client = create_app(Settings(repository)).test_client()
    assert client.get("/readyz").json["status"] == "ready"
    path = next((repository / "targets/colours/1.0.0").glob("*.manifest.json"))
    path.write_bytes(b"x" * path.stat().st_size)
    response = client.get("/v1/models/colours/versions/1.0.0")
    assert response.status_code == 503
    assert str(repository) not in response.text


def test_health_is_ready_then_degraded_and_without_a_repository_not_ready(
    repository: Path, tmp_path: Path
) -> None:
    client = create_app(Settings(repository)).test_client()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"], ready.json["models"]) == (200, "ready", 1)
    (repository / "metadata" / "timestamp.json").write_bytes(b"{}")
    degraded = client.get("/readyz")
    assert (degraded.status_code, degraded.json["status"]) == (200, "degraded")
    assert "timestamp" in degraded.json["problems"][0]
    assert client.get("/v1/models").status_code == 200
    empty = create_app(Settings(tmp_path / "nothing")).test_client()
    assert empty.get("/livez").status_code == 200
    missing = empty.get("/readyz")
    assert (missing.status_code, missing.json["status"]) == (503, "not ready")
    assert "nothing is published" in missing.json["problems"][0]
    assert empty.get("/v1/models").json["type"] == "/docs#not-ready"
