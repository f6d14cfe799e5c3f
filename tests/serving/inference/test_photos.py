import io
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

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


def test_pixels_are_those_of_the_contract() -> None:
    photo = make_photo(COLOURS["blue"], 1200, 900)
    np.testing.assert_array_equal(read_photo(PREPROCESS, photo), PREPROCESS.read(photo))
