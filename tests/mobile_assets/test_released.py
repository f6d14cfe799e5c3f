"""The cloud's section of a manifest: it can contradict neither itself nor the release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_assets.bundle import open_bundle
from mobile_assets.errors import ManifestError
from mobile_assets.manifest import Manifest
from tests.mobile_assets.builds import COREML, LITERT
from tests.mobile_assets.cloud_builds import CLOUD_LITERT
from tests.mobile_assets.test_manifest import JSON_VALUES, places_in

CLOUD_PATH = f"cloud/artifacts/{CLOUD_LITERT}"
Value = Any


@pytest.fixture(scope="module")
def manifest(two_models_path: Path) -> Manifest:
    return open_bundle(two_models_path).manifest


def read(value: Value) -> Manifest:
    return Manifest.from_bytes(json.dumps(value).encode())


def test_round_trip(manifest: Manifest) -> None:
    assert manifest.cloud is not None
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert manifest.fallback is manifest.cloud
    assert [model.place for model in manifest.models] == ["device", "cloud"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_in_it_gives_a_manifest_or_a_manifest_error(
    manifest: Manifest, data: st.DataObject
) -> None:
    value = json.loads(manifest.to_bytes())
    *way, last = data.draw(st.sampled_from(places_in(value["cloud"])))
    parent = value["cloud"]
    for key in way:
        parent = parent[key]
    parent[last] = data.draw(JSON_VALUES)
    try:
        read(value)
    except ManifestError as error:
        assert str(error).startswith("manifest: ")


def relabel(value: Value) -> None:
    value["cloud"]["golden"][0]["label"] = "purple"


def answer_for_other_labels(value: Value) -> None:
    for golden in value["cloud"]["golden"]:
        golden["answers"][CLOUD_PATH].append(0.0)


def bring_labels_of_its_own(value: Value) -> None:
    value["cloud"]["labels"] = ["red", "blue", "green"]


def take_the_devices_file(value: Value) -> None:
    value["cloud"]["artifacts"][0]["path"] = f"artifacts/{LITERT}"


def take_the_devices_photo(value: Value) -> None:
    value["cloud"]["golden"][0]["file"] = value["golden"][0]["file"]


def lie_among_the_devices_files(value: Value) -> None:
    value["artifacts"][0]["path"] = CLOUD_PATH


def hide_a_second_artifact(value: Value) -> None:
    own = {key: value["cloud"]["artifacts"][0][key] for key in ("sha256", "size_bytes")}
    value["other_files"].append(
        {"path": "cloud/artifacts/x.tflite", "role": "cloud-artifact"} | own
    )


def be_for_phones(value: Value) -> None:
    artifact = next(a for a in value["artifacts"] if a["runtime"] == "coreml")
    value["cloud"]["artifacts"].append(artifact | {"path": f"cloud/artifacts/{COREML}.zip"})


def borrow_parity(value: Value) -> None:
    value["cloud"]["artifacts"][0]["parity"] = value["artifacts"][0]["parity"]


def leave_its_files_behind(value: Value) -> None:
    value["cloud"] = None


def climb_out(value: Value) -> None:
    value["cloud"]["artifacts"][0]["path"] = "cloud/artifacts/../../x.tflite"


def have_no_artifact(value: Value) -> None:
    value["cloud"]["artifacts"] = []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (relabel, "cloud.golden[0] (cloud/golden/00-red.jpg) has the label 'purple', which is"),
        (answer_for_other_labels, f"has 4 answers of {CLOUD_PATH} for 3 labels"),
        (bring_labels_of_its_own, "cloud.labels is not known"),
        (take_the_devices_file, "allowed are cloud/artifacts/NAME"),
        (take_the_devices_photo, "allowed are cloud/golden/NAME"),
        (lie_among_the_devices_files, "allowed are artifacts/NAME"),
        (hide_a_second_artifact, "role is 'cloud-artifact': artifacts stand in"),
        (be_for_phones, "is for coreml; a cloud model's are for litert"),
        (borrow_parity, f"cloud.artifacts[0] ({CLOUD_PATH}) has parity figures of other bytes"),
        (leave_its_files_behind, "but there is no cloud model"),
        (climb_out, "allowed are cloud/artifacts/NAME"),
        (have_no_artifact, "cloud.artifacts is []: it must be a list of 1 to 50 items"),
    ],
)
def test_contradictions_of_the_cloud_are_refused(
    manifest: Manifest, change: Callable[[Value], None], words: str
) -> None:
    value = json.loads(manifest.to_bytes())
    change(value)
    with pytest.raises(ManifestError) as caught:
        read(value)
    assert words in str(caught.value)
