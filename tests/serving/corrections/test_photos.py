"""Of a photo that is kept nothing is left but its pixels."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from serving.corrections.photos import KEPT_PX, clean_photo, looks_same
from tests.serving.corrections.conftest import draw_photo, make_jpeg, say, send
from training.errors import PhotoError

# Words that stand in each kind of metadata, and must stand nowhere afterwards.
SECRETS = ("Annas-Phone", "2026:01:02 03:04:05", "at-home", "xmp-secret", "a-comment", "thumb-sec")
HEIC = Path(__file__).with_name("private.heic")
LATITUDE = (52.0, 31.0, 12.025)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>xmp-secret</a></x:xmpmeta>"


def make_exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Annas-Phone", "Annas-Phone"
    exif[0x0112], exif[0x0132] = orientation, "2026:01:02 03:04:05"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", LATITUDE, "2026:01:02"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0at-home"
    exif.get_ifd(0x8769)[0x927C] = b"thumb-sec"  # the maker's own note
    return exif


def make_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(kind: str) -> bytes:
    buffer = io.BytesIO()
    image, exif, icc = draw_photo(1), make_exif(), make_profile()
    if kind == "JPEG":
        image.save(buffer, kind, exif=exif, icc_profile=icc, comment=b"a-comment", xmp=XMP)
    elif kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", "a-comment")
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=False)
        image.save(buffer, kind, exif=exif, icc_profile=icc, pnginfo=texts)
    else:
        image.save(buffer, kind, exif=exif, icc_profile=icc, xmp=XMP)
    return buffer.getvalue()


def add_thumbnail(jpeg: bytes) -> bytes:
    """Puts a small picture into a photo's EXIF, as cameras do, with a comment of its own."""
    small = io.BytesIO()
    draw_photo(2, 64, 48).save(small, "JPEG", comment=b"thumb-sec")
    data = small.getvalue()
    # TIFF: one tag of the photo itself, then a directory with the place of the thumbnail.
    own = struct.pack(">HHHIHH", 1, 0x0112, 3, 1, 1, 0)
    head = b"MM\0\x2a" + struct.pack(">I", 8) + own + struct.pack(">I", 26)
    places = struct.pack(">HHHII", 2, 0x0201, 4, 1, 56)
    places += struct.pack(">HHII", 0x0202, 4, 1, len(data))
    body = b"Exif\0\0" + head + places + struct.pack(">I", 0) + data
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def list_segments(jpeg: bytes) -> list[int]:
    """Returns the markers of a JPEG up to its scan."""
    markers, at = [], 2
    while jpeg[at + 1] != 0xDA:
        markers.append(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return markers


# JFIF's own head, tables of quantisation and Huffman codes, and the frame's head: all it needs.
NEEDED = {0xE0, 0xDB, 0xC0, 0xC4}


def assert_bare(data: bytes) -> None:
    assert set(list_segments(data)) <= NEEDED
    for secret in (*SECRETS, "Exif", "xmpmeta", "ICC_PROFILE", "adobe", "GPS"):
        assert secret.encode() not in data
        assert secret.encode("utf-16-le") not in data
    with Image.open(io.BytesIO(data)) as kept:
        assert kept.format == "JPEG"
        assert not kept.getexif()
        assert set(kept.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_no_exif_gps_xmp_profile_or_comment_survives(kind: str) -> None:
    photo = save(kind)
    if kind != "AVIF":  # which compresses none of it, but writes the EXIF in its own way
        assert b"Annas-Phone" in photo
    clean = clean_photo(photo)
    assert_bare(clean.data)
    with Image.open(io.BytesIO(clean.data)) as kept:
        assert kept.size == ((240, 320) if kind != "AVIF" else kept.size)  # turned upright


def test_no_thumbnail_survives() -> None:
    photo = add_thumbnail(make_jpeg(1))
    with Image.open(io.BytesIO(photo)) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)  # it is found where cameras put it
    assert b"thumb-sec" in photo
    assert_bare(clean_photo(photo).data)


def test_nothing_of_a_heic_photo_survives_but_its_pixels() -> None:
    pytest.importorskip("pi_heif")
    photo = HEIC.read_bytes()
    assert all(secret in photo for secret in (b"Annas-Phone", b"at-home", b"xmp-secret"))
    assert_bare(clean_photo(photo).data)


def test_what_stands_behind_a_photos_end_does_not_survive() -> None:
    assert_bare(clean_photo(make_jpeg(1) + b"a-comment" * 1000).data)


def test_photos_are_turned_upright_and_keep_their_pixels() -> None:
    image = draw_photo(1)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 8
    image.save(buffer, "PNG", exif=exif)
    kept = Image.open(io.BytesIO(clean_photo(buffer.getvalue()).data))
    turned = ImageOps.exif_transpose(Image.open(buffer))
    difference = np.asarray(kept, np.float64) - np.asarray(turned, np.float64)
    assert np.abs(difference).mean() < 2


def test_a_colour_profile_is_not_applied_as_networks_take_pixels_as_they_are_stored() -> None:
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    buffer = io.BytesIO()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    image.save(buffer, "PNG", icc_profile=lab)
    kept = Image.open(io.BytesIO(clean_photo(buffer.getvalue()).data))
    red, green, blue = kept.getpixel((32, 32))  # type: ignore[misc]
    assert abs(red - 200) + abs(green - 30) + abs(blue - 30) < 10


@pytest.mark.parametrize("size", [(4000, 3000), (1024, 768), (300, 2000)])
def test_the_longer_side_is_bounded(size: tuple[int, int]) -> None:
    kept = Image.open(io.BytesIO(clean_photo(make_jpeg(1, width=size[0], height=size[1])).data))
    assert max(kept.size) == min(max(size), KEPT_PX)
    assert kept.width / kept.height == pytest.approx(size[0] / size[1], rel=0.02)


def test_the_same_pixels_give_the_same_file() -> None:
    buffer = io.BytesIO()
    draw_photo(1).save(buffer, "PNG", exif=make_exif(1), compress_level=1)
    other = io.BytesIO()
    draw_photo(1).save(other, "BMP")
    assert clean_photo(buffer.getvalue()) == clean_photo(other.getvalue())


def test_copies_look_the_same_and_others_do_not() -> None:
    looks = [clean_photo(make_jpeg(seed)).look for seed in range(20)]
    assert not any(looks_same(one, two) for at, one in enumerate(looks) for two in looks[:at])
    mirrored = io.BytesIO()
    ImageOps.mirror(draw_photo(3)).save(mirrored, "JPEG", quality=70)
    assert looks_same(clean_photo(mirrored.getvalue()).look, looks[3])


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_photo_is_refused_and_leaves_nothing(
    app: FlaskClient, list_files: Callable[[], list[Path]], seed: int
) -> None:
    photo = bytearray(make_jpeg(seed))
    photo[200 : 200 + 50 * (seed + 1)] = bytes(50 * (seed + 1))
    del photo[len(photo) // 2 :]
    with pytest.raises(PhotoError):
        clean_photo(bytes(photo))
    assert send(app, say(), bytes(photo)).status_code == 422
    assert list_files() == []


def test_what_the_server_keeps_is_what_was_cleaned(
    app: FlaskClient, list_files: Callable[[], list[Path]]
) -> None:
    assert send(app, say(), save("JPEG")).status_code == 201
    (file,) = list_files()
    assert_bare(file.read_bytes())
    assert file.read_bytes() == clean_photo(save("JPEG")).data
