import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion.artifact import (
    Artifact,
    artifact_bytes,
    check_model_name,
    check_version,
    read_build,
    read_golden,
    read_parity,
)
from conversion.errors import ArtifactError
from conversion.variants import KEYS
from training.errors import ConfigError
from training.files import write_sums


@pytest.mark.parametrize("name", ["a", "fruit-2", "v0-crop-leaf", "a" * 64])
def test_model_names_that_are_allowed(name):
    assert check_model_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a--b", "../a", "a/b", "a" * 65, "ä"])
def test_model_names_that_are_refused(name):
    with pytest.raises(ConfigError, match="model name"):
        check_model_name(name)


@pytest.mark.parametrize("version", ["0.0.0", "1.2.3", "10.20.30-rc.1", "1.0.0-alpha-b.2"])
def test_versions_that_are_allowed(version):
    assert check_version(version) == version


@pytest.mark.parametrize(
    "version", ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3+5", "1.2.3\n"]
)
def test_versions_that_are_refused(version):
    with pytest.raises(ConfigError, match="version"):
        check_version(version)


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_a_typed_error(text):
    try:
        assert check_version(text) == text
        assert len(text.partition("-")[0].split(".")) == 3
    except ConfigError:
        pass


def test_a_folder_becomes_the_same_zip_whatever_its_dates_and_modes(tmp_path: Path):
    for place, mode in (("one", 0o600), ("two", 0o755)):
        folder = tmp_path / place / "x.mlpackage"
        (folder / "Data").mkdir(parents=True)
        (folder / "Manifest.json").write_text("{}")
        (folder / "Data" / "weights").write_bytes(b"w" * 100)
        (folder / "Manifest.json").chmod(mode)
    first, second = (artifact_bytes(tmp_path / p / "x.mlpackage") for p in ("one", "two"))
    assert first == second
    names = zipfile.ZipFile(BytesIO(first)).namelist()
    assert names == ["x.mlpackage/Data/weights", "x.mlpackage/Manifest.json"]


def test_a_link_in_a_folder_is_refused(tmp_path: Path):
    folder = tmp_path / "x.mlpackage"
    folder.mkdir()
    (folder / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(ArtifactError, match="links"):
        artifact_bytes(folder)


def test_a_missing_artifact_is_a_typed_error(tmp_path: Path):
    with pytest.raises(ArtifactError, match="cannot read"):
        artifact_bytes(tmp_path / "none.tflite")


@pytest.mark.parametrize("name", ["../a.tflite", "a/b.tflite", ".a.tflite", "", "a.pte"])
def test_artifact_names_that_are_refused(name):
    with pytest.raises(ArtifactError):
        Artifact(name, "litert", "fp32", "", "0" * 64, 1, {}, {}, {})


def test_a_build_reads_back_as_it_was_written(build, checkpoint):
    assert build.model == "produce"
    assert build.version == "1.2.3"
    assert build.checkpoint_sha256 == checkpoint.sha256
    assert build.labels == checkpoint.labels
    assert build.preprocess == checkpoint.preprocess
    assert build.mean == checkpoint.normalise.mean
    assert [artifact.variant.key for artifact in build.artifacts] == list(KEYS)


def test_a_changed_artifact_is_refused(copy_of_build: Path):
    path = next(copy_of_build.glob("*.tflite"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="changed after it was written"):
        read_build(copy_of_build)


def test_a_file_added_to_a_package_is_refused(copy_of_build: Path):
    (next(copy_of_build.glob("*.mlpackage")) / "extra.txt").write_text("x")
    with pytest.raises(ArtifactError, match="is not the artifact"):
        read_build(copy_of_build)


def test_an_unfinished_build_is_refused(copy_of_build: Path):
    (copy_of_build / "SHA256SUMS").unlink()
    with pytest.raises(ArtifactError, match="not complete"):
        read_build(copy_of_build)


@pytest.mark.parametrize("key", ["labels", "preprocess", "mean", "artifacts", "schema", "model"])
def test_a_build_without_one_of_its_parts_is_refused(copy_of_build: Path, key: str):
    if key == "labels":
        (copy_of_build / "labels.txt").unlink()
    else:
        value = json.loads((copy_of_build / "build.json").read_text())
        del value[key]
        (copy_of_build / "build.json").write_text(json.dumps(value))
    write_sums(copy_of_build)
    with pytest.raises(ArtifactError):
        read_build(copy_of_build)


def test_reading_parity_before_it_ran_is_a_typed_error(build_folder: Path):
    with pytest.raises(ArtifactError, match="not complete"):
        read_parity(build_folder)
    with pytest.raises(ArtifactError, match="not complete"):
        read_golden(build_folder)
