"""What APIFlask keeps of a view for the OpenAPI document: the one place that touches it."""

from collections.abc import Callable, Mapping
from typing import Any

_SPEC = "_spec"


def read_form(view: Callable[..., Any] | None) -> Mapping[str, Any]:
    """Returns what is kept of a view: `args`, `body`, `content_type`, `responses`, ..."""
    form: Mapping[str, Any] = getattr(view, _SPEC, {})
    return form


def add_to_form(view: Callable[..., Any], **parts: Any) -> None:
    """Replaces parts of what is kept of a view."""
    setattr(view, _SPEC, {**read_form(view), **parts})
