"""What is noted of every recognised photo."""

from functools import lru_cache

from prometheus_client import Counter

from serving.access.limiting import note_photo
from serving.context import get_counting
from serving.dashboard.counts import ON_SERVER, Scan, today
from serving.inference.engine import Answered
from serving.observing import metrics, requests


def note_answered(model: str, version: str, answered: Answered) -> None:
    """Notes an answer; called once for each photo, however it was asked for.

    Args:
        model: name of a published model.
        version: the published version that answered.
        answered: what was answered. Times are those of the request, which may have had several
            photos.
    """
    note_photo()
    found = answered.found
    first, total_ms = found.answers[0], answered.timings_ms.get("total")
    said = (found.verdict, first.label, first.probability)
    get_counting().note(Scan(model, version, ON_SERVER, today(), *said, total_ms))
    _find_photos(model, version, answered.answered_by, found.verdict).inc()
    requests.note(
        model=model,
        version=version,
        answered_by=answered.answered_by,
        verdict=found.verdict,
        stage_ms=answered.timings_ms,
    )


@lru_cache(maxsize=1024)
def _find_photos(model: str, version: str, answered_by: str, verdict: str) -> Counter:
    return metrics.PHOTOS.labels(model, version, answered_by, verdict)
