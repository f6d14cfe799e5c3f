"""A release of two models: the wider one answers on the server, if it is what was signed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from mobile_assets.archive import pack
from mobile_assets.bundle import Bundle, open_bundle, write_bundle
from mobile_assets.manifest import Manifest
from serving.app import create_app
from serving.cli import main
from serving.publishing.publish import publish
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, LABELS, LITERT, make_build, make_photo
from tests.mobile_assets.cloud_builds import (
    CLOUD_LITERT,
    answer_cloud,
    change_cloud_report,
    make_cloud_build,
    make_cloud_tflite,
)
from tests.mobile_assets.test_comparison import (
    CLOUD_RIGHT,
    DEVICE_RIGHT,
    DEVICE_SURE,
    PHOTOS,
    put_verdicts,
)
from tests.serving.conftest import make_phone, set_current
from training.files import sha256_bytes
from training.labels import LabelSet

URL = "/v1/models/colours/recognise"
RED = make_photo(COLOURS["red"])


@pytest.fixture(scope="session")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two-models")
    device, cloud = make_build(folder / "device"), make_cloud_build(folder / "cloud")
    return write_bundle(device, folder / "colours.zip", cloud_dir=cloud)


@pytest.fixture
def release(two_models: Path, key_folder: Path, tmp_path: Path) -> Path:
    """A repository with one version that has a cloud model."""
    publish(two_models, tmp_path / "repository", key_folder)
    return tmp_path / "repository"


def make_client(repository: Path) -> FlaskClient:
    return create_app(Settings(repository)).test_client()


def ask(client: FlaskClient) -> tuple[int, dict]:
    response = client.post(f"{URL}?top_k=3", data=RED, content_type="image/jpeg")
    return response.status_code, response.json


def find_cloud_file(repository: Path) -> Path:
    return next((repository / "targets/colours/1.0.0/cloud/artifacts").glob("*.tflite"))


def test_the_cloud_model_answers_and_says_so(release: Path) -> None:
    status, found = ask(make_client(release))
    assert (status, found["answered_by"], found["architecture"]) == (200, "cloud", "ghostnet_100")
    given = {entry["label"]: entry["probability"] for entry in found["answers"]}
    expected = answer_cloud(make_cloud_tflite(), RED)
    assert given == pytest.approx(dict(zip(COLOURS, expected, strict=True)), abs=1e-6)


def test_without_a_cloud_model_the_devices_artifact_answers(client: FlaskClient) -> None:
    status, found = ask(client)
    assert (status, found["answered_by"], found["architecture"]) == (200, "device", "ghostnet_050")


def test_a_rollback_takes_back_the_cloud_model_too(
    release: Path, bundles: dict[str, Path], key_folder: Path
) -> None:
    client = make_client(release)
    assert ask(client)[1]["answered_by"] == "cloud"
    publish(bundles["1.1.0"], release, key_folder)
    assert ask(client)[1]["answered_by"] == "device"
    set_current("colours", "1.0.0", release, key_folder)
    assert ask(client)[1]["answered_by"] == "cloud"


def test_the_clouds_files_are_signed_like_all_others(
    release: Path, two_models: Path, tmp_path: Path
) -> None:
    phone = make_phone(release, tmp_path / "phone")
    bundle = open_bundle(two_models)
    own = [file.path for file in bundle.manifest.files if file.role.startswith("cloud-")]
    assert len(own) > 5
    for path in own:
        assert phone.read(f"colours/1.0.0/{path}") == bundle.read(path)


def test_an_app_is_never_told_to_take_what_is_the_clouds(release: Path) -> None:
    client = make_client(release)
    for platform in ("android", "ios", "web", "python"):
        answer = client.post("/v1/models/colours/check", json={"platform": platform}).json
        assert answer["action"] == "take"
        assert not [file for file in answer["files"] if "cloud" in file["path"]]
    files = client.get("/v1/models/colours/versions/1.0.0").json["files"]
    assert {file["role"] for file in files} >= {"artifact", "cloud-artifact", "cloud-golden"}


def test_pages_and_lists_show_both_models(release: Path) -> None:
    page = make_client(release).get("/models/colours/1.0.0").text
    for words in ("ghostnet_050", "ghostnet_100", "98.0 %", "this server", CLOUD_LITERT):
        assert words in page
    done = CliRunner().invoke(main, ["releases", "list", "--repository", str(release)])
    assert "the server answers with ghostnet_100, top-1 98.0 % on 200 photos" in done.output


def test_the_page_says_what_the_cloud_adds(key_folder: Path, tmp_path: Path) -> None:
    device, cloud = make_build(tmp_path / "device"), make_cloud_build(tmp_path / "cloud")
    put_verdicts(device, LITERT, DEVICE_RIGHT, DEVICE_SURE)
    put_verdicts(cloud, CLOUD_LITERT, CLOUD_RIGHT, [True] * PHOTOS)
    path = write_bundle(device, tmp_path / "b.zip", cloud_dir=cloud)
    publish(path, tmp_path / "repository", key_folder)
    page = make_client(tmp_path / "repository").get("/models/colours/1.0.0").text
    assert "not sure of 20: of these the cloud names 85.0% rightly" in page


def test_swapped_cloud_artifact(release: Path) -> None:
    """Another model in the place of the cloud's: nothing answers, and nothing else steps in."""
    find_cloud_file(release).write_bytes(make_cloud_tflite(strength=-0.04))
    client = make_client(release)
    assert ask(client)[0] == 503
    ready = client.get("/readyz").json
    assert ready["status"] == "not ready"
    assert any("cloud" in problem for problem in ready["problems"])


