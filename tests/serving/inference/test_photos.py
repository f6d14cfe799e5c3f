import io
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageFile

from serving.inference import photos
from serving.inference.photos import SERVER_FORMATS, read_photo
from tests.mobile_assets.builds import COLOURS, PREPROCESS, make_photo
from training.errors import PhotoError
from training.preprocess import decode_photo

URL = "/v1/models/colours/recognise"
FOLDER = Path(__file__).parent / "photos"
TURNED_RIGHT = 6  # EXIF: the left of what is stored is the top of what was seen


def encode(kind: str) -> bytes:
    if kind == "HEIF":
        return (FOLDER / "green.heic").read_bytes()
    buffer = io.BytesIO()
    Image.open(io.BytesIO(make_photo(COLOURS["green"]))).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", SERVER_FORMATS)
def test_a_photo_is_recognised_in_every_format(client: FlaskClient, kind: str) -> None:
    for media_type in (f"image/{kind.lower()}", "application/octet-stream"):
        answer = client.post(URL, data=encode(kind), content_type=media_type)
        assert answer.status_code == 200
        assert answer.json["answers"][0]["label"] == "green"


def test_the_formats_of_phones_are_among_them() -> None:
    assert set(SERVER_FORMATS) >= {"JPEG", "PNG", "WEBP", "AVIF", "HEIF"}


def make_turned_avif() -> bytes:
    image, exif, buffer = Image.new("RGB", (64, 32)), Image.Exif(), io.BytesIO()
    image.paste((220, 30, 30), (0, 0, 32, 32))
    exif[0x0112] = TURNED_RIGHT
    image.save(buffer, "AVIF", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data", [make_turned_avif(), (FOLDER / "turned.heic").read_bytes()], ids=["AVIF", "HEIC"]
)
def test_photos_of_phones_are_turned_once(data: bytes) -> None:
    image = decode_photo(data, formats=SERVER_FORMATS)
    assert image.size == (32, 64)
    assert image.getpixel((16, 10)) == pytest.approx((220, 30, 30), abs=6)
    assert image.getpixel((16, 50)) == pytest.approx((0, 0, 0), abs=6)


@pytest.mark.parametrize("cut", [10, 100, 400])
def test_half_of_a_heic_photo_is_refused(cut: int) -> None:
    with pytest.raises(PhotoError, match="allowed are JPEG"):
        read_photo(PREPROCESS, encode("HEIF")[:cut])


def test_training_goes_on_without_them() -> None:
    with pytest.raises(PhotoError, match="not a photo"):
        decode_photo(encode("AVIF"))


def make_noisy_photo(width: int, height: int) -> bytes:
    """Neighbouring pixels differ, as in a photo of a sensor: the hard case for smaller scales."""
    random = np.random.default_rng(7)
    large = Image.fromarray(random.integers(0, 256, (height // 40, width // 40, 3), np.uint8))
    noise = random.normal(0, 12, (height, width, 3))
    values = np.asarray(large.resize((width, height), Image.Resampling.BICUBIC)) + noise
    buffer = io.BytesIO()
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.mark.parametrize(("width", "exact"), [(280, True), (1200, False)])
def test_pixels_are_those_of_the_contract_or_for_large_jpegs_close_to_them(
    width: int, exact: bool
) -> None:
    assert 8 * PREPROCESS.resize_px == 288  # from there on the shorter side is decoded smaller
    photo = make_noisy_photo(width + 40, width)
    given, contract = read_photo(PREPROCESS, photo).astype(int), PREPROCESS.read(photo).astype(int)
    differences = np.abs(given - contract)
    assert bool(differences.max() == 0) is exact
    assert differences.mean() < 1


def test_a_large_png_is_never_decoded_smaller() -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(make_noisy_photo(640, 480))).save(buffer, "PNG")
    photo = buffer.getvalue()
    np.testing.assert_array_equal(read_photo(PREPROCESS, photo), PREPROCESS.read(photo))


def make_flat(mode: str, width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "size", "kind"),
    [
        ("RGBA", (7200, 7200), "PNG"),
        ("RGB", (7200, 7200), "PNG"),
        ("I;16", (7200, 7200), "PNG"),
        ("1", (7200, 7200), "PNG"),
        ("RGB", (1000, 20_000), "BMP"),
    ],
)
def test_what_takes_much_memory_to_decode_is_refused_however_short_its_file_is(
    mode: str, size: tuple[int, int], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "_MOST_BYTES", 250 << 20)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # it is not even begun
    with pytest.raises(PhotoError, match=r"megapixels of a \w+ \(.*\) take too much memory"):
        read_photo(PREPROCESS, make_flat(mode, *size, kind))


def test_a_photo_of_a_phone_is_read_however_large_it_is() -> None:
    assert read_photo(PREPROCESS, make_flat("L", 8160, 6120, "JPEG")).shape[-1] == 3
