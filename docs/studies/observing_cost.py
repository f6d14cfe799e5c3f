"""What metrics and the log line cost a recognised photo: processor time with and without, in turns.

python docs/studies/observing_cost.py out/demo/repository demo photo.jpg 20 2> /dev/null
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from serving.observing import logs, processes

ROUNDS = 40
_FOLDER = Path(tempfile.mkdtemp())
# As a process of a server that has several: metrics decide at their import how they are kept.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_FOLDER)
processes.shared = processes.Shared(_FOLDER, slot=0)

from serving.app import create_app  # noqa: E402
from serving.inference import noting  # noqa: E402
from serving.observing import metrics, requests, stages  # noqa: E402
from serving.settings import Settings  # noqa: E402


class Nothing:
    """A metric that counts nothing."""

    def __getattr__(self, name: str) -> "Nothing":
        return self

    def __call__(self, *_: Any) -> "Nothing":
        """Does nothing."""
        return self


def main(repository: str, model: str, photo: str, count: str) -> None:
    """Prints processor time a photo with and without, in milliseconds, and what is more."""
    logs.configure("info", "json")
    app = create_app(Settings(Path(repository), state=_FOLDER / "state"))
    client, data = app.test_client(), Path(photo).read_bytes()
    before, after = app.before_request_funcs[None], app.after_request_funcs[None]
    real = {name: value for name, value in vars(metrics).items() if name.isupper()}
    made = noting._find_photos, stages._find_seconds, requests.note

    def switch(on: bool) -> None:
        for name, metric in real.items():
            setattr(metrics, name, metric if on else Nothing())
        noting._find_photos, stages._find_seconds, requests.note = (
            made if on else (Nothing(), Nothing(), lambda **_: None)  # type: ignore[assignment]
        )
        app.before_request_funcs[None] = [f for f in before if on or f is not requests._begin]
        app.after_request_funcs[None] = [
            f for f in after if on or getattr(f, "func", None) is not requests._watch_end
        ]

    def measure(on: bool) -> float:
        switch(on)
        begun_s = time.process_time()
        for _ in range(int(count)):
            client.post(
                f"/v1/models/{model}/recognise", data=data, content_type="image/jpeg"
            ).close()
        return 1000 * (time.process_time() - begun_s) / int(count)

    measure(True)
    pairs = [(measure(True), measure(False)) for _ in range(ROUNDS)]
    more = statistics.median(with_ms - without_ms for with_ms, without_ms in pairs)
    without = statistics.median(without_ms for _, without_ms in pairs)
    print(f"without {without:.2f} ms, more {more:.2f} ms, {more / without:.1%}; {os.getloadavg()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