def test_swapped_cloud_artifact_that_is_put_back(
    release: Path, two_models: Path, key_folder: Path
) -> None:
    find_cloud_file(release).write_bytes(make_cloud_tflite(strength=-0.04))
    client = make_client(release)
    assert ask(client)[0] == 503
    publish(two_models, release, key_folder)
    assert ask(client)[0] == 200
    assert client.get("/readyz").json == {**client.get("/readyz").json, "status": "ready"}


def resign(
    bundle: Bundle, changes: dict[str, bytes], manifest: Manifest, key_folder: Path, folder: Path
) -> Path:
    """Publishes a bundle with other content, as somebody with the keys could."""
    names = [file.path for file in manifest.files]
    members = [(name, changes.get(name) or bundle.read(name)) for name in names]
    path = folder / "forged.zip"
    path.write_bytes(pack([("manifest.json", manifest.to_bytes()), *members]))
    publish(path, folder / "repository", key_folder)
    return folder / "repository"


def forge(bundle: Bundle, tflite: bytes) -> Manifest:
    """The manifest with another cloud artifact, hashes and parity included."""
    cloud = bundle.manifest.cloud
    assert cloud is not None
    (artifact,) = cloud.artifacts
    digest = sha256_bytes(tflite)
    assert artifact.parity is not None
    forged = replace(
        artifact,
        file=replace(artifact.file, sha256=digest, size_bytes=len(tflite)),
        parity=replace(artifact.parity, artifact_sha256=digest),
    )
    return replace(bundle.manifest, cloud=replace(cloud, artifacts=(forged,)))


@pytest.mark.parametrize(
    ("tflite", "words"),
    [
        (make_cloud_tflite(strength=0.01), "failed its self-test"),
        (make_cloud_tflite(labels=LabelSet(LABELS.names[::-1])), "holds other labels"),
        (b"not a model at all", "colours 1.0.0"),
    ],
    ids=["another model", "other labels", "no model"],
)
def test_signed_cloud_artifact_that_is_not_what_parity_spoke_for(
    two_models: Path, key_folder: Path, tmp_path: Path, tflite: bytes, words: str
) -> None:
    """Even well signed, it must bear the release's labels and give the golden answers."""
    bundle = open_bundle(two_models)
    path = f"cloud/artifacts/{CLOUD_LITERT}"
    repository = resign(bundle, {path: tflite}, forge(bundle, tflite), key_folder, tmp_path)
    client = make_client(repository)
    assert [ask(client)[0] for _ in range(2)] == [503, 503]
    assert words in json.dumps(client.get("/readyz").json["problems"])


def test_a_cloud_model_taken_by_hand_is_marked_on_the_page(
    key_folder: Path, tmp_path: Path
) -> None:
    cloud = make_cloud_build(tmp_path / "cloud")
    change_cloud_report(cloud, artifact_top1=0.2, loss_high=0.8)
    device = make_build(tmp_path / "device")
    accepted = frozenset({CLOUD_LITERT})
    path = write_bundle(device, tmp_path / "b.zip", accepted, cloud_dir=cloud)
    publish(path, tmp_path / "repository", key_folder)
    assert (
        "accepted by hand" in make_client(tmp_path / "repository").get("/models/colours/1.0.0").text
    )
