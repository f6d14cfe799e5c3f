"""Cases from a photo to a verdict for the test vectors: sizes, turns, pixels, and verdicts."""

import base64
from typing import Any

import numpy as np
from PIL import Image

from training.answers import Answers
from training.evaluation.decisions import Limits, judge, sum_coarse
from training.hierarchy import Hierarchy
from training.preprocess import PixelsHwc, Preprocess

_INPUT_PX = 32
_SIZES = ((4000, 3000), (3000, 4000), (32, 32), (33, 47), (20, 37), (640, 33), (99, 1000), (5, 7))
_DEFINITIONS = ((32, 36), (32, 32), (224, 256), (64, 75), (1024, 2048))
# What a phone may differ in each sample, in levels of 255: a pass's rounding to 8 bits.
_TOLERANCE_LEVELS = 1
_PHOTOS = ((45, 37), (20, 31))
# How each EXIF Orientation (CIPA DC-008, tag 274) is undone by Pillow's transpositions.
_TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PARENTS = Hierarchy.from_names(["pome", "berry", "stone", "stone", "citrus"])
_SURE = Limits(temperature=1.0, score="known_score", min_score=-1.5, sure=0.8, coarse=0.7)
_NEVER = Limits(temperature=1.0, score="known_score", min_score=None, sure=None, coarse=None)
_CLEAR, _PLUM = (0.9, 0.05, 0.03, 0.01, 0.01), (0.05, 0.05, 0.45, 0.4, 0.05)
_EVEN = (0.2, 0.2, 0.2, 0.2, 0.2)
_VERDICTS: tuple[tuple[str, tuple[float, ...], float, Limits, bool], ...] = (
    ("a clear answer", _CLEAR, -1.0, _SURE, True),
    ("two labels of one coarse class", _PLUM, -1.0, _SURE, True),
    ("the same without coarse classes", _PLUM, -1.0, _SURE, False),
    ("all alike: the first label", _EVEN, -1.0, _SURE, True),
    ("clear, but not a known thing", _CLEAR, -1.6, _SURE, True),
    ("exactly known enough", _CLEAR, -1.5, _SURE, True),
    ("nothing is ever said", _CLEAR, -9.0, _NEVER, True),
    ("softened", _CLEAR, -1.0, Limits(3.0, "known_score", -1.5, 0.8, 0.7), True),
    ("sharpened", _PLUM, -1.0, Limits(0.1, "known_score", -1.5, 0.7, 0.9), True),
    ("exactly sure enough", (0.5, 0.25, 0.25, 0.0, 0.0), -1.0, Limits(1, "gen", -9, 0.5, 1), True),
    ("not a probable one", _EVEN, 0.0, Limits(1.0, "max_probability", 0.25, 0.8, 0.7), True),
    ("a probable one", _PLUM, -9.0, Limits(1.0, "max_probability", 0.25, 0.8, 0.7), True),
    ("spread wide by GEN", _EVEN, 0.0, Limits(1.0, "gen", -3.9, 0.8, 0.7), True),
    ("spread little by GEN", _CLEAR, 0.0, Limits(1.0, "gen", -3.9, 0.8, 0.7), True),
    ("not divided by its sum", (0.45, 0.02, 0.02, 0.01, 0.0), 0.0, _SURE, True),
    ("so small that a power vanishes", (1.0, 1e-30, 0.0, 0.0, 0.0), 0.0, _SURE, True),
)
_NO_ANSWERS: tuple[tuple[str, tuple[float | None, ...], float | None], ...] = (
    ("all 0", (0.0, 0.0, 0.0, 0.0, 0.0), -1.0),
    ("below 0", (1.1, -0.1, 0.0, 0.0, 0.0), -1.0),
    ("no number", (None, 0.5, 0.5, 0.0, 0.0), -1.0),
    ("no known score", _CLEAR, None),
)


