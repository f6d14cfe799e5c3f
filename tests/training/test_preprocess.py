"""Decoding of every kind of photo file, and the geometry of resize and crop."""

import contextlib
import io
import struct
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.errors import ConfigError, PhotoError
from training.preprocess import MAX_ASPECT, MAX_PIXELS, Preprocess, decode_photo

# Four quarters of different colours show any turn or mirroring.
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 190, 40), (30, 40, 210), (250, 250, 250)


def quarters(width: int = 60, height: int = 40) -> Image.Image:
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def convert(image: Image.Image, mode: str) -> Image.Image:
    return image.convert(mode, dither=Image.Dither.NONE, palette=Image.Palette.ADAPTIVE)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    places = [(4, 4), (width - 5, 4), (4, height - 5), (width - 5, height - 5)]
    return [image.getpixel(place) for place in places]


def assert_close(actual: list[tuple[int, ...]], expected: list[tuple[int, ...]], most: int) -> None:
    difference = np.abs(np.asarray(actual, int) - np.asarray(expected, int)).max()
    assert difference <= most, (actual, expected)


def png(
    width: int, height: int, depth: int, colour_type: int, rows: bytes, *chunks: bytes
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("mode", "kind", "most"),
    [
        ("RGB", "PNG", 0),
        ("RGB", "JPEG", 12),
        ("RGB", "WEBP", 12),
        ("RGB", "BMP", 0),
        ("RGB", "TIFF", 0),
        ("CMYK", "JPEG", 12),
        ("CMYK", "TIFF", 0),
        ("YCbCr", "JPEG", 12),
        ("P", "PNG", 30),
        ("P", "GIF", 30),
        ("RGBA", "PNG", 0),
        ("RGBA", "TIFF", 0),
    ],
)
def test_colour_modes_come_out_as_the_same_rgb(mode: str, kind: str, most: int) -> None:
    image = decode_photo(encode(convert(quarters(), mode), kind))
    assert image.mode == "RGB"
    assert_close(corners(image), [RED, GREEN, BLUE, WHITE], most)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("1", "TIFF")]
)
def test_grey_modes_come_out_as_grey_rgb(mode: str, kind: str) -> None:
    image = decode_photo(encode(convert(quarters().convert("L"), mode), kind))
    pixels = np.asarray(image)
    assert image.mode == "RGB"
    assert (pixels == pixels[..., :1]).all()
    assert corners(image)[3][0] > 200 > corners(image)[2][0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("sample", "expected"), [(0, 0), (65535, 255), (257 * 77, 77), (32768, 128)]
)
def test_16_bit_grey_keeps_its_full_scale(kind: str, sample: int, expected: int) -> None:
    image = Image.fromarray(np.full((8, 8), sample, np.uint16))
    assert decode_photo(encode(image, kind)).getpixel((3, 3)) == (expected,) * 3


def test_16_bit_colour_png_takes_the_upper_byte() -> None:
    pixel = struct.pack(">HHH", 65535, 0x80FF, 0x0100)
    photo = decode_photo(png(2, 2, 16, 2, (b"\0" + pixel * 2) * 2))
    assert photo.getpixel((1, 1)) == (255, 128, 1)


def test_big_endian_16_bit_tiff_is_read_as_little_endian_is() -> None:
    data = struct.pack(">4H", 0, 257, 257 * 2, 65535)
    tags = [(256, 4, 2), (257, 4, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, 2), (279, 4, 8)]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1)
        + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    directory = struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)
    photo = decode_photo(b"MM\0*" + struct.pack(">I", 16) + data + directory)
    assert [photo.getpixel((x, y))[0] for y in (0, 1) for x in (0, 1)] == [0, 1, 2, 255]


def test_floating_point_tiff_is_refused_with_the_way_out() -> None:
    image = Image.fromarray(np.ones((8, 8), np.float32))
    with pytest.raises(PhotoError, match="save as 8 or 16 bits"):
        decode_photo(encode(image, "TIFF"))


def test_32_bit_samples_are_refused() -> None:
    image = Image.fromarray(np.full((8, 8), 70_000, np.int32))
    with pytest.raises(PhotoError, match="32-bit"):
        decode_photo(encode(image, "TIFF"))


