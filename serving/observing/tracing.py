"""Traces by OpenTelemetry, where its standard variables ask for them; else nothing is imported.

Spans are made here and not by OpenTelemetry's instrumentation of Flask, which puts the whole
address into them, with all that clients write behind its question mark.
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, g, request

from serving.access.tokens import hide_tokens

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

LOGGER = logging.getLogger("serving")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
_PROTOCOL = "http/protobuf"
_SERVICE = "ghostlens"
_SPAN, _TOKEN = "ghostlens_span", "ghostlens_span_token"
# What was not sent yet when the process ends is given so long, whatever the collector does.
_FLUSH_S = 3.0

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """Tells whether OpenTelemetry's variables name a collector, and do not turn traces off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


def start(app: Flask) -> None:
    """Makes this process send traces, where that is asked for; after the fork, as it has threads.

    Args:
        app: whose requests are traced; those that are refused before they reach a view as well.
    """
    global _provider, _tracer
    if not is_asked_for(os.environ):
        return
    protocols = {os.environ.get(name, _PROTOCOL) for name in _PROTOCOLS}
    if protocols != {_PROTOCOL}:
        LOGGER.warning("no traces: %s are set: allowed is %s", " and ".join(_PROTOCOLS), _PROTOCOL)
        return
    try:
        _provider = _make_provider()
    except ImportError:
        LOGGER.warning("no traces: they need pip install 'ghostlens[tracing]'")
        return
    _tracer = _provider.get_tracer("serving")
    app.teardown_request(_detach)


def stop() -> None:
    """Sends what was not sent yet, and gives up after a while."""
    if _provider is not None:
        # A collector that does not answer would hold it for longer than a stop may take.
        thread = threading.Thread(target=_provider.shutdown, daemon=True)
        thread.start()
        thread.join(_FLUSH_S)


def is_on() -> bool:
    """Tells whether this process makes traces."""
    return _tracer is not None


def begin_request(method: str, route: str) -> None:
    """Begins the span of the request at hand, below the one that its `traceparent` names."""
    if _tracer is None:
        return
    from opentelemetry import context, propagate, trace

    above = propagate.extract(request.headers)
    span = _tracer.start_span(f"{method} {route}", above, kind=trace.SpanKind.SERVER)
    setattr(g, _SPAN, span)
    setattr(g, _TOKEN, context.attach(trace.set_span_in_context(span, above)))


def find_span() -> "Span | None":
    """Returns the span of the request at hand."""
    span: Span | None = g.get(_SPAN)
    return span


def end_request(span: "Span", fields: Mapping[str, Any]) -> None:
    """Ends a request's span.

    Args:
        span: the one that was begun.
        fields: what is logged of the request.
    """
    from opentelemetry.trace import StatusCode

    for name, value in fields.items():
        if isinstance(value, str):
            span.set_attribute(name, hide_tokens(value))
        elif isinstance(value, int | float):
            span.set_attribute(name, value)
    if fields["http.response.status_code"] >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()


def note_span(name: str, took_s: float, **attributes: str) -> None:
    """Adds what ends now, and took so long, to the trace of the request at hand."""
    if _tracer is None:
        return
    from opentelemetry import trace

    if not trace.get_current_span().is_recording():
        return  # not of a request, or one that is not sampled
    end_ns = time.time_ns()
    span = _tracer.start_span(name, start_time=end_ns - round(took_s * 1e9), attributes=attributes)
    span.end(end_ns)


def describe_current() -> dict[str, str]:
    """Returns the trace and the span at hand, as log fields."""
    from opentelemetry import trace

    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(found.trace_id),
        "span_id": trace.format_span_id(found.span_id),
    }


def _make_provider() -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    found = Resource.create()
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = found if named else found.merge(Resource({"service.name": _SERVICE}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # Sends from a thread of its own, and drops spans where the collector does not keep up.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _detach(_: BaseException | None) -> None:
    token = g.pop(_TOKEN, None)
    if token is not None:
        from opentelemetry import context

        context.detach(token)
