"""Each request is counted, timed and logged once, when its answer's last byte is out."""

import ipaddress
import logging
import re
import time
from functools import lru_cache, partial
from typing import Any

from flask import Flask, Response, g, has_request_context, request
from prometheus_client import Histogram

from serving.access import current_key
from serving.observing import metrics, tracing
from serving.observing.request_ids import request_id

LOGGER = logging.getLogger("serving.request")
_BEGUN, _FIELDS = "ghostlens_begun", "ghostlens_log_fields"
# Anybody can make up methods and paths: only those that have a route are told apart.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OTHER, _NO_ROUTE = "other", "none"
# Asked every few seconds by machines: of no interest as long as all is well.
_PROBES = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/metrics"})
_AGENT_LENGTH = 200
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_IPV4_BITS, _IPV6_BITS = 24, 48


def register(app: Flask, client_address: str) -> None:
    """Makes an app count, time and log its requests.

    Args:
        app: before the first request; what is registered later is measured with it.
        client_address: see `Settings.log_client_address`.
    """
    app.before_request(_begin)
    app.after_request(partial(_watch_end, client_address))


def note(**fields: object) -> None:
    """Adds fields to the log line of the request at hand; `ghostlens.` is put before their names.

    They stand in a log: nothing secret, nothing of a device or a person.
    """
    if has_request_context():
        g.setdefault(_FIELDS, {}).update({f"ghostlens.{name}": v for name, v in fields.items()})


def note_problem(kind: str) -> None:
    """Counts an answer that says that something went wrong, and names its kind in the log."""
    metrics.PROBLEMS.labels(kind).inc()
    g.setdefault(_FIELDS, {})["error.type"] = kind


@lru_cache(maxsize=1024)
def shorten_address(address: str, how: str) -> str:
    """Returns what may be logged of a client's address; see `Settings.log_client_address`."""
    if how == "off":
        return ""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if how == "full":
        return str(found)
    bits = _IPV4_BITS if found.version == 4 else _IPV6_BITS
    return str(ipaddress.ip_network((found, bits), strict=False).network_address)


def _begin() -> None:
    begun_s = time.perf_counter()
    method, route = _find_route()
    setattr(g, _BEGUN, (begun_s, method, route))
    if route not in _PROBES:
        tracing.begin_request(method, route)


def _watch_end(client_address: str, response: Response) -> Response:
    begun: tuple[float, str, str] | None = g.pop(_BEGUN, None)
    if begun is None:  # refused before it was begun
        return response
    # At the end there is no request at hand any more: all but the time is known now.
    begun_s, method, route = begun
    fields = _describe(response, method, route, client_address)
    response.call_on_close(partial(_finish, begun_s, method, route, fields, tracing.find_span()))
    return response


def _find_route() -> tuple[str, str]:
    method, rule = request.method, request.url_rule
    return method if method in _METHODS else _OTHER, rule.rule if rule else _NO_ROUTE


def _describe(
    response: Response, method: str, route: str, client_address: str
) -> dict[str, object]:
    """Returns fields under the names of OpenTelemetry's semantic conventions."""
    key, asked = current_key(), request._get_current_object()  # type: ignore[attr-defined]
    fields = {
        "http.request.method": method,
        "url.path": asked.path,
        "http.route": route,
        "http.response.status_code": response.status_code,
        "http.request.body.size": asked.content_length,
        "http.response.body.size": response.content_length,
        "user_agent.original": asked.environ.get("HTTP_USER_AGENT", "")[:_AGENT_LENGTH],
        "client.address": shorten_address(asked.remote_addr or "", client_address),
        "request_id": request_id(),
        "ghostlens.key": key.id if key else None,
        **_find_trace(),
        **g.get(_FIELDS, {}),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _find_trace() -> dict[str, str]:
    if tracing.is_on():
        return tracing.describe_current()
    found = _TRACEPARENT.fullmatch(request.environ.get("HTTP_TRACEPARENT", ""))
    return {"trace_id": found[1]} if found else {}


@lru_cache(maxsize=1024)
def _find_seconds(method: str, route: str, status: int) -> Histogram:
    return metrics.REQUEST_SECONDS.labels(method, route, status)


def _finish(begun_s: float, method: str, route: str, fields: dict[str, Any], span: Any) -> None:
    took_s = time.perf_counter() - begun_s
    status = fields["http.response.status_code"]
    _find_seconds(method, route, status).observe(took_s)
    if span is not None:
        tracing.end_request(span, fields)
    quiet = route in _PROBES and status < 400
    level = logging.DEBUG if quiet else logging.ERROR if status == 500 else logging.INFO
    if LOGGER.isEnabledFor(level):
        fields["http.server.request.duration_ms"] = round(1000 * took_s, 3)
        words = f"{method} {fields['url.path']} {status}"
        # Made here, as a logger would walk up the stack to say where it was called.
        record = logging.LogRecord(LOGGER.name, level, __file__, 0, words, None, None)
        record.fields = fields
        LOGGER.handle(record)
