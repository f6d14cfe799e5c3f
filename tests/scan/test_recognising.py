"""The page answers as Python does: the same pixels, and the same answers of the same file."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from playwright.sync_api import Error, Page

from conversion.artifact import Build
from conversion.runners import LiteRtRunner
from tests.conversion import conftest as conversion
from tests.mobile_assets.builds import LABELS, LITERT, PREPROCESS, answer, make_build, make_photo
from tests.mobile_assets.repositories import Repository
from tests.scan.building import BUILT
from tests.scan.conftest import MakeBrowser
from tests.scan.recognising import PageRecogniser, encode, open_quietly
from tests.serving.test_server import serve
from training.preprocess import Preprocess, decode_photo
from training.sources.synthetic import SyntheticPhoto

# One small trained network, converted once and kept.
cached = conversion.cached
build_folder = conversion.build_folder
build = conversion.build

# Both run XNNPACK's float32 kernels; in WebAssembly they sum in vectors of 4, in Python of 8 or 16,
# and multiply and add in one rounding or two, as the processor likes. One rounding is 6e-8; through
# the layers it stays far below this, and a wrong pixel or filter far above.
CLOSE = 1e-5
# Weights of 16 bits are unpacked to the same numbers on both sides; where one of them works in 16
# bits at some step, it is off by more than a sum's rounding.
CLOSE_HALF = 1e-4
# Kernels of int8 files may round a half up or down, by the processor, and one step can then grow
# through the layers: what the self-test of devices allows.
CLOSE_INT8 = 0.02


@pytest.fixture(scope="module")
def page_address(colours_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server process for all tests of this file."""
    repository = Repository(tmp_path_factory.mktemp("recognising") / "repository")
    repository.add(colours_bundle)
    with serve(repository.folder) as (found, _):
        yield found


@pytest.fixture(scope="module")
def recogniser(make_browser: MakeBrowser, page_address: str) -> Iterator[PageRecogniser]:
    """The recogniser in a page, for all tests that need no browser of their own."""
    browser = make_browser()
    page = browser.new_page()
    open_quietly(page, page_address)
    yield PageRecogniser(page)
    browser.close()


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a model that is opened in a moment."""
    return (make_build(tmp_path_factory.mktemp("tiny") / "build") / LITERT).read_bytes()


# (format, options of Pillow); JPEGs are turned by EXIF as well.
FILES: tuple[tuple[str, dict[str, object]], ...] = (
    ("JPEG", {"quality": 90, "subsampling": "4:4:4"}),
    ("JPEG", {"quality": 75, "subsampling": "4:2:2"}),
    ("JPEG", {"quality": 60, "subsampling": "4:2:0"}),
    ("JPEG", {"quality": 80, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {"quality": 80}),
)


def draw_photos() -> list[bytes]:
    """Each of the 16 classes as each kind of file; JPEGs in all orientations of EXIF."""
    photos = []
    for class_index in range(16):
        drawn = [decode_photo(SyntheticPhoto(7, 1, class_index, number)()) for number in range(2)]
        exif = Image.Exif()
        exif[0x0112] = 1 + class_index % 8
        for number, (kind, options) in enumerate(FILES):
            turned = {"exif": exif.tobytes()} if kind == "JPEG" else {}
            photos.append(encode(drawn[number % 2], kind, **options, **turned))
    return photos


def test_a_trained_network_answers_in_the_page_as_in_python(
    recogniser: PageRecogniser, build_folder: Path, build: Build
) -> None:
    drawn = draw_photos()
    for key, allowed, photos in (
        ("litert-fp32", CLOSE, drawn),
        ("litert-fp16", CLOSE_HALF, drawn[::5]),
        ("litert-int8", CLOSE_INT8, drawn[::5]),
    ):
        x_nhwc = np.stack([build.preprocess.read(photo) for photo in photos])
        name = next(x.file_name for x in build.artifacts if x.variant.key == key)
        tflite = (build_folder / name).read_bytes()
        wanted = LiteRtRunner(tflite).answer(x_nhwc)
        recogniser.open(tflite, build.labels.names, build.preprocess)
        found = [recogniser.answer(photo) for photo in photos]
        rows = np.stack([each.probabilities for each in found])
        print(
            key,
            "largest difference",
            np.abs(rows - wanted.probabilities).max(),
            (rows.argmax(1) == wanted.probabilities.argmax(1)).mean(),
        )
        assert len(set(rows.argmax(1))) > 5, "a network that says one thing would hide differences"
        assert (rows.argmax(1) == wanted.probabilities.argmax(1)).mean() >= 0.995
        assert np.abs(rows - wanted.probabilities).max() <= allowed
        scores = np.array([each.known_score for each in found])
        assert np.abs(scores - wanted.known_scores).max() <= allowed * np.ptp(wanted.known_scores)


def test_pixels_are_those_of_python_whatever_the_file(recogniser: PageRecogniser) -> None:
    """Photos come from phones, cameras and websites; see docs/scan-page.md for what differs."""
    image = decode_photo(SyntheticPhoto(7, 1, 3, 0)())
    slope = np.linspace(0, 255, image.width).astype(np.uint8)
    see_through = image.convert("RGBA")
    see_through.putalpha(Image.fromarray(np.tile(slope, (image.height, 1))))
    exact = {
        "grey JPEG": encode(image.convert("L"), "JPEG"),
        "CMYK JPEG": encode(image.convert("CMYK"), "JPEG"),
        "JPEG of a third of the colours": encode(image, "JPEG", subsampling="4:1:1"),
        "JPEG with another profile": encode(image, "JPEG", icc_profile=make_strange_profile()),
        "PNG with another profile": encode(image, "PNG", icc_profile=make_strange_profile()),
        "PNG with 16 bits": make_png_of_16_bits(image),
        "PNG with a palette": encode(image.quantize(64), "PNG"),
        "PNG with transparency": encode(see_through, "PNG"),
        "PNG with one colour transparent": encode(image.quantize(64), "PNG", transparency=3),
        "GIF of two pictures": encode(
            image.quantize(64), "GIF", save_all=True, append_images=[image.rotate(180)]
        ),
        "BMP": encode(image, "BMP"),
        "WebP without loss": encode(image, "WEBP", lossless=True),
    }
    for about, photo in exact.items():
        found = recogniser.decode(photo).astype(int) - np.asarray(decode_photo(photo))
        assert np.abs(found).max() == 0, about
    grey = (np.asarray(image.convert("L"), np.uint16) * 257 + 130).clip(0, 65535)
    close = {
        "grey PNG with 16 bits": encode(Image.fromarray(grey.astype(np.uint16)), "PNG"),
        "WebP with transparency": encode(see_through, "WEBP"),
    }
    for about, photo in close.items():
        found = recogniser.decode(photo).astype(int) - np.asarray(decode_photo(photo))
        assert np.abs(found).max() <= 1, about


def make_strange_profile() -> bytes:
    """A profile that swaps red and blue: whoever applies it cannot miss it."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = data.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    assert swapped != data
    return swapped


