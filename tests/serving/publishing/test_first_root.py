import shutil
from pathlib import Path

import pytest

import serving.publishing.first_root
import serving.publishing.repository
from mobile_assets.signing import create_keys
from serving.errors import PublishError
from serving.publishing.publish import publish, resign
from tests.serving.conftest import make_phone


@pytest.fixture
def keys(key_folder: Path, published: Path, tmp_path: Path) -> Path:
    """Keys that began `published`; a test may change the folder."""
    return Path(shutil.copytree(key_folder, tmp_path / "keys"))


def test_a_first_publication_says_that_it_begins_a_repository_and_whose_key_it_made(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    create_keys(tmp_path / "keys")
    begun, new_key = publish(bundles["1.0.0"], tmp_path / "place", tmp_path / "keys").notes
    assert (
        begun == f"this begins a NEW repository: nothing was published before in {tmp_path}/place"
    )
    assert f"{tmp_path / 'keys' / 'models' / 'colours.pem'}, made just now, signs for" in new_key
    assert publish(bundles["1.1.0"], tmp_path / "place", tmp_path / "keys").notes == ()


def test_a_mistyped_repository_leaves_the_root_that_apps_ship_with(
    bundles: dict[str, Path], published: Path, keys: Path, tmp_path: Path
) -> None:
    """The second repository begins with the same root, so that phones trust both."""
    before = (keys / "root.json").read_bytes()
    begun, known_key = publish(bundles["1.0.0"], tmp_path / "mistyped", keys).notes
    assert "begins a NEW repository" in begun and "check --repository" in begun
    assert "which was there, signs for it" in known_key
    assert (keys / "root.json").read_bytes() == before
    for number, place in enumerate((published, tmp_path / "mistyped")):
        phone = make_phone(place, tmp_path / f"phone-{number}", before)
        assert phone.read("colours/release.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("other", "it began another repository, with other keys"),
        ("damaged", "the root metadata are refused"),
        ("expired", r"it began another repository, and expired on 2\d\d\d-"),
    ],
)
def test_a_root_that_cannot_begin_a_repository_is_never_overwritten(
    content: str,
    words: str,
    bundles: dict[str, Path],
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if content == "other":
        create_keys(tmp_path / "others")
        publish(bundles["1.0.0"], tmp_path / "theirs", tmp_path / "others")
        shutil.copy(tmp_path / "others" / "root.json", keys)
    elif content == "damaged":
        (keys / "root.json").write_bytes(b"{}")
    else:
        monkeypatch.setattr(serving.publishing.first_root, "datetime", Later)
    before = (keys / "root.json").read_bytes()
    with pytest.raises(PublishError, match=rf"{words}.*never overwritten.*take a new key folder"):
        publish(bundles["1.0.0"], tmp_path / "place", keys)
    assert (keys / "root.json").read_bytes() == before
    assert not (tmp_path / "place").exists()


class Later(serving.publishing.first_root.datetime):  # type: ignore[misc]
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + serving.publishing.repository.timedelta(days=400)


def test_a_root_of_another_repository_stops_a_further_publication(
    bundles: dict[str, Path], repository: Path, keys: Path, tmp_path: Path
) -> None:
    (keys / "root.json").unlink()
    publish(bundles["1.0.0"], tmp_path / "second", keys)
    with pytest.raises(PublishError, match=r"root\.json is no root of .*Check --repository"):
        publish(bundles["1.1.0"], repository, keys)
    resign(repository, keys)
    (keys / "root.json").unlink()
    publish(bundles["1.1.0"], repository, keys)
    assert (keys / "root.json").read_bytes() == (repository / "metadata/1.root.json").read_bytes()
