"""What of the API goes: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the links to read more.

An operation goes as a whole, or a parameter or a member of its body does; the headers stand in the
answers to whoever used that. How long things stay: docs/api.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, current_app, request
from werkzeug.http import http_date

from serving.api.forms import add_to_form, read_form

_EXTENSION = "x-deprecations"
_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Deprecation:
    """Something that goes.

    Attributes:
        since: the day from which on nobody should begin to use it, as in "2026-11-30", in UTC.
        sunset: the day from which on it may be gone; not before `since`.
        instead: what to use, in words.
        parameter: name of the parameter in the query that it is about.
        member: name of the member of a JSON body that it is about; without either it is the whole
            operation.

    Raises:
        ValueError: a day is none, or the sunset is before the deprecation.
    """

    since: str
    sunset: str
    instead: str
    parameter: str | None = None
    member: str | None = None

    def __post_init__(self) -> None:
        if _read_day(self.sunset) < _read_day(self.since):
            raise ValueError(f"sunset {self.sunset} is before {self.since}")

    @property
    def name(self) -> str:
        """What stands in the API's document as its anchor."""
        return "-".join(["deprecated", self.parameter or self.member or "operation"])

    def is_used(self) -> bool:
        """Tells whether the request at hand uses it."""
        if self.parameter is not None:
            return self.parameter in request.args
        if self.member is not None:
            body = request.get_json(silent=True) if request.is_json else None
            return isinstance(body, dict) and self.member in body
        return True

    def describe(self) -> str:
        """Returns in words that it goes."""
        part = self.parameter or self.member
        what = f"`{part}`" if part else "This"
        return (
            f"{what} is deprecated since {self.since}, and may be gone from {self.sunset} on: "
            f"{self.instead}."
        )


def deprecated(*deprecations: Deprecation) -> Callable[[_View], _View]:
    """Declares what goes of a view's operation; place it where `@blueprint.doc` would stand."""

    def mark(view: _View) -> _View:
        extensions = read_form(view).get("extensions") or {}
        add_to_form(view, extensions={**extensions, _EXTENSION: list(deprecations)})
        return view

    return mark


def add_headers(response: Response) -> Response:
    """Tells whoever used what goes, and was served, that it does."""
    if response.status_code >= HTTPStatus.BAD_REQUEST:  # its body may not even be there
        return response
    view = current_app.view_functions.get(request.endpoint or "")
    extensions = read_form(view).get("extensions") or {}
    used = [entry for entry in extensions.get(_EXTENSION, ()) if entry.is_used()]
    if used:
        since = min(_read_day(entry.since) for entry in used)
        response.headers["Deprecation"] = f"@{int(since.timestamp())}"
        response.headers["Sunset"] = http_date(min(_read_day(entry.sunset) for entry in used))
        for entry in used:
            for relation in ("deprecation", "sunset"):
                link = f'</docs#{entry.name}>; rel="{relation}"; type="text/html"'
                response.headers.add("Link", link)
    return response


def describe_in(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Marks in an OpenAPI document what goes of an operation."""
    entries: Iterable[Deprecation] = operation.pop(_EXTENSION, ())
    for entry in entries:
        words = entry.describe()
        if entry.parameter is not None:
            marked = next(x for x in operation["parameters"] if x["name"] == entry.parameter)
        elif entry.member is not None:
            marked = _find_member(operation, schemas, entry.member)
        else:
            marked = operation
        marked["deprecated"] = True
        marked["description"] = " ".join(filter(None, [marked.get("description"), words]))
        operation.setdefault(_EXTENSION, []).append({"name": entry.name, "words": words})
        for status, answer in operation["responses"].items():
            for name in ("Deprecation", "Sunset") if status < "300" else ():
                answer.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}


def _find_member(operation: dict[str, Any], schemas: dict[str, Any], member: str) -> dict[str, Any]:
    [content] = operation["requestBody"]["content"].values()
    name = content["schema"]["$ref"].rpartition("/")[2]
    found: dict[str, Any] = schemas[name]["properties"][member]
    return found


def _read_day(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
