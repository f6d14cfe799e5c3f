import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.export.content import artifact_files, choose_content, first_answer, shared_files
from tests.mobile_assets.builds import LABELS, LITERT, PREPROCESS, SIDE_PX, answer
from training.files import sha256_bytes


def test_the_first_photo_is_what_the_model_takes(bundle: Bundle) -> None:
    content = choose_content(bundle, "android")
    files = shared_files(content)
    x_hwc = np.frombuffer(files["first.rgb"], np.uint8).reshape(SIDE_PX, SIDE_PX, 3)
    photo = bundle.manifest.golden[0].file
    assert np.array_equal(x_hwc, PREPROCESS.read(files[photo]))
    given = answer(bundle.read(f"artifacts/{LITERT}"), files[photo])
    found = first_answer(content)
    assert found is not None
    assert found[0] == LABELS.names[int(np.argmax(given))]
    assert found[1] == pytest.approx(max(given))


def test_what_the_manifest_names_keeps_its_bytes_and_reports_stay_behind(bundle: Bundle) -> None:
    content = choose_content(bundle, "web")
    files = shared_files(content)
    named = {file.path: file.sha256 for file in bundle.manifest.other_files}
    assert {path for path in named if not path.startswith("reports/")} <= set(files)
    assert not any(path.startswith(("reports/", "cloud/", "artifacts/")) for path in files)
    for path, sha256 in named.items():
        if path in files:
            assert sha256_bytes(files[path]) == sha256
    assert sha256_bytes(files["manifest.json"]) == content.manifest_sha256


def test_what_belongs_to_the_cloud_stays_behind(two_models_path: Path) -> None:
    content = choose_content(open_bundle(two_models_path), "web")
    assert content.manifest.cloud is not None
    assert not any(path.startswith("cloud/") for path in shared_files(content))
    assert content.artifact in content.manifest.artifacts


def test_model_json_holds_what_an_app_needs(bundle: Bundle) -> None:
    content = choose_content(bundle, "web")
    files = artifact_files(content, "colours")
    model = json.loads(files["model.json"])
    assert sha256_bytes(files["colours.tflite"]) == model["artifact_sha256"]
    assert model["file"] == "colours.tflite"
    assert model["labels"] == list(LABELS.names)
    assert model["preprocess"]["input_px"] == SIDE_PX
    assert model["thresholds"]["temperature"] == 1.0
    assert model["thresholds"]["sure_min_probability"] == 0.6
    assert model["thresholds"]["coarse_min_probability"] is None
    assert model["manifest_sha256"] == sha256_bytes(bundle.manifest_bytes)
    assert [len(photo["probabilities"]) for photo in model["golden"]] == [len(LABELS)] * 3
    assert [type(photo["known_score"]) for photo in model["golden"]] == [float] * 3
    assert [output["name"] for output in model["outputs"]] == ["probabilities", "known_score"]
    assert model["links"] is None


def test_a_bundle_without_golden_photos_is_refused(bundle: Bundle) -> None:
    manifest = bundle.manifest
    files = tuple(file for file in manifest.other_files if file.role != "golden")
    bare = replace(bundle, manifest=replace(manifest, golden=(), other_files=files))
    with pytest.raises(BundleError, match="no golden photo"):
        choose_content(bare, "web")


def test_a_platform_without_an_artifact_is_refused(bundle: Bundle) -> None:
    for platform in ("android", "web"):
        with pytest.raises(ManifestError, match=f"no artifact for {platform}"):
            choose_content(keep_only(bundle, "coreml"), platform)
    assert choose_content(keep_only(bundle, "coreml"), "ios").artifact.runtime == "coreml"


def test_a_file_that_nothing_ran_has_no_answers_to_expect(bundle: Bundle) -> None:
    bare = keep_only(bundle, "litert", accepted_by_hand=True, objections=("nobody ran it",))
    content = choose_content(bare, "web")
    assert first_answer(content) is None
    assert json.loads(artifact_files(content, "colours")["model.json"])["golden"] == []


def keep_only(bundle: Bundle, runtime: str, **changes: object) -> Bundle:
    """A bundle with the artifacts of one runtime, changed; answers are kept of none that is."""
    manifest = bundle.manifest
    kept = [entry for entry in manifest.artifacts if entry.runtime == runtime]
    paths = () if changes else {entry.path for entry in kept}
    golden = [
        replace(
            photo,
            answers={path: photo.answers[path] for path in paths},
            known_scores={path: photo.known_scores[path] for path in paths},
        )
        for photo in manifest.golden
    ]
    artifacts = tuple(replace(entry, **changes) for entry in kept)  # type: ignore[arg-type]
    return replace(bundle, manifest=replace(manifest, artifacts=artifacts, golden=tuple(golden)))