def make_png_of_16_bits(image: Image.Image) -> bytes:
    """A PNG of RGB with 16 bits a sample, which Pillow does not write."""
    samples = np.asarray(image).astype(">u2") * 256 + 200

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", image.width, image.height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("size", [(320, 180), (180, 320), (33, 32)])
def test_a_picture_of_the_camera_is_answered_like_a_photo(
    recogniser: PageRecogniser, colours: bytes, size: tuple[int, int]
) -> None:
    image = decode_photo(SyntheticPhoto(7, 1, 3, 0)()).resize(size)
    recogniser.open(colours, LABELS.names, PREPROCESS)
    wanted = LiteRtRunner(colours).answer(PREPROCESS(image)[None])
    for found in (recogniser.answer_frame(image), recogniser.answer(encode(image, "PNG"))):
        assert np.abs(found.probabilities - wanted.probabilities[0]).max() <= CLOSE
        assert abs(found.known_score - wanted.known_scores[0]) <= CLOSE


def test_a_photo_that_is_read_in_strips_is_answered_like_a_small_one(
    recogniser: PageRecogniser, colours: bytes
) -> None:
    photo = encode(decode_photo(SyntheticPhoto(7, 1, 5, 0)()).resize((2600, 2500)), "JPEG")
    recogniser.open(colours, LABELS.names, PREPROCESS)
    wanted = answer(colours, photo)
    assert recogniser.answer(photo).probabilities == pytest.approx(wanted, abs=CLOSE)


def test_a_file_that_is_no_photo_is_refused_and_the_next_one_answered(
    recogniser: PageRecogniser, colours: bytes
) -> None:
    recogniser.open(colours, LABELS.names, PREPROCESS)
    for photo, why in (
        (b"no photo", "PhotoError: not a photo that this browser can decode"),
        (make_photo((200, 0, 0))[:500], "PhotoError: not a photo that this browser can decode"),
        (encode(Image.new("RGB", (421, 20)), "PNG"), "PhotoSizeError: 421 x 20 is too thin"),
    ):
        with pytest.raises(Error, match=why):
            recogniser.answer(photo)
    photo = make_photo((200, 0, 0))
    assert recogniser.answer(photo).probabilities == pytest.approx(
        answer(colours, photo), abs=CLOSE
    )


