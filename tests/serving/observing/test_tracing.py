"""Traces of a real server, taken by a real collector that can also hang."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serving.observing.tracing import is_asked_for
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving import test_server
from tests.serving.test_server import ask, clean_environment, serve, wait_until_ready

URL = "/v1/models/colours/recognise"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
DEVICE = "a-devices-own-id"


class Collector(ThreadingHTTPServer):
    """Takes spans as OTLP over HTTP says, and answers late once `goes_on` is cleared."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait_for(self, names: set[str]) -> dict[str, Span]:
        """Returns the spans of the trace at hand by name, once those are there."""
        for _ in range(1500):
            found = {span.name: span for span in self.spans if span.trace_id.hex() == TRACE}
            if names <= found.keys():
                return found
            time.sleep(0.02)
        raise AssertionError([span.name for span in self.spans])


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.goes_on.wait()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.goes_on.set()
        server.shutdown()


def test_a_requests_spans_reach_the_collector_and_one_that_hangs_holds_nobody_up(
    collector: Collector, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    monkeypatch.setattr(test_server, "clean_environment", lambda: clean_environment() | settings)
    photo = make_photo(COLOURS["red"])
    sent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with serve(published, "--state", str(tmp_path)) as (address, process):
        wait_until_ready(address)
        url = f"{address}{URL}?top_k=1"
        ask(url, photo, Content_Type="image/jpeg", **sent).read()
        device = json.dumps({"platform": "android", "device_id": DEVICE}).encode()
        check = f"{address}/v1/models/colours/check"
        ask(check, device, Content_Type="application/json", **sent).read()
        stages = {"wait", "load", "prepare", "run"}
        checked = "POST /v1/models/<model>/check"
        request = "POST /v1/models/<model>/recognise"
        found = collector.wait_for({*stages, request, checked, "database read"})
        assert found[request].parent_span_id.hex() == PARENT
        assert {found[stage].parent_span_id for stage in stages} == {found[request].span_id}
        assert found["database read"].parent_span_id == found[checked].span_id
        assert found[request].start_time_unix_nano <= found["wait"].start_time_unix_nano
        assert found["run"].end_time_unix_nano <= found[request].end_time_unix_nano
        values = {pair.key: pair.value for pair in found[request].attributes}
        assert values["http.response.status_code"].int_value == 200
        assert values["ghostlens.version"].string_value == "1.1.0"
        assert not any(
            secret in body for body in collector.bodies for secret in (DEVICE.encode(), b"top_k")
        )

        collector.goes_on.clear()
        taken = len(collector.bodies)
        ask(address + URL, photo, Content_Type="image/jpeg").read()
        while len(collector.bodies) == taken:
            time.sleep(0.02)
        for _ in range(5):
            assert ask(address + URL, photo, Content_Type="image/jpeg").status == 200
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://here:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_made_where_the_standard_variables_ask_for_them(
    environment: dict[str, str], asked: bool
) -> None:
    assert is_asked_for(environment) is asked
