"""Does the comparison of two models say what the cloud adds, and warn where it adds nothing?"""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from conversion.artifact import to_json_text
from conversion.errors import ArtifactError
from conversion.parity.verdicts import PhotoVerdicts
from mobile_assets.bundle import open_bundle, write_bundle
from mobile_assets.comparison import Comparison
from mobile_assets.errors import ManifestError
from mobile_assets.manifest import Manifest
from tests.mobile_assets.builds import LITERT, make_build
from tests.mobile_assets.cloud_builds import CLOUD_LITERT, make_cloud_build
from training.files import write_sums

PHOTOS = 100
# The device is sure of 80 photos and right in 76 of them; of the other 20 it names 8 rightly.
DEVICE_RIGHT = [*[True] * 76, *[False] * 4, *[True] * 8, *[False] * 12]
DEVICE_SURE = [*[True] * 80, *[False] * 20]
# The cloud is right in 78 of those 80 and in 17 of the 20.
CLOUD_RIGHT = [*[True] * 78, *[False] * 2, *[True] * 17, *[False] * 3]


def put_verdicts(folder: Path, name: str, right: list[bool], sure: list[bool]) -> None:
    found = PhotoVerdicts(
        photos=tuple(f"val/{n}.jpg" for n in range(len(right))),
        sizes_bytes=tuple(1000 + n for n in range(len(right))),
        truth=tuple(n % 3 for n in range(len(right))),
        answers=tuple((n + (not hit)) % 3 for n, hit in enumerate(right)),
        verdicts=tuple("sure" if is_sure else "unsure" for is_sure in sure),
    )
    put(folder, name, found)


def put(folder: Path, name: str, found: PhotoVerdicts) -> None:
    path = folder / "parity" / "verdicts" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(to_json_text(asdict(found)))
    write_sums(folder / "parity")


@pytest.fixture
def builds(tmp_path: Path) -> tuple[Path, Path]:
    device, cloud = make_build(tmp_path / "device"), make_cloud_build(tmp_path / "cloud")
    put_verdicts(device, LITERT, DEVICE_RIGHT, DEVICE_SURE)
    put_verdicts(cloud, CLOUD_LITERT, CLOUD_RIGHT, [True] * PHOTOS)
    return device, cloud


def pack(builds: tuple[Path, Path]) -> tuple[Manifest, list[str]]:
    told: list[str] = []
    out = builds[0].parent / "colours.zip"
    write_bundle(builds[0], out, tell=told.append, cloud_dir=builds[1])
    return open_bundle(out).manifest, told


def test_the_manifest_says_what_the_cloud_adds(builds: tuple[Path, Path]) -> None:
    manifest, told = pack(builds)
    found = manifest.comparison
    assert found is not None
    assert (found.device, found.cloud) == (f"artifacts/{LITERT}", f"cloud/artifacts/{CLOUD_LITERT}")
    assert (found.photos, found.asked) == (100, 20)
    assert (found.device_top1, found.cloud_top1) == (0.84, 0.95)
    assert (found.device_top1_asked, found.cloud_top1_asked) == (0.4, 0.85)
    assert found.pair_top1 == 0.93
    assert 0 < found.gain_low < 0.11 < found.gain_high < 0.25
    words = "\n".join(told)
    assert "right in 95.0%, the device's in 84.0%: +11.0 points (95 % interval +" in words
    assert "not sure of 20: of these the cloud names 85.0% rightly, the device 40.0%" in words
    assert "WARNING" not in words


@pytest.mark.parametrize(
    ("cloud_right", "words"),
    [
        (DEVICE_RIGHT, "is not better"),
        ([*DEVICE_RIGHT[:80], *[True] * 10, *[False] * 10], "surely"),
    ],
    ids=["the same", "better by two photos"],
)
def test_a_cloud_model_that_adds_nothing_is_warned_of(
    builds: tuple[Path, Path], cloud_right: list[bool], words: str
) -> None:
    put_verdicts(builds[1], CLOUD_LITERT, cloud_right, [True] * PHOTOS)
    manifest, told = pack(builds)
    assert manifest.comparison is not None
    assert not manifest.comparison.is_better
    assert [line for line in told if line.startswith("WARNING") and words in line]


def test_a_device_that_is_sure_of_everything_asks_nothing(builds: tuple[Path, Path]) -> None:
    put_verdicts(builds[0], LITERT, DEVICE_RIGHT, [True] * PHOTOS)
    manifest, told = pack(builds)
    assert manifest.comparison is not None
    assert manifest.comparison.cloud_top1_asked is None
    assert any("sure of every photo" in line for line in told)


def test_only_the_same_photos_are_compared(builds: tuple[Path, Path]) -> None:
    """A photo of the same name but of another size is another photo."""
    device, cloud = builds
    found = PhotoVerdicts(
        photos=("val/0.jpg", "val/1.jpg", "val/2.jpg"),
        sizes_bytes=(1000, 9, 1002),
        truth=(0, 1, 2),
        answers=(0, 1, 2),
        verdicts=("sure", "sure", "sure"),
    )
    put(cloud, CLOUD_LITERT, found)
    manifest, _ = pack((device, cloud))
    assert manifest.comparison is not None
    assert manifest.comparison.photos == 2
    put(cloud, CLOUD_LITERT, replace(found, sizes_bytes=(1, 2, 3)))
    manifest, told = pack((device, cloud))
    assert manifest.comparison is None
    assert "cannot be compared photo by photo" in told[0]


def test_without_verdicts_the_builds_own_figures_are_told(tmp_path: Path) -> None:
    device = make_build(tmp_path / "device")
    metrics = {"top1": 0.9, "top5": 1.0, "photos": 200}
    cloud = make_cloud_build(tmp_path / "cloud", metrics=metrics)
    manifest, told = pack((device, cloud))
    assert manifest.comparison is None
    assert "reaches 90.0% (of 200), the device's 95.0% (of 200)" in told[0]
    assert told[1].startswith("WARNING: the cloud model is not better")


def test_malformed_verdicts_stop_the_bundle(builds: tuple[Path, Path]) -> None:
    (builds[1] / "parity" / "verdicts" / f"{CLOUD_LITERT}.json").write_text("{}")
    write_sums(builds[1] / "parity")
    with pytest.raises(ArtifactError, match="cannot read"):
        pack(builds)


def test_a_comparison_of_other_artifacts_is_refused(builds: tuple[Path, Path]) -> None:
    manifest, _ = pack(builds)
    comparison = manifest.comparison
    assert isinstance(comparison, Comparison)
    other = replace(comparison, cloud="cloud/artifacts/other.tflite")
    with pytest.raises(ManifestError, match=r"comparison is of 'cloud/artifacts/other\.tflite'"):
        replace(manifest, comparison=other)
    with pytest.raises(ManifestError, match="not among the artifacts"):
        replace(manifest, cloud=None, other_files=drop_cloud(manifest))


def drop_cloud(manifest: Manifest) -> tuple:
    return tuple(file for file in manifest.other_files if not file.path.startswith("cloud/"))
