"""Time by stage: of an answer, in the metrics and in the trace."""

import time
from functools import cache

from prometheus_client import Histogram

from serving.observing import metrics, tracing


@cache
def _find_seconds(stage: str) -> Histogram:
    return metrics.STAGE_SECONDS.labels(stage)


class StageClock:
    """Takes the time between calls of `stop`; a stage that returns adds up.

    Attributes:
        timings_ms: milliseconds by stage, and in `total` after `finish`.
    """

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def stop(self, stage: str) -> None:
        """Ends a stage, which began when the one before ended."""
        now_s = time.perf_counter()
        took_s = now_s - self._last_s
        _find_seconds(stage).observe(took_s)
        tracing.note_span(stage, took_s)
        self.timings_ms[stage] = round(self.timings_ms.get(stage, 0.0) + 1000 * took_s, 3)
        self._last_s = now_s

    def finish(self) -> None:
        """Adds the total."""
        self.timings_ms["total"] = round(sum(self.timings_ms.values()), 3)
