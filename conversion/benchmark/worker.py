"""One contender of a benchmark in a process of its own: `python -m conversion.benchmark.worker`.

Takes one JSON object a line from stdin and answers each with one line on stdout; ends with stdin,
so that it never outlives the benchmark. What runtimes print goes to stderr.
"""

import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from conversion.benchmark.contenders import KINDS, Answer, Load, Pixels, Probabilities, prepare
from training.errors import GhostlensError

_REST_S = 0.005
_MAX_REST_S = 1.0
_RESTING_SHARE = 0.2
_STATUS = Path("/proc/self/status")


class Contender:
    """A network that was opened, and photos to ask it about."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Imports the runtime, opens the network and answers once, each step measured.

        Args:
            order: "kind", "path", "threads" and "spin" as in `Load`, and "pixels": a `.npy` file
                of photos, uint8 [N, side, side, 3].
        """
        self._pixels = _read_pixels(Path(order["pixels"]), KINDS[order["kind"]].layout)
        self._opens = prepare(order["kind"])
        self._load = Load(Path(order["path"]), order["threads"], order["spin"])
        if self._load.path.is_file():
            self._load.path.read_bytes()  # into the page cache, so that no disk is timed
        gc.collect()
        _forget_peak()
        self.baseline_bytes = resident_bytes(peak=False)
        start = time.perf_counter()
        self._answer: Answer | None = self._opens(self._load)
        self.load_ms = _since(start)
        start = time.perf_counter()
        self._ask(self._pixels[0])
        self.first_answer_ms = _since(start)

    def describe(self) -> dict[str, Any]:
        """Returns what opening took, and the answers to all photos, [N, classes]."""
        # Copies: a runtime may write the next answer into the same memory.
        answers = [np.array(self._ask(x)[0], np.float32).tolist() for x in self._pixels]
        return {
            "load_ms": self.load_ms,
            "first_answer_ms": self.first_answer_ms,
            "baseline_bytes": self.baseline_bytes,
            "answers": answers,
        }

    def run(self, warm_up: int, timed: int) -> dict[str, Any]:
        """Answers some photos, untimed and then timed, and waits until its threads rest."""
        count, times_ms = len(self._pixels), []
        for index in range(warm_up):
            self._ask(self._pixels[index % count])
        gc.disable()
        for index in range(timed):
            x = self._pixels[index % count]
            start = time.perf_counter()
            self._ask(x)
            times_ms.append(_since(start))
        gc.enable()
        come_to_rest()
        return {"times_ms": times_ms, "peak_bytes": resident_bytes(peak=True)}

    def reload(self, times: int) -> dict[str, Any]:
        """Opens the network again some times; memory is not to be looked at afterwards."""
        load_ms = []
        for _ in range(times):
            self._answer = None  # so that only one is open at a time
            gc.collect()
            start = time.perf_counter()
            self._answer = self._opens(self._load)
            load_ms.append(_since(start))
        return {"load_ms": load_ms}

    def _ask(self, x: Pixels) -> Probabilities:
        assert self._answer is not None  # only while it is opened again
        return self._answer(x)


def come_to_rest() -> None:
    """Waits until threads that spin for more work have given up: the next contender needs cores."""
    end = time.monotonic() + _MAX_REST_S
    while time.monotonic() < end:
        before = time.process_time()
        time.sleep(_REST_S)
        if time.process_time() - before < _RESTING_SHARE * _REST_S:
            return


def resident_bytes(peak: bool) -> int:
    """Returns this process's memory: what is resident now, or the most that ever was.

    Where there is no `/proc`, it is the most that ever was in both cases.
    """
    key = "VmHWM:" if peak else "VmRSS:"
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _forget_peak() -> None:
    """Makes Linux count the peak from now on, see proc(5), clear_refs; no matter if it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _read_pixels(path: Path, layout: str) -> list[Pixels]:
    x_nhwc = np.load(path)
    x = x_nhwc.transpose(0, 3, 1, 2) if layout == "nchw" else x_nhwc
    return [np.ascontiguousarray(photo[None], dtype=np.float32) for photo in x]


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)


def serve() -> None:
    """Answers requests until stdin ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contender: Contender | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if contender is None:
                contender = Contender(request)
                reply = contender.describe()
            elif "reload" in request:
                reply = contender.reload(request["reload"])
            else:
                reply = contender.run(**request)
        except GhostlensError as error:
            reply = {"error": str(error)}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    serve()
