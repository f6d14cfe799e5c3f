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
        shares = [_share(counts[_HIGH_FROM:], counts) for counts in (now, before)]
        return f"{_percent(shares[0])} of answers are 90 % sure or surer, and {_percent(shares[1])} {where}"
    if subject == VERDICT:
        open_ones = [items.index(UNSURE), items.index(UNKNOWN)]
        shares = [_share([counts[at] for at in open_ones], counts) for counts in (now, before)]
        return f"{_percent(shares[0])} of scans are unsure or unknown, and {_percent(shares[1])} {where}"
    moved = [_share([n], now) - _share([b], before) for n, b in zip(now, before, strict=True)]
    most = max(range(len(items)), key=lambda at: abs(moved[at]))
    own, theirs = _share([now[most]], now), _share([before[most]], before)
    return f"{items[most]} moved most: {_percent(own)} of scans, and {_percent(theirs)} {where}"


def _share(part: Sequence[int], whole: Sequence[int]) -> float:
    return sum(part) / sum(whole) if sum(whole) else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
