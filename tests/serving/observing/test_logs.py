"""Log lines of a real server, and what formatters make of hostile text."""

import json
import logging
import socket
import urllib.error

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.tokens import make_token
from serving.observing.gunicorn_logs import GunicornLogger
from serving.observing.logs import JsonFormatter, TextFormatter
from serving.observing.requests import shorten_address
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.observing.conftest import Observed
from tests.serving.test_server import ask

URL = "/v1/models/colours/recognise"
SECRET = "s3cr3t-0f-a-key"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def send(address: str, request: bytes) -> bytes:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def make_record(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("serving", logging.INFO, "here.py", 1, "%s", (message,), None)
    record.fields = fields
    return record


def test_a_recognised_photo_is_one_line_with_all_that_is_known_of_it(observed: Observed) -> None:
    photo = make_photo(COLOURS["red"])
    headers = {"X_Request_ID": "seen", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    ask(f"{observed.address}{URL}?top_k=1", photo, Content_Type="image/jpeg", **headers).read()
    found = observed.wait_for_log("seen")
    assert found["http.request.method"] == "POST"
    assert found["http.route"] == "/v1/models/<model>/recognise"
    assert found["url.path"] == URL
    assert found["http.response.status_code"] == 200
    assert found["http.request.body.size"] == len(photo)
    assert found["http.server.request.duration_ms"] > 0
    assert found["ghostlens.model"] == "colours"
    assert found["ghostlens.version"] == "1.1.0"
    assert found["ghostlens.verdict"] == "sure"
    assert {"wait", "load", "prepare", "run"} <= set(found["ghostlens.stage_ms"])
    assert found["trace_id"] == TRACE
    assert found["client.address"] == "127.0.0.0"  # truncated, as the setting says
    assert found["severity"] == "INFO"


def test_a_refusal_names_its_kind(observed: Observed) -> None:
    with pytest.raises(urllib.error.HTTPError):
        ask(f"{observed.address}/v1/models/no-such", X_Request_ID="refused")
    assert observed.wait_for_log("refused")["error.type"] == "unknown-model"


def test_keys_cookies_and_queries_never_reach_the_log(observed: Observed) -> None:
    head = (
        f"Host: 127.0.0.1\r\nAuthorization: Bearer {SECRET}\r\nX-API-Key: {SECRET}\r\n"
        f"Cookie: session={SECRET}\r\nReferer: http://here/?{SECRET}\r\nConnection: close\r\n"
    )
    for line in (
        f"GET /livez?key={SECRET} HTTP/1.1",
        f"GET /nowhere?key={SECRET} HTTP/1.1",
        f"POST {URL}?key={SECRET} HTTP/1.1",
        f"GET /v1/models/colours/check?device_id={SECRET} HTTP/1.1",
    ):
        assert b"HTTP/1.1" in send(observed.address, f"{line}\r\n{head}\r\n".encode())
    for malformed in (
        f"GET /livez HTTP/1.1\r\nHost: here\r\nAuthorization : Bearer {SECRET}\r\n\r\n",
        f"GET /livez?{SECRET} HTTP/9.9\r\nX-API-Key: {SECRET}\r\n\r\n",
        f"{SECRET}\r\n\r\n",
        f"GET /livez HTTP/1.1\r\nCookie\r\n {SECRET}\r\n\r\n",
    ):
        answer = send(observed.address, malformed.encode())
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    end = f"GET /end-of-secrets HTTP/1.1\r\nX-Request-ID: end-of-secrets\r\n{head}\r\n"
    text = observed.read_log()
    send(observed.address, end.encode())
    while "end-of-secrets" not in text:
        text += observed.read_log()
    assert SECRET not in text
    assert "not HTTP" in text


def test_a_path_cannot_forge_a_line(observed: Observed) -> None:
    forged = "%0d%0a%7b%22severity%22:%22ERROR%22%7d%0a%1b%5b31m%e2%80%a8%00"
    with pytest.raises(urllib.error.HTTPError):
        ask(
            f"{observed.address}/{forged}",
            X_Request_ID="forger",
            User_Agent="red\x9b31m\x85",
        )
    found = observed.wait_for_log("forger")
    assert found["severity"] == "INFO"
    assert found["url.path"] == '/\r\n{"severity":"ERROR"}\n\x1b[31m\u2028\x00'


def test_a_key_that_somebody_put_into_an_address_is_cut_short() -> None:
    token = make_token("k1k1k1k1")
    record = make_record(f"GET /{token}", **{"url.path": f"/{token}"})
    for formatter in (JsonFormatter(), TextFormatter()):
        line = formatter.format(record)
        assert "k1k1k1k1" in line
        assert token not in line


@given(st.text(), st.text())
def test_any_text_is_one_line_of_json_in_plain_ascii(message: str, path: str) -> None:
    line = JsonFormatter().format(make_record(message, **{"url.path": path}))
    assert all(" " <= char <= "~" for char in line)
    assert json.loads(line)["url.path"] == path


@given(st.text())
def test_any_text_is_one_printable_line_on_a_terminal(message: str) -> None:
    assert TextFormatter().format(make_record(message)).isprintable()


def test_an_exception_is_one_line_with_its_traceback() -> None:
    record = make_record("failed")
    try:
        raise ValueError("of\nseveral\x1b[31m\nlines")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    found = json.loads(JsonFormatter().format(record))
    assert found["exception.type"] == "builtins.ValueError"
    assert "Traceback" in found["exception.stacktrace"]
    first, *others = TextFormatter().format(record).split("\n")
    assert first.endswith("failed")
    assert others and all(line.startswith("    ") and line.isprintable() for line in others)


def test_a_servers_fault_leaves_the_query_out(caplog: pytest.LogCaptureFixture) -> None:
    logger = GunicornLogger.__new__(GunicornLogger)
    logger.error_log = logging.getLogger("tests.gunicorn")
    logger.exception("Error handling request %s", f"/a/path?{SECRET}")
    assert "/a/path" in caplog.text
    assert SECRET not in caplog.text


def test_a_client_that_is_silent_is_no_fault_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = GunicornLogger.__new__(GunicornLogger)
    logger.error_log = logging.getLogger("tests.gunicorn")
    with caplog.at_level(logging.INFO):
        for error in (BlockingIOError("silent"), OSError("the disk is gone")):
            try:
                raise error
            except OSError:
                logger.exception("Socket error processing request.")
    assert [record.exc_info[1].args for record in caplog.records] == [("the disk is gone",)]


@pytest.mark.parametrize(
    ("address", "how", "shown"),
    [
        ("203.0.113.77", "full", "203.0.113.77"),
        ("203.0.113.77", "truncated", "203.0.113.0"),
        ("203.0.113.77", "off", ""),
        ("2001:db8:1:2::3", "truncated", "2001:db8:1::"),
        ("not\nan address", "full", ""),
    ],
)
def test_a_clients_address_is_shown_as_far_as_allowed(address: str, how: str, shown: str) -> None:
    assert shorten_address(address, how) == shown
