"""What a difference comes to, in a sentence for whoever owns the model."""

from collections.abc import Sequence

from serving.dashboard.counts import CONFIDENCE, VERDICT
from training.evaluation.confidence import UNKNOWN, UNSURE
from training.evaluation.distribution import CONFIDENCE_BINS, CONFIDENCE_EDGES, describe_bins

_HIGH = range(CONFIDENCE_EDGES.index(0.9), CONFIDENCE_BINS)
_AGAINST = {"validation": "on the validation photos", "weeks": "in the four weeks before"}
# A share that moved by less is not what the difference is about.
_LEAST_MOVED = 0.03


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
    names, places, said = list(items), [], ""
    if subject == CONFIDENCE:
        places, said = list(_HIGH), "answers are 90 % sure or surer"
        names[:CONFIDENCE_BINS] = [f"confidence of {name}" for name in describe_bins()]
    if subject == VERDICT:
        places, said = [items.index(UNSURE), items.index(UNKNOWN)], "scans are unsure or unknown"
    own, theirs = (_find_share(counts, places) for counts in (now, before))
    if abs(own - theirs) < _LEAST_MOVED:
        shares = [(_find_share(now, [at]), _find_share(before, [at])) for at in range(len(items))]
        most = max(range(len(items)), key=lambda at: abs(shares[at][0] - shares[at][1]))
        if not said or abs(shares[most][0] - shares[most][1]) >= _LEAST_MOVED:
            (own, theirs), said = shares[most], f"scans are {names[most]}, which moved most"
    return f"{_percent(own)} of {said}; {_percent(theirs)} {_AGAINST[against]}"


def _find_share(counts: Sequence[int], places: Sequence[int]) -> float:
    return sum(counts[at] for at in places) / (sum(counts) or 1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
