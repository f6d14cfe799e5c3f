import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.export.android import export_android, pack_name
from mobile_assets.export.targeting import DeviceGroup
from tests.mobile_assets.builds import LITERT, SIDE_PX
from training.errors import ConfigError
from training.files import check_sums, sha256_file

ASSETS = Path("model_colours/src/main/assets/colours")
LOW_RAM = DeviceGroup("low_ram", "int8", ram_max_bytes=4_000_000_000)


def test_an_ai_pack_is_written_whole(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    content = export_android(bundle, out)
    check_sums(out)
    gradle = (out / "model_colours" / "build.gradle.kts").read_text()
    assert 'id("com.android.ai-pack")' in gradle
    assert 'packName = "model_colours"' in gradle
    assert 'deliveryType = "install-time"' in gradle
    assert gradle.count("{") == gradle.count("}")
    model = json.loads((out / ASSETS / "variant" / "model.json").read_text())
    file = out / ASSETS / "variant" / model["file"]
    assert sha256_file(file) == content.artifact.file.sha256 == model["artifact_sha256"]
    assert (out / ASSETS / "first.rgb").stat().st_size == 3 * SIDE_PX**2
    assert (out / ASSETS / "manifest.json").read_bytes() == bundle.manifest_bytes
    # Google Play's plugin makes the manifest of a pack itself.
    assert not list(out.rglob("AndroidManifest.xml"))
    assert not list(out.rglob("*.xml"))


def test_the_readme_says_what_the_folder_holds(bundle: Bundle, tmp_path: Path) -> None:
    export_android(bundle, tmp_path / "pack")
    readme = (tmp_path / "pack" / "README.md").read_text()
    lines = re.search(r"```kotlin\nimport.*?\n\n(.*?)```", readme, re.DOTALL)
    assert lines is not None and len(lines[1].strip().splitlines()) == 5
    opened = re.findall(r'assets(?:\.open\(|, )"(\S+)"', lines[1])
    assert len(opened) == 3
    for name in opened:
        assert (tmp_path / "pack" / ASSETS.parent / name).is_file()
    assert "com.google.ai.edge.litert:litert:" in readme
    assert "§" not in readme


def test_phones_of_a_group_get_another_precision(wide_bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    export_android(wide_bundle, out, groups=(LOW_RAM,), delivery="on-demand")
    check_sums(out)
    variants = {path.name: path for path in (out / ASSETS).glob("variant*")}
    assert set(variants) == {"variant#group_low_ram", "variant#group_other"}
    precisions = {}
    for name, path in variants.items():
        model = json.loads((path / "model.json").read_text())
        assert model["file"] == "colours.tflite"
        assert sha256_file(path / model["file"]) == model["artifact_sha256"]
        precisions[name.removeprefix("variant#group_")] = model["precision"]
    assert precisions == {"low_ram": "int8", "other": "fp32"}
    config = ElementTree.parse(out / "app" / "device_targeting_config.xml").getroot()
    assert [entry.attrib["name"] for entry in config] == ["low_ram"]
    readme = (out / "README.md").read_text()
    assert "android.experimental.enableDeviceTargetingConfigApi=true" in readme
    assert "| low_ram | int8 |" in readme
    assert 'getPackLocation("model_colours")' in readme


def test_an_app_with_executorch_is_told_what_to_link(wide_bundle: Bundle, tmp_path: Path) -> None:
    export_android(wide_bundle, tmp_path / "pack", runtime="executorch")
    readme = (tmp_path / "pack" / "README.md").read_text()
    assert 'implementation("org.pytorch:executorch-android:1.4.1")' in readme
    assert "XnnpackBackend; aten::add.out" in readme
    assert "Module.load(" in readme
    model = json.loads((tmp_path / "pack" / ASSETS / "variant" / "model.json").read_text())
    assert model["file"] == "colours.pte"
    assert model["links"]["backends"] == ["XnnpackBackend"]


def test_a_damaged_program_is_refused_and_nothing_written(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not an ExecuTorch program"):
        export_android(bundle, tmp_path / "pack", runtime="executorch")
    assert not (tmp_path / "pack").exists()


def test_bad_input_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    with pytest.raises(ConfigError, match="install-time, fast-follow, on-demand"):
        export_android(bundle, out, delivery="soon")
    with pytest.raises(ManifestError, match="on android: allowed are litert, executorch"):
        export_android(bundle, out, runtime="coreml")
    with pytest.raises(ManifestError, match="no int8 artifact for android"):
        export_android(bundle, out, groups=(LOW_RAM,))
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(BundleError, match="is not empty"):
        export_android(bundle, out)


def test_a_bundle_changed_since_it_was_opened_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    data = bytearray(bundle.path.read_bytes())
    place = data.index(bundle.read(f"artifacts/{LITERT}")[:200])
    data[place + 100] ^= 1
    changed = tmp_path / "changed.zip"
    changed.write_bytes(data)
    with pytest.raises(BundleError):
        export_android(Bundle(changed, bundle.manifest, bundle.manifest_bytes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["colours", "fruit-veg-2", "3d", "0-a"])
def test_names_of_packs_are_those_that_play_takes(model: str) -> None:
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", pack_name(model))