def test_transparency_is_put_over_white() -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((200, 0, 0, 128), (0, 0, 4, 8))
    photo = decode_photo(encode(image, "PNG"))
    assert photo.getpixel((6, 2)) == (255, 255, 255)
    assert_close([photo.getpixel((1, 1))], [(227, 127, 127)], 1)


def test_palette_with_alpha_is_put_over_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.paste(1, (0, 0, 4, 8))
    photo = decode_photo(encode(image, "PNG", transparency=b"\0\xff"))
    assert photo.getpixel((1, 1)) == (10, 200, 30)
    assert photo.getpixel((6, 1)) == (255, 255, 255)


def test_a_keyed_transparent_colour_of_an_rgb_png_is_put_over_white() -> None:
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    image.paste((90, 80, 70), (0, 0, 4, 8))
    photo = decode_photo(encode(image, "PNG", transparency=(1, 2, 3)))
    assert photo.getpixel((1, 1)) == (90, 80, 70)
    assert photo.getpixel((6, 1)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_every_exif_orientation_is_turned(
    kind: str, orientation: int, expected: list[tuple[int, ...]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode_photo(encode(quarters(), kind, exif=exif))
    assert photo.size == ((60, 40) if orientation < 5 else (40, 60))
    assert_close(corners(photo), expected, 12)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff", b"Exif\0\0MM\0*"]
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_does_not_cost_the_photo(exif: bytes) -> None:
    assert decode_photo(encode(quarters(), "JPEG", exif=exif)).size == (60, 40)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in (RED, GREEN, BLUE)]
    photo = decode_photo(encode(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert_close(corners(photo), [RED] * 4, 6)


def test_a_phones_two_picture_file_gives_its_first_picture() -> None:
    frames = [quarters(), Image.new("RGB", (60, 40), BLUE)]
    data = encode(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert_close(corners(decode_photo(data)), [RED, GREEN, BLUE, WHITE], 12)


@pytest.mark.parametrize(
    ("width", "height"),
    [(10_000, 6_000), (10_000, 10_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_on_the_header(width: int, height: int) -> None:
    # There are no pixels in the file: decoding it would give another error.
    with pytest.raises(PhotoError, match=r"photo\.png.*allowed are 52") as caught:
        decode_photo(png(width, height, 8, 2, b""), "photo.png")
    assert "truncated" not in str(caught.value)


def test_the_limits_stand_where_they_are_stated() -> None:
    assert decode_photo(png(MAX_ASPECT * 9, 9, 1, 0, (b"\0" + bytes(23)) * 9)).size == (180, 9)
    with pytest.raises(PhotoError, match="too thin"):
        decode_photo(png(MAX_ASPECT * 9 + 1, 9, 1, 0, (b"\0" + bytes(23)) * 9))
    assert 8160 * 6144 <= MAX_PIXELS < 60_000_000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_half_a_file_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), kind)
    with pytest.raises(PhotoError, match=r"half\.bin"):
        decode_photo(data[: len(data) // 2], "half.bin")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_a_file_whose_second_half_is_zeros_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), kind)
    half = len(data) // 2
    with pytest.raises(PhotoError):
        decode_photo(data[:half] + bytes(len(data) - half))


def test_zeros_after_the_end_of_a_jpeg_do_no_harm() -> None:
    data = encode(quarters(), "JPEG") + bytes(2000)
    assert_close(corners(decode_photo(data)), [RED, GREEN, BLUE, WHITE], 12)


@pytest.mark.parametrize("data", [b"", bytes(5000), b"hello", b"%PDF-1.7\n", b"<svg></svg>"])
def test_what_is_no_photo_is_named_so_and_says_what_is_allowed(data: bytes) -> None:
    with pytest.raises(PhotoError, match="not a photo; allowed are JPEG, PNG") as caught:
        decode_photo(data, "notes.txt")
    assert str(caught.value).startswith("notes.txt: ")
    assert "object at" not in str(caught.value)


def test_other_image_formats_are_not_opened() -> None:
    with pytest.raises(PhotoError, match="not a photo"):
        decode_photo(encode(quarters(), "ICO"))


_STARTS = [
    b"", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM",
    b"RIFF\x24\x00\x00\x00WEBPVP8 ", b"II*\x00", b"MM\x00*",
    b"\xff\xd8\xff\xe1\x00\x20Exif\x00\x00",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_STARTS), st.binary(max_size=400))
@pytest.mark.filterwarnings("ignore")
def test_arbitrary_bytes_raise_nothing_but_photo_error(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(PhotoError):
        assert decode_photo(start + rest).mode == "RGB"


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
)
@pytest.mark.filterwarnings("ignore")
def test_photos_with_changed_bytes_raise_nothing_but_photo_error(
    kind: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(encode(quarters(24, 16), kind))
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    with contextlib.suppress(PhotoError):
        assert decode_photo(bytes(data)).mode == "RGB"


def test_decoding_in_threads_gives_each_its_own_photo() -> None:
    colours = [(value, 255 - value, value // 2) for value in range(0, 256, 8)]
    photos = [encode(Image.new("RGB", (50, 50), colour), "PNG") for colour in colours]
    seen: dict[int, tuple[int, ...]] = {}

    def work(start: int) -> None:
        for index in range(start, len(photos), 4):
            seen[index] = decode_photo(photos[index]).getpixel((25, 25))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [seen[index] for index in range(len(photos))] == colours


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(32, 160),
    st.floats(0.51, 1.0),
    st.sampled_from(["bilinear", "bicubic", "lanczos"]),
)
def test_resize_and_crop_give_the_stated_square(
    width: int, height: int, input_px: int, crop_pct: float, resampler: str
) -> None:
    if max(width, height) > MAX_ASPECT * min(width, height):
        return
    preprocess = Preprocess.for_input(input_px, crop_pct, resampler)
    pixels = preprocess(Image.new("RGB", (width, height), (9, 99, 199)))
    assert pixels.shape == (input_px, input_px, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - (9, 99, 199)).max() <= 1


@settings(max_examples=100, deadline=None)
@given(st.integers(40, 300), st.integers(40, 300), st.integers(32, 96))
def test_the_crop_is_central(width: int, height: int, input_px: int) -> None:
    ramp = np.broadcast_to(
        np.linspace(0, 255, width, dtype=np.float32)[None, :, None], (height, width, 3)
    )
    pixels = Preprocess(input_px, input_px)(Image.fromarray(ramp.astype(np.uint8)))
    # A ramp's centre is half way up, wherever the crop cuts it, to within a pixel's step or two.
    step = 255 / input_px * min(width, height) / width
    assert abs(float(pixels.mean()) - 127) <= step + 2


@pytest.mark.parametrize("resampler", ["bilinear", "bicubic", "lanczos"])
def test_a_tall_photo_is_resized_horizontally_first(resampler: str) -> None:
    # Of 1 : 2 and taller, Pillow 13 left to itself does the vertical pass first.
    pixels = np.random.default_rng(0).integers(0, 256, (387, 192, 3), dtype=np.uint8)
    kind = Image.Resampling[resampler.upper()]
    across = Image.fromarray(pixels).resize((87, 387), kind)
    expected = np.asarray(across.resize((87, 175), kind))[44:131]
    found = Preprocess(87, 87, resampler)(Image.fromarray(pixels))
    np.testing.assert_array_equal(found, expected)


def test_the_definition_survives_its_json() -> None:
    preprocess = Preprocess.for_input(96, 0.9, "bicubic")
    assert Preprocess.from_json(preprocess.to_json()) == preprocess
    with pytest.raises(ConfigError, match="whole numbers"):
        Preprocess.from_json({"input_px": "96", "resize_px": 96, "resampler": "bilinear"})
    with pytest.raises(ConfigError, match="needs input_px"):
        Preprocess.from_json({"input_px": 96})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((16, 32, "bilinear"), "32 to 1024"),
        ((96, 95, "bilinear"), "96 to 192"),
        ((96, 300, "bilinear"), "96 to 192"),
        ((96, 96, "nearest"), "bicubic"),
    ],
)
def test_values_out_of_range_name_what_is_allowed(values: tuple[int, int, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Preprocess(*values)
