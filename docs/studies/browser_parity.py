"""Whether a browser answers photos as Python does, by the same file, and how long a frame takes.

    python -m docs.studies.browser_parity REPOSITORY --photos FOLDER [--processor wasm]

Starts the server of a repository and a headless Chromium; each `.jpg` below the folder is
answered by the scan page's recogniser and by LiteRT in Python. Then frames of 1280 x 720 pixels are
taken from a canvas, as from a camera's picture: milliseconds from the frame to the answer on the
page, and of the parts within the worker. At last the memory of the browser is compared before and
after some thousand frames. `--processor webgpu` asks Chromium's software adapter: for what it
answers, not for how fast.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from conversion.runners import LiteRtRunner
from mobile_assets.manifest import Manifest
from tests.scan.conftest import find_chromium
from tests.scan.recognising import PageRecogniser, open_quietly
from tests.serving.test_server import serve
from training.preprocess import Preprocess, decode_photo

_WARM_UP = 10
_FRAMES_A_LINE = 500
_SCANS = """async ([count, width, height]) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const rows = [];
  for (let frame = 0; frame < count; frame++) {
    for (let patch = 0; patch < 40; patch++) {
      context.fillStyle = `hsl(${(frame * 7 + patch * 31) % 360} 60% 50%)`;
      context.fillRect((patch * 97 + frame * 5) % width, (patch * 61) % height, 160, 120);
    }
    const start = performance.now();
    const picture = await createImageBitmap(canvas);
    const taken = performance.now();
    const { timings } = await recogniser.answerFrame(picture);
    const done = performance.now();
    rows.push([done - start, taken - start, timings.decode, timings.prepare, timings.run]);
  }
  return rows;
}"""
_PARTS = ("frame to answer", "taking the frame", "reading its pixels", "resize and crop", "run")


def main() -> None:
    """Measures, and prints what docs/scan-page.md holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--processor", choices=["wasm", "webgpu"], default="wasm")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--endurance", type=int, default=3000)
    options = parser.parse_args()
    manifest, tflite = read_release(options.repository)
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    if options.processor == "webgpu":
        flags += ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    with (
        tempfile.TemporaryDirectory() as state,
        serve(options.repository, "--state", state) as (address, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        page = browser.new_page()
        open_quietly(page, address)
        recogniser = PageRecogniser(page)
        recogniser.open(tflite, manifest.labels.names, manifest.preprocess, options.processor)
        print(f"Chromium {browser.version}, {options.processor}, {manifest.preprocess.input_px} px")
        compare(recogniser, tflite, manifest.preprocess, options.photos)
        measure(page, options.frames)
        endure(page, options.endurance)
        browser.close()


def read_release(repository: Path) -> tuple[Manifest, bytes]:
    """Returns a manifest of the repository, and the file that browsers get of it."""
    path = next(repository.glob("targets/*/*/*.manifest.json"))
    manifest = Manifest.from_bytes(path.read_bytes())
    (artifact,) = manifest.artifacts_for("web")
    name = f"{artifact.file.sha256}.{Path(artifact.file.path).name}"
    return manifest, (path.parent / "artifacts" / name).read_bytes()


def compare(
    recogniser: PageRecogniser, tflite: bytes, preprocess: Preprocess, folder: Path
) -> None:
    """Prints how many photos get the same label, and the largest differences."""
    runner = LiteRtRunner(tflite)
    photos = sorted(folder.rglob("*.jpg"))
    same, pixels, differences = 0, [], []
    for path in photos:
        data = path.read_bytes()
        wanted = runner.answer(preprocess.read(data)[None])
        found = recogniser.answer(data)
        same += int(found.probabilities.argmax() == wanted.probabilities[0].argmax())
        differences.append(float(np.abs(found.probabilities - wanted.probabilities[0]).max()))
        decoded = recogniser.decode(data).astype(int)
        pixels.append(int(np.abs(decoded - np.asarray(decode_photo(data))).max()))
    print(
        f"{len(photos)} photos: {same} with the same first label ({100 * same / len(photos):.2f} %)"
    )
    print(f"largest difference of a probability {max(differences):.2g}")
    print(f"largest difference of a decoded pixel {max(pixels)} levels")


def measure(page: Page, frames: int) -> None:
    """Prints the median time of each part, and the processor time, which others do not disturb."""
    page.evaluate(_SCANS, [_WARM_UP, 1280, 720])
    before = _watch_pages()
    rows = page.evaluate(_SCANS, [frames, 1280, 720])
    used_ms = (_watch_pages().cpu_s - before.cpu_s) * 1e3 / frames
    print(f"{frames} frames of 1280 x 720; load of the machine {os.getloadavg()[0]:.1f}")
    print("| part | median ms | best tenth ms |\n| --- | ---: | ---: |")
    for name, times in zip(_PARTS, zip(*rows, strict=True), strict=True):
        tenth = statistics.quantiles(times, n=10)[0]
        print(f"| {name} | {statistics.median(times):.1f} | {tenth:.1f} |")
    print(f"processor time of the page, with drawing the frames: {used_ms:.1f} ms a frame")


def endure(page: Page, frames: int) -> None:
    """Prints the memory of the browser's processes before and after many frames."""
    before = _watch_pages().memory_mb
    for done in range(0, frames, _FRAMES_A_LINE):
        page.evaluate(_SCANS, [_FRAMES_A_LINE, 640, 480])
        after = _watch_pages().memory_mb
        print(
            f"{done + _FRAMES_A_LINE} frames later: {before:.0f} MB became {after:.0f} MB",
            flush=True,
        )


@dataclass(frozen=True)
class _Use:
    """What the pages' processes that this one started use, all together."""

    memory_mb: float
    cpu_s: float


def _watch_pages() -> _Use:
    parents: dict[int, int] = {}
    uses: dict[int, _Use] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rsplit(")")[-1].split()
            parents[int(folder.name)] = int(stat[1])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                cpu_s = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
                pages = int((folder / "statm").read_text().split()[1])
                uses[int(folder.name)] = _Use(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, cpu_s)
    ours = [use for pid, use in uses.items() if _is_ours(pid, parents)]
    return _Use(sum(use.memory_mb for use in ours), sum(use.cpu_s for use in ours))


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid > 1 and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid == os.getpid()


if __name__ == "__main__":
    main()
