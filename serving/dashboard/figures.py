"""Everything that the page of one model shows, gathered from the database and the repository."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mobile_assets.release import Release
from serving.corrections.store import Pair, count_pairs
from serving.dashboard.charts import (
    Chart,
    Series,
    draw_bins,
    draw_lines,
    draw_rows,
    draw_stack,
    format_ms,
    format_number,
    format_share,
)
from serving.dashboard.counts import (
    CONFIDENCE,
    LABEL,
    LATENCY,
    ON_DEVICE,
    ON_SERVER,
    SENT,
    VERDICT,
    find_quantile_ms,
    today,
)
from serving.dashboard.drift import ALARM, WINDOW_DAYS, Finding
from serving.dashboard.history import History, Items, count_devices, read_history
from serving.dashboard.progress import Progress, list_progress
from serving.dashboard.watch import Watch
from serving.rollouts import Rollouts
from serving.state.database import Database
from serving.state.times import DAY_MS
from training.evaluation.confidence import COARSE, SURE, UNKNOWN, UNSURE, VERDICTS
from training.evaluation.distribution import CONFIDENCE_EDGES, describe_bins

PERIODS = (7, 30, 90)
_MOST_PAIRS = 10
_MOST_ROWS = 12
_EDGES_SHOWN = (0.0, 0.5, 0.7, 0.9, 0.97, 0.99)
_VERDICT_NAMES = {SURE: "sure", COARSE: "coarse only", UNSURE: "unsure", UNKNOWN: "not an item"}
PLACE_NAMES = {ON_DEVICE: "on devices", ON_SERVER: "on the server"}
_SUBJECT_NAMES = {CONFIDENCE: "Confidence", VERDICT: "Verdicts", LABEL: "Classes"}


@dataclass(frozen=True)
class Figure:
    """A number with its name."""

    name: str
    value: str
    words: str


@dataclass(frozen=True)
class DriftView:
    """A finding with its drawing."""

    title: str
    finding: Finding
    chart: Chart | None


@dataclass(frozen=True)
class Overview:
    """What the page of a model shows."""

    progress: list[Progress]
    figures: list[Figure]
    charts: list[Chart]
    pairs: list[Pair]
    drift: list[DriftView]
    alarms: list[Finding]
    scans: int


def gather(
    release: Release, rollouts: Rollouts, database: Database, watch: Watch, period: int
) -> Overview:
    """Gathers the figures of a model.

    Args:
        release: its signed policy.
        rollouts: what is held back.
        database: the state.
        watch: gives the findings of drift.
        period: how many days, with today.

    Raises:
        StateError, RepositoryError: something cannot be read.
    """
    model, last = release.model, today()
    with database.read() as connection:
        history = read_history(connection, model, last - period + 1, last, last + 1)
        pairs = count_pairs(connection, model, (last - period + 1) * DAY_MS, _MOST_PAIRS)
        devices = count_devices(connection, model, last - WINDOW_DAYS + 1)
    findings = watch.find(model)
    return Overview(
        progress=list_progress(rollouts, database, release),
        figures=_list_figures(history, devices),
        charts=_draw(history),
        pairs=pairs,
        drift=[_draw_finding(finding) for finding in findings],
        alarms=[finding for finding in findings if finding.state == ALARM],
        scans=history.count_scans(),
    )


def _list_figures(history: History, devices: int) -> list[Figure]:
    week = history.days[-WINDOW_DAYS:]
    told = history.count_scans(ON_DEVICE, days=week)
    sent = history.add_up(SENT, ON_DEVICE, days=week).total()
    scans = max(0, told - sent) + history.count_scans(ON_SERVER, days=week)
    place = _find_first_place(history, week)
    verdicts = history.add_up(VERDICT, place, days=week)
    latency = _read_bins(history.add_up(LATENCY, ON_SERVER, days=week))
    middle, slow = find_quantile_ms(latency, 0.5), find_quantile_ms(latency, 0.99)
    where = PLACE_NAMES[place]
    unsure = verdicts[UNSURE] + verdicts[UNKNOWN]
    devices_said = f"{format_number(told)} on {format_number(devices)} devices"
    if not told:
        devices_said = "no device told of any"
    return [
        Figure("scans", format_number(scans), devices_said),
        Figure("sure", _say_share(verdicts[SURE], verdicts.total()), f"{where}, of all scans"),
        Figure(
            "unsure, or no item", _say_share(unsure, verdicts.total()), f"{where}, of all scans"
        ),
        Figure("sent to the server", _say_share(sent, told), "of the scans on devices"),
        Figure("server, median", format_ms(middle) if middle else "-", "time to an answer"),
        Figure("server, slowest 1 %", format_ms(slow) if slow else "-", "take longer"),
    ]


def _draw(history: History) -> list[Chart]:
    days = [_name_day(day) for day in history.days]
    sent = _count_days(history, SENT, ON_DEVICE)
    told = _count_days(history, VERDICT, ON_DEVICE)
    alone = [max(0.0, a - b) for a, b in zip(told, sent, strict=True)]
    places = [
        Series("on devices alone", "place-device", alone),
        Series("by the server", "place-server", _count_days(history, VERDICT, ON_SERVER)),
    ]
    first = _find_first_place(history, history.days)
    verdicts = [
        Series(_VERDICT_NAMES[name], f"verdict-{name}", _count_days(history, VERDICT, first, name))
        for name in VERDICTS
    ]
    fallback = [a / b if b else None for a, b in zip(sent, told, strict=True)]
    bins = [_read_bins(history.add_up(LATENCY, ON_SERVER, days=[day])) for day in history.days]
    latencies = [
        Series(name, css, [find_quantile_ms(own, share) for own in bins])
        for name, css, share in (("median", "line-now", 0.5), ("99 of 100", "line-slow", 0.99))
    ]
    return [
        draw_stack("Scans a day", "Scans of each day, by place.", days, places, as_shares=False),
        draw_stack(
            f"Verdicts {PLACE_NAMES[first]}",
            "Share of each verdict, by day.",
            days,
            verdicts,
            as_shares=True,
        ),
        draw_lines(
            "Sent to the server",
            "Share of the scans on devices that was sent to the server, by day.",
            days,
            [Series("share of scans on devices", "line-now", fallback)],
            logarithmic=False,
        ),
        draw_lines(
            "Time to an answer of the server",
            "Latency of the server by day, on a logarithmic scale.",
            days,
            latencies,
            logarithmic=True,
        ),
    ]


def _draw_finding(finding: Finding) -> DriftView:
    title = (
        f"{_SUBJECT_NAMES[finding.subject]} {PLACE_NAMES[finding.place]}, "
        f"against {'validation' if finding.against == 'validation' else 'the four weeks before'}"
    )
    now = Series(f"last {WINDOW_DAYS} days", "now", list(finding.now))
    name = "validation" if finding.against == "validation" else "before"
    before = Series(name, "before", list(finding.before)) if finding.before else None
    if not finding.scans:
        return DriftView(title, finding, None)
    if finding.subject == CONFIDENCE:
        ticks = [(CONFIDENCE_EDGES.index(edge), f"{100 * edge:g} %") for edge in _EDGES_SHOWN]
        # The last of the bins is that of all others, and empty.
        now, before = _cut(now, len(describe_bins())), before and _cut(before, len(describe_bins()))
        return DriftView(
            title, finding, draw_bins(title, finding.words, describe_bins(), ticks, now, before)
        )
    names = [_VERDICT_NAMES.get(item, item) for item in finding.items]
    kept = [at for at in range(len(names)) if finding.now[at] or (before and finding.before[at])]
    kept = sorted(kept, key=lambda at: -_weigh(finding, at))[:_MOST_ROWS]
    now, before = _pick(now, kept), before and _pick(replace(before, css="then"), kept)
    return DriftView(
        title, finding, draw_rows(title, finding.words, [names[at] for at in kept], now, before)
    )


def _weigh(finding: Finding, at: int) -> float:
    """What moved most comes first, where there is something to compare with."""
    if finding.subject == VERDICT:
        return -at
    own = finding.now[at] / (sum(finding.now) or 1)
    return own if not finding.before else abs(own - finding.before[at] / sum(finding.before))


def _cut(series: Series, length: int) -> Series:
    return Series(series.name, series.css, series.values[:length])


def _pick(series: Series, kept: Sequence[int]) -> Series:
    total = sum(value or 0 for value in series.values)
    return Series(series.name, series.css, [series.values[at] for at in kept], total)


def _count_days(
    history: History, kind: str, place: str | None = None, item: str | None = None
) -> list[float]:
    by_day = [history.add_up(kind, place, days=[day]) for day in history.days]
    return [items.total() if item is None else items[item] for items in by_day]


def _read_bins(items: Items) -> dict[int, int]:
    return {int(item): number for item, number in items.items()}


def _say_share(part: float, whole: float) -> str:
    return format_share(part / whole) if whole else "-"


def _find_first_place(history: History, days: Sequence[int]) -> str:
    """Returns where photos are looked at first: on devices, where these tell of it."""
    return ON_DEVICE if history.count_scans(ON_DEVICE, days=days) else ON_SERVER


def _name_day(day: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day):%d %b}".lstrip("0")
