"""Figures in words, as filters of the templates."""

from apiflask import APIBlueprint
from markupsafe import Markup

from conversion.parity.report import points
from serving.api.page import mark_code


def add_filters(blueprint: APIBlueprint) -> None:
    """Gives the templates of the whole app these filters."""
    blueprint.add_app_template_filter(points)
    blueprint.add_app_template_filter(format_megabytes, "megabytes")
    blueprint.add_app_template_filter(format_percent, "percent")
    blueprint.add_app_template_filter(format_interval, "interval")
    blueprint.add_app_template_filter(mark_backticks, "backticks")


def format_megabytes(size_bytes: int) -> str:
    """Returns a size in words."""
    if size_bytes < 100_000:
        return f"{size_bytes / 1e3:.1f} kB"
    return f"{size_bytes / 1e6:.1f} MB"


def format_percent(share: float, digits: int = 1) -> str:
    """Returns a share, 0 to 1, in per cent."""
    return f"{100 * share:.{digits}f} %"


def format_interval(interval: tuple[float, float], digits: int = 1) -> str:
    """Returns both ends of an interval of shares, in per cent."""
    low, high = interval
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def mark_backticks(text: str) -> Markup:
    """Returns text, escaped, with what stands between backticks as code."""
    return mark_code(text)
