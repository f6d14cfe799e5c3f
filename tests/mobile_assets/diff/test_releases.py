import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conversion.artifact import read_build
from mobile_assets.bundle import open_bundle, write_bundle
from mobile_assets.cli import main
from mobile_assets.client import BundleClient
from mobile_assets.diff.releases import compare_releases, read_release
from mobile_assets.diff.words import describe_changes
from mobile_assets.errors import BundleError, PullError
from mobile_assets.manifest import Manifest
from tests.mobile_assets.builds import (
    LITERT,
    MODEL,
    add_variants,
    change_report,
    make_build,
)
from training.labels import LabelSet
from training.preprocess import Preprocess


@pytest.fixture(scope="module")
def old(bundle_path: Path) -> Manifest:
    return open_bundle(bundle_path).manifest


@pytest.fixture(scope="module")
def changed_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same version with a worse LiteRT file, and with int8 beside it."""
    folder = tmp_path_factory.mktemp("changed")
    build_dir = make_build(folder / "build")
    add_variants(build_dir, "litert-int8")
    worse = {"reference_top1": 0.5, "artifact_top1": 0.5}
    change_report(build_dir, read_build(build_dir).find(LITERT), **worse)
    return write_bundle(build_dir, folder / "changed.bundle.zip")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["diff", *(str(argument) for argument in arguments)])


def test_a_release_does_not_differ_from_itself(old: Manifest, bundle_path: Path) -> None:
    changes = compare_releases(old, old)
    assert describe_changes(changes) == [] and changes.warnings() == []
    done = run(bundle_path, bundle_path)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "colours 1.0.0 -> colours 1.0.0",
        "  nothing changed that an app could see",
    ]


def test_formats_are_compared_one_by_one(old: Manifest, changed_path: Path) -> None:
    changes = compare_releases(old, open_bundle(changed_path).manifest)
    formats = {change.key: change for change in changes.device.formats}
    fp32 = formats["litert-fp32"]
    assert fp32.old is not None and fp32.new is not None and fp32.gain is not None
    assert fp32.old.accuracy is not None and fp32.old.accuracy.top1 == 0.95
    assert fp32.old.accuracy.interval_95[0] < 0.95 < fp32.old.accuracy.interval_95[1]
    assert fp32.gain.points == pytest.approx(-0.45) and fp32.gain.sure
    assert formats["litert-int8"].old is None
    assert formats["coreml-fp16"].gain is not None and not formats["coreml-fp16"].gain.sure
    lines = describe_changes(changes)
    assert any(line.startswith("litert-int8 is new: ") for line in lines)
    assert any("95.0 % (91.0 to 97.3 % on 200 photos) -> 50.0 %" in line for line in lines)
    assert changes.warnings() == ["litert-fp32 is surely worse than before"]
    back = compare_releases(open_bundle(changed_path).manifest, old)
    assert "litert-int8 is gone: an app that asks for it gets nothing" in back.warnings()


def test_labels_preprocessing_and_thresholds(old: Manifest) -> None:
    artifact = old.artifacts[0]
    assert artifact.confidence is not None
    warmer = replace(artifact.confidence.confidence, temperature=1.25)
    first = replace(artifact, confidence=replace(artifact.confidence, confidence=warmer))
    new = replace(
        old,
        version="1.1.0",
        labels=LabelSet((*old.labels.names[:2], "leaf")),
        preprocess=Preprocess(32, 40, "bicubic"),
        artifacts=(first, *old.artifacts[1:]),
        golden=tuple(replace(photo, label=old.labels.names[0]) for photo in old.golden),
    )
    changes = compare_releases(old, new)
    lines = describe_changes(changes)
    assert "labels added (1): leaf" in lines
    assert f"labels removed (1): {old.labels.names[2]}" in lines
    assert "resize_px 36 -> 40" in lines and "resampler bilinear -> bicubic" in lines
    assert any("temperature 1 -> 1.25" in line for line in lines)
    warnings = " ".join(changes.warnings())
    assert "labels are gone" in warnings and "photo to input changed" in warnings


def test_json_holds_everything(bundle_path: Path, changed_path: Path) -> None:
    done = run(bundle_path, changed_path, "--json")
    assert done.exit_code == 0
    value = json.loads(done.stdout)
    assert value["schema"] == "ghostlens.diff/1"
    assert value["versions"] == ["1.0.0", "1.0.0"]
    assert value["warnings"] == ["litert-fp32 is surely worse than before"]
    fp32 = next(entry for entry in value["device"]["formats"] if entry["key"] == "litert-fp32")
    assert fp32["new"]["size_bytes"] > 0 and fp32["new"]["limits"]["sure"] == 0.6
    assert fp32["gain"]["interval_95"][1] < 0


def test_two_networks_are_both_compared(two_models_path: Path, bundle_path: Path) -> None:
    both = read_release(two_models_path)
    assert both.cloud is not None
    changes = compare_releases(read_release(bundle_path), both)
    assert changes.cloud is None
    assert any("wider network" in line for line in describe_changes(changes))
    gone = compare_releases(both, read_release(bundle_path))
    assert any("no cloud model any more" in line for line in gone.warnings())
    metrics = replace(both.cloud.metrics, top1=0.5)
    renewed = compare_releases(both, replace(both, cloud=replace(both.cloud, metrics=metrics)))
    assert renewed.cloud is not None and renewed.cloud.gain is not None
    assert renewed.cloud.gain.points == pytest.approx(-0.48) and renewed.cloud.gain.sure
    assert describe_changes(compare_releases(both, both)) == []


def test_names_that_come_or_go_are_warned_of(
    build_dir: Path, old: Manifest, tmp_path: Path
) -> None:
    table = tmp_path / "names.csv"
    table.write_text("label,zh-Hans,de\nred,红色,Rot\n", encoding="utf-8")
    named = read_release(write_bundle(build_dir, tmp_path / "named.zip", names=table))
    assert compare_releases(old, named).warnings() == [
        "it is the first with names: apps that cannot read them keep what they run"
    ]
    assert compare_releases(named, old).warnings() == [
        "names in de, zh-Hans are gone: staff see labels in their place"
    ]
    assert compare_releases(named, named).warnings() == []


def test_a_pulled_model_is_as_good_as_a_bundle(
    pulled: BundleClient, bundle_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / MODEL
    assert read_release(folder) == read_release(bundle_path)
    next(folder.rglob("*.tflite")).write_bytes(b"changed")
    with pytest.raises(BundleError):
        read_release(folder)


def test_bad_input_is_one_line(bundle_path: Path, tmp_path: Path) -> None:
    with pytest.raises(PullError):
        read_release(tmp_path)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bundle_path.read_bytes()[:4000])
    for path, words in ((cut, "half-written"), (tmp_path / "no.zip", "no file"), (tmp_path, "no")):
        done = run(bundle_path, path)
        assert done.exit_code == 1 and words in done.stderr
        assert done.stderr.count("\n") == 1
