"""The recogniser as the page ships it, asked from Python."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import Page, Route

from training.preprocess import Preprocess

MODEL_PATH = "/model-of-the-test.tflite"
_QUIET_PATH = "/scan/of-the-test.html"
_QUIET = '<!doctype html><title>Test</title><link rel="icon" href="data:,">'
_TIMINGS = ("decode", "prepare", "run")

_OPEN = """async ({path, labels, preprocess, only}) => {
  const { openRecogniser } = await import("/scan/try.js");
  const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer());
  globalThis.recogniser?.close();
  globalThis.recogniser = await openRecogniser({ path, bytes }, { labels, preprocess }, only);
}"""
_READ = "const photo = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));"
_TELL = """const { probabilities, knownScore, timings } = scores;
  return [[...probabilities], knownScore, timings];"""
_ANSWER_PHOTO = f"""async (text) => {{
  {_READ}
  const scores = await recogniser.answerPhoto(photo);
  {_TELL}
}}"""
_ANSWER_FRAME = f"""async (text) => {{
  {_READ}
  const image = await createImageBitmap(new Blob([photo]));
  const start = performance.now();
  const scores = await recogniser.answerFrame(image);
  {_TELL}
}}"""
_ANSWER_AT_ONCE = """async (texts) => {
  const photos = texts.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
  const all = await Promise.all(photos.map((photo) => recogniser.answerPhoto(photo)));
  return all.map(({ probabilities }) => [...probabilities]);
}"""
_CLOSE_WHILE_IT_ANSWERS = """async (texts) => {
  const photos = texts.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
  const all = photos.map((photo) => recogniser.answerPhoto(photo).then(String, String));
  recogniser.close();
  return Promise.all(all);
}"""
_DECODE = f"""async (text) => {{
  {_READ}
  const {{ decodePhoto }} = await import("/scan/try.js");
  const {{ width, height, data }} = await decodePhoto(photo);
  let letters = "";
  for (let at = 0; at < data.length; at += 1 << 15) {{
    letters += String.fromCharCode(...data.subarray(at, at + (1 << 15)));
  }}
  return [width, height, btoa(letters)];
}}"""


def open_quietly(page: Page, address: str) -> None:
    """Opens a page of the server's origin in which nothing starts by itself."""
    page.route(
        f"**{_QUIET_PATH}", lambda route: route.fulfill(body=_QUIET, content_type="text/html")
    )
    page.goto(f"{address}{_QUIET_PATH}")


@dataclass(frozen=True)
class BrowserAnswer:
    """What the page's recogniser says of a picture.

    Attributes:
        probabilities: float32, [labels].
        known_score: the second output.
        timings_ms: of each step.
    """

    probabilities: npt.NDArray[np.float32]
    known_score: float
    timings_ms: dict[str, float]


class PageRecogniser:
    """Opens model files in a page of the server, and answers by them."""

    def __init__(self, page: Page) -> None:
        """`page` shows a page of the server."""
        self._page = page

    def open(
        self, tflite: bytes, labels: Sequence[str], preprocess: Preprocess, only: str | None = None
    ) -> None:
        """Opens a model file in place of the one before; `only` names the processor to use."""

        def send(route: Route) -> None:
            route.fulfill(body=tflite, content_type="application/octet-stream")

        self._page.route(f"**{MODEL_PATH}", send)
        by = {
            "inputPx": preprocess.input_px,
            "resizePx": preprocess.resize_px,
            "resampler": preprocess.resampler,
            "steps": [],
        }
        self._page.evaluate(
            _OPEN, {"path": MODEL_PATH, "labels": list(labels), "preprocess": by, "only": only}
        )
        self._page.unroute(f"**{MODEL_PATH}", send)

    @property
    def accelerator(self) -> str:
        """Which processor answers the next picture."""
        return str(self._page.evaluate("recogniser.accelerator"))

    def answer(self, photo: bytes) -> BrowserAnswer:
        """Answers an encoded photo."""
        return self._ask(_ANSWER_PHOTO, photo)

    def answer_frame(self, image: Image.Image) -> BrowserAnswer:
        """Answers a picture as the camera gives it."""
        return self._ask(_ANSWER_FRAME, encode(image, "PNG"))

    def answer_at_once(self, photos: Sequence[bytes]) -> list[list[float]]:
        """Returns the probabilities of photos that are given before the first one is answered."""
        found: list[list[float]] = self._page.evaluate(_ANSWER_AT_ONCE, list(map(_to_text, photos)))
        return found

    def close_while_it_answers(self, photos: Sequence[bytes]) -> list[str]:
        """Closes the recogniser when photos wait, and returns what became of each."""
        texts = list(map(_to_text, photos))
        told: list[str] = self._page.evaluate(_CLOSE_WHILE_IT_ANSWERS, texts)
        return told

    def decode(self, photo: bytes) -> npt.NDArray[np.uint8]:
        """Returns the turned pixels, uint8 [height, width, 3]."""
        width, height, data = self._page.evaluate(_DECODE, _to_text(photo))
        pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
        assert pixels[..., 3].min() == 255
        return pixels[..., :3]

    def _ask(self, script: str, photo: bytes) -> BrowserAnswer:
        row, score, timings = self._page.evaluate(script, _to_text(photo))
        return BrowserAnswer(
            np.array(row, np.float32), float(score), {name: timings[name] for name in _TIMINGS}
        )


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """Returns the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _to_text(photo: bytes) -> str:
    return base64.b64encode(photo).decode()
