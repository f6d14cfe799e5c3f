"""Queries of addresses that are asked often: each text is checked once, and then known."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

from apiflask import APIBlueprint, Schema
from flask import request
from marshmallow import RAISE

_Answer = TypeVar("_Answer")
_KNOWN = 64


def takes_query(
    blueprint: APIBlueprint, schema: type[Schema]
) -> Callable[[Callable[..., _Answer]], Callable[..., _Answer]]:
    """Gives a view its query as `query_data`, as `input` of APIFlask does; place it likewise.

    Walking through a form takes as long as finding the view; what was refused is checked again.

    Args:
        blueprint: of the view.
        schema: the form of the query; what it does not name is refused.
    """
    check = blueprint.input(schema, location="query", unknown=RAISE)

    read: Callable[..., dict[str, Any]] = check(lambda query_data: query_data)

    @lru_cache(maxsize=_KNOWN)
    def find(query: bytes) -> dict[str, Any]:
        return read()

    def mark(view: Callable[..., _Answer]) -> Callable[..., _Answer]:
        @wraps(check(view))  # which describes the query in the API's document
        def answer(**given: Any) -> _Answer:
            return view(**given, query_data=dict(find(request.query_string)))

        return answer

    return mark
