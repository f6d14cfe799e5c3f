"""A benchmark for people: a table and a picture."""

import io
from collections.abc import Callable, Iterator

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from conversion.benchmark.result import (
    QUIET_SHARE,
    YARDSTICK,
    Benchmark,
    Entry,
    Ratio,
    Timing,
    busy_text,
)

_BLUE, _LIGHT, _GREY, _PALE = "#1f5fa8", "#8fb8e3", "#5f5f5f", "#b9b9b9"
_MB = 1e6


def to_markdown(result: Benchmark) -> str:
    """Returns the benchmark as Markdown.

    Args:
        result: what to tell.
    """
    machine = result.machine
    lines = [
        f"# Benchmark of {result.model} {result.version}",
        "",
        f"One photo at a time, {result.input_px} px, on {machine['processor']} "
        f"({machine['cores']} cores, {machine['system']}). Everything was timed in one run; other "
        "machines give other figures, and phones quite other ones.",
        "",
        "![Benchmark](benchmark.png)",
    ]
    for threads in result.threads:
        lines += ["", f"## {threads} thread{'s' * (threads > 1)}", "", *_table(result, threads)]
    lines += ["", "## Not timed", ""]
    lines += [f"- {name_of(entry)}: {entry.why_not}" for entry in result.entries if entry.why_not]
    lines += ["", "## How it was measured", "", *_describe(result)]
    return "\n".join(lines) + "\n"


def name_of(entry: Entry) -> str:
    """Returns an entry's title, and its size where it was not timed."""
    return f"{entry.title} ({entry.size_bytes / _MB:.1f} MB)" if entry.why_not else entry.title


def _table(result: Benchmark, threads: int) -> Iterator[str]:
    yield (
        "| | median, ms | p90, ms | fastest, ms | times as fast as PyTorch "
        "| times as fast as its fp32 | load, ms | first answer, ms | memory, MB | size, MB "
        "| difference |"
    )
    yield "| --- " + "| ---: " * 10 + "|"
    for entry in result.entries:
        timing = entry.timing(threads)
        if timing is not None:
            yield f"| {' | '.join(_cells(entry, timing))} |"


def _cells(entry: Entry, timing: Timing) -> list[str]:
    return [
        entry.title,
        f"{timing.median_ms:.2f}",
        f"{timing.p90_ms:.2f}",
        f"{timing.fastest_ms:.2f}",
        ratio_text(timing.over_eager),
        ratio_text(timing.over_fp32),
        f"{timing.load_ms:.0f}",
        f"{timing.first_answer_ms:.1f}",
        f"{timing.memory_bytes / _MB:.0f}",
        f"{entry.size_bytes / _MB:.1f}",
        "-"
        if entry.max_probability_difference is None
        else f"{entry.max_probability_difference:.1g}",
    ]


def ratio_text(ratio: Ratio | None) -> str:
    """Returns a ratio with its quartiles, "-" for none."""
    return "-" if ratio is None else f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _describe(result: Benchmark) -> Iterator[str]:
    method = result.method
    answers = method["rounds"] * method["timed_answers"]
    yield (
        f"- Each contender is a process of its own. In {method['rounds']} rounds all take turns, "
        f"in every round in another order, with {method['warm_up_answers']} answers untimed and "
        f"{method['timed_answers']} timed, so each median is of {answers} answers."
    )
    yield (
        "- Ratios are taken within each round; given are median and quartiles over the rounds. "
        "PyTorch is the trained network as it is, in eager mode; ONNX Runtime has the network "
        "that the artifacts were made of, as torch.onnx.export writes it."
    )
    yield f"- Photos: {method['photos']}. Difference: the largest of a probability from PyTorch's."
    yield f"- Waiting threads {method['waiting_threads']}."
    yield f"- Memory: {method['memory']}. Size of PyTorch: its weights."
    yield (
        f"- Load: median of {method['loads']}, of a file in the page cache, after the runtime "
        "was imported."
    )
    yield f"- {busy_text(result)}"
    versions = ", ".join(f"{name} {text}" for name, text in sorted(result.tool_versions.items()))
    yield f"- Python {result.machine['python']}, {versions}."


