"""Changed copies between training and validation are named, and nothing else is."""

from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from tests.training.sources.test_data import open_shop, put
from training.config import DataSettings
from training.sources import check
from training.sources.data import check_source, open_source
from training.sources.near_copies import NEAR_COPY, NOT_COMPARED


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two classes of drawn photos, two to learn from and one to validate on."""
    drawn = open_source(DataSettings(train_per_class=2, validation_per_class=1))
    for split, photos in (("train", drawn.train), ("val", drawn.validation)):
        for number, photo in enumerate(photos):
            if photo.class_index < 2:
                path = tmp_path / split / drawn.labels.names[photo.class_index] / f"{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(photo.read())
    return tmp_path


def change(image: Image.Image, how: str) -> Image.Image:
    match how:
        case "smaller":
            return image.resize((image.width // 2, image.height // 2))
        case "brighter":
            return ImageEnhance.Brightness(image).enhance(1.3)
        case "mirrored":
            return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    raise AssertionError(how)


@pytest.mark.parametrize("how", ["smaller", "brighter", "mirrored"])
def test_a_changed_copy_in_validation_is_named(shop: Path, how: str) -> None:
    trained = next((shop / "train/apple").iterdir())
    change(Image.open(trained), how).save(shop / "val/apple/again.jpg", quality=80)
    (note,) = check_source(open_shop(shop))
    assert (note.kind, note.severity, note.leave_out) == (NEAR_COPY, "note", ())
    assert note.photos == ("val/apple/again.jpg", f"train/apple/{trained.name}")
    assert note.message.startswith("1 of 3 validation photos looks like a training photo")
    assert ("mirrored" in note.message) == (how == "mirrored")


def test_the_same_photo_is_told_once(shop: Path) -> None:
    trained = next((shop / "train/apple").iterdir())
    (shop / "val/apple/again.jpg").write_bytes(trained.read_bytes())
    (problem,) = check_source(open_shop(shop))
    assert problem.kind == check.IN_BOTH_SPLITS


def test_photos_that_cannot_be_read_are_no_copies_of_each_other(shop: Path) -> None:
    for name in ("train/apple/cut.jpg", "val/apple/cut.jpg"):
        (shop / name).write_bytes(b"cut")
    assert [problem.kind for problem in check_source(open_shop(shop))] == [check.UNREADABLE] * 2


def test_many_copies_are_counted_and_some_are_named(tmp_path: Path) -> None:
    put(tmp_path, *(f"train/{name}/{number}.png" for name in "ab" for number in range(13)))
    for name in "ab":
        for number in range(13):
            image = Image.open(tmp_path / f"train/{name}/{number}.png")
            path = tmp_path / f"val/{name}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.resize((image.width * 2, image.height * 2)).save(path)
    (note,) = check_source(open_shop(tmp_path))
    assert "26 of 26 validation photos look like a training photo" in note.message
    assert note.message.endswith("and 6 more")
    assert note.message.count("their hashes differ") == 20
    assert len(note.photos) == 52


def test_too_many_photos_are_not_compared_and_the_check_says_so(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MOST_PAIRS", 7)
    (note,) = check_source(open_shop(shop))
    assert (note.kind, note.severity) == (NOT_COMPARED, "note")
    assert "8 pairs" in note.message
