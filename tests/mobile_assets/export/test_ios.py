import json
import plistlib
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from conversion.zips import zip_folder
from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.export.ios import class_name, export_ios
from tests.mobile_assets.builds import COREML, SIDE_PX
from training.files import check_sums, sha256_bytes


def test_files_for_xcode_are_written_whole(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "ios"
    content = export_ios(bundle, out)
    check_sums(out)
    model = json.loads((out / "colours" / "model.json").read_text())
    assert model["runtime"] == "coreml" and model["file"] == "ColoursModel.mlpackage"
    # Under its own name the package has the bytes that the manifest signs.
    (out / "ColoursModel.mlpackage").rename(tmp_path / COREML)
    assert sha256_bytes(zip_folder(tmp_path / COREML)) == content.artifact.file.sha256
    with Image.open(out / "colours" / "first.png") as photo:
        assert photo.size == (SIDE_PX, SIDE_PX) and photo.mode == "RGB"
    assert (out / "colours" / "labels.txt").is_file()


def test_the_asset_pack_has_apples_keys(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "ios"
    export_ios(bundle, out)
    manifest = json.loads((out / "BackgroundAssets" / "Manifest.json").read_text())
    assert manifest == {
        "assetPackID": "colours",
        "downloadPolicy": {
            "essential": {"installationEventTypes": ["firstInstallation", "subsequentUpdate"]}
        },
        "fileSelectors": [{"directory": "colours"}],
        "platforms": ["iOS"],
    }
    keys = plistlib.loads((out / "BackgroundAssets" / "Info.plist").read_bytes())
    assert keys["BAHasManagedAssetPacks"] is True and keys["BAUsesAppleHosting"] is True
    assert keys["BAAppGroupID"].startswith("group.")
    script = out / "BackgroundAssets" / "package.sh"
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    text = script.read_text()
    assert 'coremlcompiler compile "ColoursModel.mlpackage" "colours"' in text
    assert 'ba-package BackgroundAssets/Manifest.json -o "colours-1.0.0.aar"' in text


@pytest.mark.parametrize(
    ("delivery", "policy"),
    [("fast-follow", "prefetch"), ("on-demand", "onDemand")],
)
def test_delivery_is_apples_policy(
    bundle: Bundle, tmp_path: Path, delivery: str, policy: str
) -> None:
    export_ios(bundle, tmp_path / "ios", delivery=delivery)
    path = tmp_path / "ios" / "BackgroundAssets" / "Manifest.json"
    found = json.loads(path.read_text())["downloadPolicy"]
    assert list(found) == [policy]
    assert (found[policy] == {}) == (policy == "onDemand")


@pytest.mark.parametrize("runtime", ["coreml", "litert", "executorch"])
def test_five_lines_name_files_that_are_there(
    wide_bundle: Bundle, tmp_path: Path, runtime: str
) -> None:
    out = tmp_path / "ios"
    export_ios(wide_bundle, out, runtime=runtime)
    readme = (out / "README.md").read_text()
    lines = re.search(r"```swift\nimport.*?\n\n(.*?)```", readme, re.DOTALL)
    assert lines is not None and len(lines[1].strip().splitlines()) <= 5
    named = re.findall(r'(?:forResource: |path\(forResource: )"(\w+)", \w+: "(\w+)"', lines[1])
    assert named
    for stem, extension in named:
        assert (out / "colours" / f"{stem}.{extension}").is_file()
    assert "§" not in readme
    if runtime == "executorch":
        assert "`backend_xnnpack`" in readme and "`swiftpm-1.4.1`" in readme
        assert "-all_load" in readme
    if runtime == "coreml":
        assert "ColoursModel(configuration:" in lines[1]
    else:
        assert not list(out.rglob("*.mlpackage"))
        assert "coremlcompiler" not in (out / "BackgroundAssets" / "package.sh").read_text()


def test_bad_input_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "ios"
    with pytest.raises(ManifestError, match="no palette6 artifact for ios"):
        export_ios(bundle, out, precision="palette6")
    out.mkdir()
    (out / "AppDelegate.swift").write_text("")
    with pytest.raises(BundleError, match="is not empty"):
        export_ios(bundle, out)
    assert [path.name for path in out.iterdir()] == ["AppDelegate.swift"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [("colours", "ColoursModel"), ("fruit-veg-2", "FruitVeg2Model"), ("3d", "Model3dModel")],
)
def test_names_of_classes_are_swifts(model: str, expected: str) -> None:
    assert class_name(model) == expected
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", expected)
