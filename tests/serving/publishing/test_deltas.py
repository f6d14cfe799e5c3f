import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mobile_assets.bundle import open_bundle
from mobile_assets.deltas import apply_delta
from serving.publishing.publish import publish
from tests.serving.conftest import make_phone

CHECK = "/v1/models/colours/check"


def find_artifact(client: FlaskClient, version: str) -> dict[str, str]:
    files = client.get(f"/v1/models/colours/versions/{version}").json["files"]
    [file] = [file for file in files if file["path"].endswith(".tflite")]
    return dict(file)


def ask(client: FlaskClient, have: list[str]) -> dict[str, object]:
    files = client.post(CHECK, json={"platform": "android", "have": have}).json["files"]
    [artifact] = [file for file in files if file["role"] == "artifact"]
    assert all(file["deltas"] == [] for file in files if file is not artifact)
    return dict(artifact)


def test_a_device_that_kept_the_old_file_is_offered_a_delta_that_leads_to_the_new_one(
    client: FlaskClient,
) -> None:
    old = find_artifact(client, "1.0.0")
    artifact = ask(client, ["0" * 64, old["sha256"]])
    [delta] = artifact["deltas"]  # type: ignore[misc]
    assert delta["from_sha256"] == old["sha256"]
    data = client.get(delta["url"]).data
    assert len(data) == delta["size_bytes"] < int(artifact["size_bytes"]) / 2  # type: ignore[call-overload]
    new = apply_delta(
        client.get(old["url"]).data,
        data,
        str(artifact["sha256"]),
        int(artifact["size_bytes"]),  # type: ignore[call-overload]
    )
    assert new == client.get(str(artifact["url"])).data


@pytest.mark.parametrize("have", [[], ["0" * 64]])
def test_no_delta_is_offered_from_what_a_device_does_not_have(
    client: FlaskClient, have: list[str]
) -> None:
    assert ask(client, have)["deltas"] == []


def test_deltas_are_signed_targets(published: Path, client: FlaskClient, tmp_path: Path) -> None:
    old = find_artifact(client, "1.0.0")["sha256"]
    path = f"colours/1.1.0/deltas/{old[:16]}-colours-1.1.0-litert-fp32.tflite.zst"
    assert make_phone(published, tmp_path / "phone").read(path)


def test_what_hardly_shrinks_gets_no_delta(published: Path) -> None:
    # The .pte of these bundles is three letters over and over: by itself it is as short.
    names = [path.name for path in (published / "targets/colours/1.1.0/deltas").iterdir()]
    assert len(names) == 2
    assert not [name for name in names if ".pte." in name]


def test_the_same_bundle_again_puts_back_a_delta(
    repository: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    folder = repository / "targets/colours/1.1.0/deltas"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for path in before:
        path.unlink()
    publish(bundles["1.1.0"], repository, key_folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_deltas_stand_in_no_manifest(published: Path, bundles: dict[str, Path]) -> None:
    manifest = open_bundle(bundles["1.1.0"]).manifest
    assert "deltas" not in json.dumps([file.path for file in manifest.files])
