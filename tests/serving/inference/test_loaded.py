from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.errors import UnknownVersionError
from serving.inference.loaded import LoadedVersions
from serving.publishing.publish import publish
from serving.storage import Storage
from tests.mobile_assets.builds import COLOURS, PREPROCESS, make_photo
from tests.serving.conftest import set_current

OLD, NEW = ("colours", "1.0.0"), ("colours", "1.1.0")
X_NHWC = PREPROCESS.read(make_photo(COLOURS["red"]))[None]


def test_versions_are_loaded_when_asked_for_and_kept(published: Path) -> None:
    versions = LoadedVersions(Storage(published), memory_bytes=1 << 30)
    assert versions.list_loaded() == []
    first = versions.find(*OLD)
    assert versions.find(*OLD) is first
    versions.find(*NEW)
    assert versions.list_loaded() == [OLD, NEW]
    versions.find(*OLD)
    assert versions.list_loaded() == [NEW, OLD]


def test_over_the_limit_the_one_goes_that_was_used_longest_ago(published: Path) -> None:
    size_bytes = LoadedVersions(Storage(published), 1).find(*OLD).size_bytes
    versions = LoadedVersions(Storage(published), memory_bytes=2 * size_bytes - 1)
    held = versions.find(*OLD)
    versions.find(*NEW)
    assert versions.list_loaded() == [NEW]
    assert held.runner.answer(X_NHWC).probabilities.shape == (1, 3)  # who holds it goes on


def test_a_version_is_loaded_once_however_many_ask(published: Path) -> None:
    versions = LoadedVersions(Storage(published), memory_bytes=1 << 30)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: versions.find(*NEW), range(16)))
    assert len({id(version) for version in found}) == 1


def test_a_version_that_is_not_published_is_not_remembered(
    bundles: dict[str, Path], key_folder: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    publish(bundles["1.0.0"], repository, key_folder)
    versions = LoadedVersions(Storage(repository), memory_bytes=1 << 30)
    with pytest.raises(UnknownVersionError):
        versions.find(*NEW)
    publish(bundles["1.1.0"], repository, key_folder)
    assert versions.find(*NEW).manifest.version == "1.1.0"
    set_current("colours", "1.0.0", repository, key_folder)
    assert versions.find(*OLD).manifest.version == "1.0.0"
    assert versions.find_problems({"colours": "1.0.0"}) == []