def test_a_file_that_the_runtime_does_not_take_is_refused_and_another_can_be_opened(
    recogniser: PageRecogniser, colours: bytes
) -> None:
    with pytest.raises(Error, match="CrashedError"):
        recogniser.open(b"\0" * 64 + b"no model" * 100, LABELS.names, PREPROCESS)
    with pytest.raises(Error, match=r"CrashedError: .* other than the manifest says"):
        recogniser.open(colours, [*LABELS.names, "one more"], PREPROCESS)
    with pytest.raises(Error, match=r"CrashedError: .* other than the manifest says"):
        recogniser.open(colours, LABELS.names, Preprocess.for_input(64))
    recogniser.open(colours, LABELS.names, PREPROCESS)
    photo = make_photo((0, 0, 200))
    assert recogniser.answer(photo).probabilities == pytest.approx(
        answer(colours, photo), abs=CLOSE
    )


def test_photos_wait_for_each_other_and_closing_refuses_those_that_wait(
    recogniser: PageRecogniser, colours: bytes
) -> None:
    recogniser.open(colours, LABELS.names, PREPROCESS)
    photos = [make_photo(colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    found = recogniser.answer_at_once(photos)
    for photo, row in zip(photos, found, strict=True):
        assert row == pytest.approx(answer(colours, photo), abs=CLOSE)
    assert recogniser.close_while_it_answers(photos) == ["CrashedError: it was closed"] * 3


def test_a_worker_that_dies_is_told_and_another_can_be_opened(
    page: Page, page_address: str, colours: bytes
) -> None:
    open_quietly(page, page_address)
    mine = PageRecogniser(page)
    dies = 'onmessage = () => { setTimeout(() => { throw new RangeError("out of memory") }) }'
    page.route(
        "**/worker-*.js", lambda route: route.fulfill(body=dies, content_type="text/javascript")
    )
    with pytest.raises(Error, match=r"CrashedError: .*out of memory"):
        mine.open(colours, LABELS.names, PREPROCESS)
    page.unroute_all()
    mine.open(colours, LABELS.names, PREPROCESS)
    photo = make_photo((0, 0, 200))
    assert mine.answer(photo).probabilities == pytest.approx(answer(colours, photo), abs=CLOSE)


@pytest.mark.parametrize("files", ["**/litert/**", "**/worker-*.js"])
def test_a_runtime_that_cannot_be_fetched_is_told_apart_from_a_bad_model(
    page: Page, page_address: str, colours: bytes, complaints: list[str], files: str
) -> None:
    open_quietly(page, page_address)
    page.route(files, lambda route: route.abort())
    with pytest.raises(Error, match="RuntimeMissingError"):
        PageRecogniser(page).open(colours, LABELS.names, PREPROCESS)
    complaints.clear()  # the browser itself tells of what it could not fetch


def test_a_browser_without_simd_is_told_so(page: Page, page_address: str, colours: bytes) -> None:
    page.add_init_script("WebAssembly.validate = () => false")
    open_quietly(page, page_address)
    with pytest.raises(Error, match="UnsupportedError: this browser has no SIMD in WebAssembly"):
        PageRecogniser(page).open(colours, LABELS.names, PREPROCESS)


def test_a_browser_without_relaxed_simd_answers_too(
    page: Page, page_address: str, colours: bytes
) -> None:
    """Safari has none: it gets another build of the runtime."""
    compat = next((BUILT / "litert").glob("*/litert_wasm_compat_internal.js.gz"))
    page.route(
        "**/litert_wasm_internal.js",
        lambda route: route.fulfill(
            body=gzip.decompress(compat.read_bytes()), content_type="text/javascript"
        ),
    )
    open_quietly(page, page_address)
    mine = PageRecogniser(page)
    with page.expect_response("**/litert_wasm_compat_internal.wasm"):
        mine.open(colours, LABELS.names, PREPROCESS)
    photo = make_photo((0, 200, 0))
    assert mine.answer(photo).probabilities == pytest.approx(answer(colours, photo), abs=CLOSE)


def test_a_graphics_processor_answers_alike_and_one_that_is_only_played_is_not_used(
    make_browser: MakeBrowser, page_address: str, colours: bytes
) -> None:
    """Chromium's SwiftShader plays a graphics processor on the processor: right, and slow."""
    browser = make_browser(flags=("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"))
    page = browser.new_page()
    open_quietly(page, page_address)
    photo = make_photo((0, 200, 0))
    mine = PageRecogniser(page)
    mine.open(colours, LABELS.names, PREPROCESS, only="webgpu")
    assert mine.accelerator == "webgpu"
    assert mine.answer(photo).probabilities == pytest.approx(answer(colours, photo), abs=CLOSE)
    mine.open(colours, LABELS.names, PREPROCESS)
    mine.answer(photo)
    assert mine.accelerator == "wasm"
    browser.close()
