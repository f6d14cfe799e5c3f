"""Drift: are the photos of these days others than those of validation, and of the weeks before?

ADR 15 says what is compared with what, and when that is an alarm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.dashboard.baseline import read_baseline
from serving.dashboard.counts import CONFIDENCE, LABEL, ON_SERVER, PLACES, VERDICT, today
from serving.dashboard.history import History, Items, read_history
from serving.dashboard.statistics import (
    LEAST_EFFECT,
    LEAST_SCANS,
    Compared,
    compare,
    gather_rare,
    line_up,
    measure_dispersion,
)
from serving.dashboard.words import describe_difference
from serving.state.database import Database
from serving.storage import Storage
from training.evaluation.confidence import VERDICTS
from training.evaluation.distribution import CONFIDENCE_BINS, Distribution

VALIDATION, WEEKS = "validation", "weeks"
ALARM, QUIET, INFORMATION, TOO_LITTLE = "alarm", "quiet", "for information", "too little"
WINDOW_DAYS = 7
_WEEKS_BEFORE = 4
HISTORY_DAYS = WINDOW_DAYS * (1 + _WEEKS_BEFORE)
# Fewer days are no weeks: a Tuesday is no measure of a Saturday.
_LEAST_DAYS_BEFORE = 7
SUBJECTS = (CONFIDENCE, VERDICT, LABEL)
OTHERS = "all others"


@dataclass(frozen=True)
class Finding:
    """One comparison of the last seven days.

    Attributes:
        place: "device" or "server": where the photos were recognised.
        subject: "confidence", "verdict" or "label".
        against: `VALIDATION`, or `WEEKS`: the four weeks before.
        version: the version that answered; None where all of them are taken together.
        state: `ALARM`, `QUIET`, `INFORMATION` or `TOO_LITTLE`.
        difference: the largest difference, in words without a full stop.
        words: that, and what it comes to.
        items: names of the bins.
        now: counts of the last days, by bin.
        before: counts that they are compared with; empty where there are none.
        compared: None where there is nothing to compare with.
    """

    place: str
    subject: str
    against: str
    version: str | None
    state: str
    difference: str
    words: str
    items: tuple[str, ...]
    now: tuple[int, ...]
    before: tuple[int, ...]
    compared: Compared | None

    @property
    def name(self) -> str:
        """Which comparison it is, as in "device confidence against validation"."""
        return f"{self.place} {self.subject} against {self.against}"

    @property
    def scans(self) -> int:
        """Scans of the last days."""
        return sum(self.now)


def find_drift(
    storage: Storage,
    database: Database,
    model: str,
    server_takes_all: bool,
    day: int | None = None,
) -> list[Finding]:
    """Compares the last seven days of a model with validation and with the four weeks before.

    Args:
        storage: gives the baselines of releases.
        database: gives the counts.
        model: a published model.
        server_takes_all: whether apps send every photo to the server; where they send what their
            device was not sure of, those differ from validation by their choice.
        day: the last day; today when not given.

    Returns:
        The findings of each place where something was recognised, alarms first.

    Raises:
        StateError, RepositoryError: the counts, or a release, cannot be read.
    """
    last = today() if day is None else day
    first = last - HISTORY_DAYS + 1
    with database.read() as connection:
        history = read_history(connection, model, first, last, first)
    findings = [
        finding
        for place in PLACES
        for finding in _look_at(storage, history, model, place, server_takes_all)
    ]
    return sorted(findings, key=lambda finding: finding.state != ALARM)


def _look_at(
    storage: Storage, history: History, model: str, place: str, server_takes_all: bool
) -> Iterator[Finding]:
    window = history.days[-WINDOW_DAYS:]
    before = history.days[:-WINDOW_DAYS]
    version = history.find_main_version(place, window)
    if version is None:
        return
    baseline = read_baseline(storage, model, version, place)
    is_chosen = place == ON_SERVER and not server_takes_all
    for subject in SUBJECTS:
        own = None if subject == LABEL else version
        now = history.add_up(subject, place, own, window)
        days = _list_days(history, place, subject, own)
        yield _compare_with_validation(place, subject, version, baseline, now, days, is_chosen)
        weeks = history.add_up(subject, place, own, before)
        yield _compare_with_weeks(place, subject, own, weeks, now, days, len(window))


def _compare_with_validation(
    place: str,
    subject: str,
    version: str,
    baseline: Distribution | None,
    now: Items,
    days: list[Items],
    is_chosen: bool,
) -> Finding:
    if baseline is None:
        words = f"no baseline in this release: {version} was packed without, or parity left none"
        return _make_empty(place, subject, VALIDATION, version, now, words)
    reference = _read_baseline_items(baseline, subject)
    only_tells = ""
    if is_chosen:
        only_tells = "apps send here what their device is not sure of"
    elif subject == LABEL:
        only_tells = "no shop has the mix of the validation photos"
    elif subject == VERDICT:
        only_tells = "validation photos hold no unknown items"
    recent = days[-WINDOW_DAYS:]
    return _judge(place, subject, VALIDATION, version, reference, now, ([], recent), only_tells)


def _compare_with_weeks(
    place: str,
    subject: str,
    version: str | None,
    weeks: Items,
    now: Items,
    days: list[Items],
    window: int,
) -> Finding:
    earlier = days[:-window]
    if sum(items.total() > 0 for items in earlier) < _LEAST_DAYS_BEFORE:
        whose = f" of {version}" if version else ""
        words = f"fewer than {_LEAST_DAYS_BEFORE} days{whose} before the last {window}"
        return _make_empty(place, subject, WEEKS, version, now, words)
    return _judge(place, subject, WEEKS, version, weeks, now, (earlier, days[-window:]), "")


def _judge(
    place: str,
    subject: str,
    against: str,
    version: str | None,
    before: Items,
    now: Items,
    days: tuple[list[Items], list[Items]],
    only_tells: str,
) -> Finding:
    items = _choose_items(subject, before, now)
    first, second = line_up(before, items), line_up(now, items)
    # How much days differ by themselves is told best by those that are over.
    usual = days[0] or days[1]
    spread = measure_dispersion(np.array([line_up(day, items) for day in usual]))
    own = spread if days[0] else 1.0  # validation photos have no days
    compared = compare(first, second, (own, spread))
    names = (*items, OTHERS)
    if compared.scans < LEAST_SCANS:
        state = TOO_LITTLE
    elif not compared.alarms:
        state = QUIET
    else:
        state = INFORMATION if only_tells else ALARM
    difference = describe_difference(subject, against, names, first, second)
    words = difference + _explain(state, compared, only_tells)
    said = (place, subject, against, version, state, difference, words)
    return Finding(*said, names, tuple(second), tuple(first), compared)


def _explain(state: str, compared: Compared, only_tells: str) -> str:
    if state == TOO_LITTLE:
        scans = f"{compared.scans:.0f}"
        return f". Too little to judge: as good as {scans} scans, of {LEAST_SCANS} that are needed."
    if state == QUIET and compared.is_beyond_chance:
        return f". More than chance, and small: {compared.effect:.2f} of {LEAST_EFFECT:g}."
    if state == QUIET:
        return ". No more than chance."
    if state == INFORMATION:
        return f". No alarm, as {only_tells}."
    return (
        f". Beyond chance, and large enough to matter: {compared.effect:.2f}, where an alarm "
        f"begins at {LEAST_EFFECT:g}."
    )


def _make_empty(
    place: str, subject: str, against: str, version: str | None, now: Items, words: str
) -> Finding:
    items = _choose_items(subject, Items(), now)
    counts = tuple(line_up(now, items))
    words = f"{words[0].upper()}{words[1:]}"
    said = (place, subject, against, version, TOO_LITTLE, words, f"{words}.")
    return Finding(*said, (*items, OTHERS), counts, (), None)


def _choose_items(subject: str, before: Items, now: Items) -> list[str]:
    if subject == CONFIDENCE:
        return [str(place) for place in range(CONFIDENCE_BINS)]
    return list(VERDICTS) if subject == VERDICT else gather_rare(before, now)


def _list_days(history: History, place: str, subject: str, version: str | None) -> list[Items]:
    return [history.add_up(subject, place, version, [day]) for day in history.days]


def _read_baseline_items(baseline: Distribution, subject: str) -> Items:
    if subject == CONFIDENCE:
        return Items({str(place): number for place, number in enumerate(baseline.confidences)})
    return Items(baseline.verdicts if subject == VERDICT else baseline.labels)