def make_preprocess() -> dict[str, Any]:
    """Returns cases of sizes, of turns, and of pixels."""
    return {
        "tolerance_levels": _TOLERANCE_LEVELS,
        "geometry": [
            _describe_geometry(size, Preprocess(*definition))
            for definition in _DEFINITIONS
            for size in _SIZES
        ],
        "turns": _make_turns(),
        "pixels": [
            _describe_pixels(_make_photo(*size), Preprocess(_INPUT_PX, 36, resampler))
            for size in _PHOTOS
            for resampler in ("bilinear", "bicubic", "lanczos")
        ],
    }


def make_verdicts() -> dict[str, Any]:
    """Returns answers with their verdicts, and answers that are none; null is no number."""
    return {
        "tolerance": 1e-6,  # Python sums coarse classes in float32
        "hierarchy": _PARENTS.to_json(),
        "cases": [_describe_verdict(*case) for case in _VERDICTS],
        "refused": [
            {"about": about, "probabilities": list(given), "known_score": known_score}
            for about, given, known_score in _NO_ANSWERS
        ],
    }


def _describe_geometry(size: tuple[int, int], preprocess: Preprocess) -> dict[str, Any]:
    asked = _Asked(*size)
    preprocess(asked)  # type: ignore[arg-type]
    return {
        "size": list(size),
        "input_px": preprocess.input_px,
        "resize_px": preprocess.resize_px,
        "resized": list(asked.resized),
        "corner": list(asked.box[:2]),
    }


class _Asked:
    """Stands in for a photo, and keeps what `Preprocess` asks of it."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self.resized = 0, 0
        self.box = 0, 0, 0, 0

    def resize(self, size: tuple[int, int], resampler: Image.Resampling) -> "_Asked":
        self.resized = size
        return self

    def crop(self, box: tuple[int, int, int, int]) -> PixelsHwc:
        self.box = box
        return np.zeros((0, 0, 3), np.uint8)


def _make_turns() -> dict[str, Any]:
    photo = _make_photo(3, 2)
    turned = {
        str(tag): photo if turn is None else photo.transpose(turn) for tag, turn in _TURNS.items()
    }
    return {
        "photo": _describe_photo(photo),
        "turned": {tag: _describe_photo(found) for tag, found in turned.items()},
    }


def _make_photo(width: int, height: int) -> Image.Image:
    """Waves of another length in each channel, smooth and sharp: filters differ on them."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 3 + y / 7), np.cos(x / 11) * np.sin(y / 2), np.sign(np.sin(x * y / 30))]
    samples = np.round(127.5 + 100 * np.stack(waves, axis=-1))
    return Image.fromarray(samples.astype(np.uint8))


def _describe_photo(photo: Image.Image) -> dict[str, Any]:
    rgb = base64.b64encode(photo.tobytes()).decode()
    return {"width": photo.width, "height": photo.height, "rgb": rgb}


def _describe_pixels(photo: Image.Image, preprocess: Preprocess) -> dict[str, Any]:
    numbers = {key: value for key, value in preprocess.to_json().items() if key != "steps"}
    expected = base64.b64encode(preprocess(photo).tobytes()).decode()
    return {**numbers, "photo": _describe_photo(photo), "expected": expected}


def _describe_verdict(
    about: str, given: tuple[float, ...], known_score: float, limits: Limits, has_coarse: bool
) -> dict[str, Any]:
    answers = Answers(np.array([given], np.float32), np.array([known_score], np.float32))
    hierarchy = _PARENTS if has_coarse else None
    calibrated, verdicts = judge(answers, limits, hierarchy)
    index = int(calibrated[0].argmax())
    sums = None if hierarchy is None else sum_coarse(hierarchy, calibrated)[0]
    best = None if sums is None else int(sums.argmax())
    return {
        "about": about,
        "probabilities": [float(value) for value in answers.probabilities[0]],
        "known_score": float(answers.known_scores[0]),
        "limits": vars(limits),
        "has_coarse": has_coarse,
        "verdict": str(verdicts[0]),
        "index": index,
        "probability": round(float(calibrated[0, index]), 9),
        "coarse_index": best,
        "coarse_probability": None if sums is None or best is None else round(float(sums[best]), 6),
    }