def draw(result: Benchmark) -> bytes:
    """Draws latency, load time, memory and size of every contender, and returns a PNG.

    Args:
        result: what to draw.
    """
    rows = [entry for entry in result.entries if not entry.failed]
    figure = Figure(figsize=(14, 2.1 + 0.5 * len(rows)), layout="constrained")
    machine = result.machine
    figure.suptitle(
        f"{result.model} {result.version}, {result.input_px} px, one photo at a time, on "
        f"{machine['processor']}, {machine['cores']} cores",
        fontweight="bold",
    )
    busy = machine["busy_with_others"] or 0.0
    if busy > QUIET_SHARE:
        figure.supxlabel(
            f"Other processes took {busy:.0%} of the processor time: the times are too long.",
            color="#b3261e",
        )
    axes = figure.subplots(1, 4, sharey=True, width_ratios=(2.2, 1, 1, 1))
    _draw_latency(axes[0], result, rows)
    _draw_bars(axes[1], rows, "Load", "ms, logarithmic", _load_ms)
    axes[1].set_xscale("log")
    _draw_bars(axes[2], rows, "Peak memory", "MB above the bare runtime", _memory_mb)
    _draw_bars(axes[3], rows, "File size", "MB", lambda entry: entry.size_bytes / _MB)
    axes[0].set_yticks(range(len(rows)), [entry.title for entry in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)  # the first row on top
    for part in axes:
        part.set_axisbelow(True)
        part.grid(axis="x", alpha=0.25)
        part.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _draw_latency(axes: Axes, result: Benchmark, rows: list[Entry]) -> None:
    """A dot at the median, a line from it to p90, for each number of threads."""
    most = max(timing.p90_ms for entry in rows for timing in entry.timings)
    least = min(timing.median_ms for entry in rows for timing in entry.timings)
    axes.set_xscale("log")
    axes.set(xlabel="ms, logarithmic", xlim=(0.8 * least, most * (most / least) ** 0.45))
    for row, entry in enumerate(rows):
        if not entry.timings:
            axes.text(0.85 * least, row, entry.why_not, va="center", color=_GREY, fontsize=8)
        for place, timing in enumerate(entry.timings):
            y, colour = row + (-0.17, 0.17)[place % 2], _colour(entry, place)
            axes.plot([timing.median_ms, timing.p90_ms], [y, y], color=colour, linewidth=2)
            axes.plot(timing.median_ms, y, "os"[place % 2], color=colour, markersize=6)
            words = f"  {timing.median_ms:.2f} ms, {timing.over_eager.median:.1f}x"
            axes.text(timing.p90_ms, y, words, va="center", fontsize=8)
    for place, threads in enumerate(result.threads):
        label = f"{threads} thread{'s' * (threads > 1)}; line to p90"
        colour = (_BLUE, _LIGHT)[place % 2]
        axes.plot([], [], "os"[place % 2], color=colour, linestyle="-", label=label)
    axes.plot([], [], "o", color=_GREY, label="grey: yardsticks")
    axes.set_title("Time of one answer: median, and how many times as fast as PyTorch", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _colour(entry: Entry, place: int) -> str:
    pair = (_GREY, _PALE) if entry.role == YARDSTICK else (_BLUE, _LIGHT)
    return pair[place % 2]


def _draw_bars(
    axes: Axes,
    rows: list[Entry],
    title: str,
    unit: str,
    value_of: Callable[[Entry], float | None],
) -> None:
    values = [value_of(entry) for entry in rows]
    for row, (entry, value) in enumerate(zip(rows, values, strict=True)):
        if value is not None:
            axes.barh(row, value, 0.6, color=_colour(entry, 0))
            axes.text(value, row, f" {value:.3g}", va="center", fontsize=8)
    axes.set(title=title, xlabel=unit)
    axes.title.set_fontsize(10)
    axes.margins(x=0.2)


def _load_ms(entry: Entry) -> float | None:
    return entry.timings[0].load_ms if entry.timings else None


def _memory_mb(entry: Entry) -> float | None:
    return entry.timings[0].memory_bytes / _MB if entry.timings else None
