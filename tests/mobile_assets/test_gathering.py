"""A release of two models: what of the cloud's build enters, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conversion.artifact import artifact_name, read_build
from conversion.errors import ArtifactError
from conversion.variants import find_variant
from mobile_assets.bundle import open_bundle, write_bundle
from mobile_assets.distributions import distribution_path
from mobile_assets.errors import BundleError
from mobile_assets.installed import choose_other_files
from mobile_assets.platforms import PLATFORMS
from tests.mobile_assets.builds import (
    MODEL,
    add_distribution,
    describe,
    make_build,
    write_build,
)
from tests.mobile_assets.cloud_builds import (
    CLOUD_CHECKPOINT_SHA256,
    CLOUD_LITERT,
    CLOUD_PREPROCESS,
    change_cloud_report,
    make_cloud_build,
    make_cloud_tflite,
)
from training.evaluation.distribution import CONFIDENCE_BINS, Distribution
from training.hierarchy import Hierarchy
from training.labels import LabelSet


@pytest.fixture(scope="module")
def cloud_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole cloud build, changed by no test."""
    return make_cloud_build(tmp_path_factory.mktemp("cloud") / "build")


def test_the_cloud_model_lies_in_a_folder_of_its_own(two_models_path: Path) -> None:
    bundle = open_bundle(two_models_path)
    cloud = bundle.manifest.cloud
    assert cloud is not None
    assert (cloud.architecture, cloud.checkpoint_sha256) == (
        "ghostnet_100",
        CLOUD_CHECKPOINT_SHA256,
    )
    assert cloud.preprocess == CLOUD_PREPROCESS
    assert [artifact.path for artifact in cloud.artifacts] == [f"cloud/artifacts/{CLOUD_LITERT}"]
    assert cloud.artifacts[0].platforms == ("python",)
    assert bundle.read(f"cloud/artifacts/{CLOUD_LITERT}") == make_cloud_tflite()
    assert all(photo.file.startswith("cloud/golden/") for photo in cloud.golden)
    roles = {file.role: file.path for file in bundle.manifest.other_files}
    assert roles["cloud-report"].startswith("cloud/reports/")
    assert roles["cloud-licence"] == "cloud/licences/photos.txt"
    assert bundle.manifest.architecture == "ghostnet_050"


def test_no_phone_needs_anything_of_the_cloud(two_models_path: Path, bundle_path: Path) -> None:
    both, alone = open_bundle(two_models_path).manifest, open_bundle(bundle_path).manifest
    for platform in PLATFORMS:
        assert both.artifacts_for(platform) == alone.artifacts_for(platform)
    assert choose_other_files(both) == choose_other_files(alone)


def test_two_models_same_input_same_bytes(
    two_models_path: Path, build_dir: Path, cloud_dir: Path, tmp_path: Path
) -> None:
    again = write_bundle(build_dir, tmp_path / "again.zip", cloud_dir=cloud_dir)
    assert again.read_bytes() == two_models_path.read_bytes()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("red", "blue", "green"), r"its label 1 is 'blue', the device's 'green'"),
        (("red", "green", "blue", "grey"), r"it has 4, the device 3"),
    ],
)
def test_a_cloud_model_with_other_labels_is_refused(
    build_dir: Path, tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    cloud = make_cloud_build(tmp_path / "cloud", labels=LabelSet(names))
    with pytest.raises(BundleError, match=words):
        write_bundle(build_dir, tmp_path / "b.zip", cloud_dir=cloud)
    assert not (tmp_path / "b.zip").exists()


def test_a_cloud_model_that_did_not_pass_does_not_enter(build_dir: Path, tmp_path: Path) -> None:
    cloud = make_cloud_build(tmp_path / "cloud")
    change_cloud_report(cloud, artifact_top1=0.2, loss_high=0.8)
    with pytest.raises(BundleError, match=r"refused 1 of 1 artifacts.*left for litert"):
        write_bundle(build_dir, tmp_path / "b.zip", cloud_dir=cloud)
    taken = write_bundle(build_dir, tmp_path / "b.zip", frozenset({CLOUD_LITERT}), cloud_dir=cloud)
    made = open_bundle(taken).manifest.cloud
    assert made is not None
    assert made.artifacts[0].accepted_by_hand


def test_a_cloud_model_that_no_server_runs_is_refused(build_dir: Path, tmp_path: Path) -> None:
    cloud = make_cloud_build(tmp_path / "cloud")
    name = artifact_name("colours-cloud", "1.0.0", find_variant("executorch-fp32"))
    build = read_build(cloud)
    (cloud / CLOUD_LITERT).rename(cloud / name)
    own = describe(cloud, name, find_variant("executorch-fp32"))
    write_build(cloud, replace(build, artifacts=(own,)))
    with pytest.raises(BundleError, match=rf"no litert artifact.*it has {name}"):
        write_bundle(build_dir, tmp_path / "b.zip", cloud_dir=cloud)


def test_what_the_server_does_not_run_is_left_out_and_told(build_dir: Path, tmp_path: Path) -> None:
    cloud = make_cloud_build(tmp_path / "cloud")
    name = artifact_name("colours-cloud", "1.0.0", find_variant("executorch-fp32"))
    build = read_build(cloud)
    (cloud / name).write_bytes(b"pte" * 50)
    other = describe(cloud, name, find_variant("executorch-fp32"))
    write_build(cloud, replace(build, artifacts=(*build.artifacts, other)))
    told: list[str] = []
    out = write_bundle(build_dir, tmp_path / "b.zip", tell=told.append, cloud_dir=cloud)
    assert told[0] == f"left out {name}: the server answers with litert"
    assert not any(name in file.path for file in open_bundle(out).manifest.files)


def test_a_cloud_model_with_other_coarse_classes_is_refused(
    build_dir: Path, tmp_path: Path
) -> None:
    hierarchy = Hierarchy(LabelSet(("cold", "warm")), (1, 0, 0))
    cloud = make_cloud_build(tmp_path / "cloud", hierarchy=hierarchy)
    with pytest.raises(BundleError, match="other coarse classes than the device's"):
        write_bundle(build_dir, tmp_path / "b.zip", cloud_dir=cloud)


def test_builds_of_the_same_name_are_refused(tmp_path: Path) -> None:
    device, cloud = make_build(tmp_path / "device"), make_build(tmp_path / "cloud")
    with pytest.raises(BundleError, match=rf"both builds have a file.*--model {MODEL}-cloud"):
        write_bundle(device, tmp_path / "b.zip", cloud_dir=cloud)


def test_a_name_of_neither_build_cannot_be_accepted(
    build_dir: Path, cloud_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"no artifact 'other\.tflite'"):
        write_bundle(
            build_dir, tmp_path / "b.zip", frozenset({"other.tflite"}), cloud_dir=cloud_dir
        )


def test_how_answers_are_distributed_is_a_report_that_no_phone_takes(tmp_path: Path) -> None:
    name = artifact_name(MODEL, "1.0.0", find_variant("litert-fp32"))
    found = Distribution((0,) * (CONFIDENCE_BINS - 1) + (3,), {"red": 3}, {"sure": 3})
    build_dir = add_distribution(make_build(tmp_path / "build"), name, found)
    bundle = open_bundle(write_bundle(build_dir, tmp_path / "bundle.zip"))
    path = distribution_path(f"artifacts/{name}", is_cloud=False)
    assert Distribution.from_json(json.loads(bundle.read(path))) == found
    assert bundle.manifest.find_file(path).role == "report"
    assert path not in {file.path for file in choose_other_files(bundle.manifest)}
