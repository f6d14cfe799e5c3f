"""What a difference comes to, in a sentence for whoever owns the model."""

from collections.abc import Sequence

from serving.dashboard.counts import CONFIDENCE, VERDICT
from training.evaluation.confidence import UNKNOWN, UNSURE
from training.evaluation.distribution import CONFIDENCE_EDGES

_HIGH_FROM = CONFIDENCE_EDGES.index(0.9)
_AGAINST = {"validation": "on the validation photos", "weeks": "in the four weeks before"}


def describe_difference(
    subject: str,
    against: str,
    items: Sequence[str],
    before: Sequence[int],
    now: Sequence[int],
) -> str:
    """Returns the largest difference in words, without a full stop.

    Args:
        subject: "confidence", "verdict" or "label".
        against: "validation" or "weeks".
        items: names of the bins.
        before: counts that are compared with.
        now: counts of the last days.
    """
    where = _AGAINST[against]
    if subject == CONFIDENCE:
        own, theirs = (_share(counts[_HIGH_FROM:], counts) for counts in (now, before))
        return f"{own} of answers are 90 % sure or surer, and {theirs} {where}"
    if subject == VERDICT:
        places = [items.index(UNSURE), items.index(UNKNOWN)]
        own, theirs = (_share([counts[at] for at in places], counts) for counts in (now, before))
        return f"{own} of scans are unsure or unknown, and {theirs} {where}"
    of = sum(now) or 1, sum(before) or 1
    most = max(range(len(items)), key=lambda at: abs(now[at] / of[0] - before[at] / of[1]))
    own, theirs = _share([now[most]], now), _share([before[most]], before)
    return f"{items[most]} moved most: {own} of scans, and {theirs} {where}"


def _share(part: Sequence[int], whole: Sequence[int]) -> str:
    return f"{100 * sum(part) / (sum(whole) or 1):.0f} %"
