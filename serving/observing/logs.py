"""Logs: a line of JSON for each event on stderr, or words where that is a terminal."""

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

from serving.access.tokens import hide_tokens
from serving.observing.request_ids import request_id

_ENCODER = json.JSONEncoder(default=str)


def configure(level: str, form: str) -> None:
    """Makes all loggers of this process, and of those that it forks, write to stderr.

    Args:
        level: see `Settings.log_level`.
        form: see `Settings.log_format`.
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # Nothing here shows them, and each record would look for them.
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    # Of libraries only what goes wrong.
    for name in ("urllib3", "botocore", "boto3", "s3transfer", "alembic", "tuf", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)


def describe(record: logging.LogRecord) -> dict[str, Any]:
    """Returns a record as fields, most of them named by OpenTelemetry's semantic conventions."""
    written = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    fields: dict[str, Any] = {
        "timestamp": f"{written.isoformat(timespec='milliseconds')}Z",
        "severity": record.levelname,
        "message": record.getMessage(),
        "logger": record.name,
        "process.pid": os.getpid(),
        **getattr(record, "fields", {}),
    }
    if "request_id" not in fields and request_id():
        fields["request_id"] = request_id()
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, _ = record.exc_info
        fields["exception.type"] = f"{kind.__module__}.{kind.__qualname__}"
        fields["exception.message"] = str(error)
        fields["exception.stacktrace"] = logging.Formatter().formatException(record.exc_info)
    return fields


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of ASCII: JSON escapes all that could end it."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        return hide_tokens(_ENCODER.encode(describe(record)))


class TextFormatter(logging.Formatter):
    """Writes a record for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line, and a traceback indented below it."""
        fields = describe(record)
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        words = [clock, f"{record.levelname:7}", str(fields["message"])]
        took_ms = fields.get("http.server.request.duration_ms")
        words += [f"in {took_ms} ms"] if took_ms is not None else []
        words += [f"({fields['error.type']})"] if "error.type" in fields else []
        words += [f"[{fields['request_id']}]"] if "request_id" in fields else []
        traceback = fields.get("exception.stacktrace", "").split("\n")
        lines = [" ".join(words), *(f"    {line}" for line in traceback if line)]
        return hide_tokens("\n".join(map(_show_controls, lines)))


def _show_controls(line: str) -> str:
    """Escapes what is not printable, so that nothing sent can end a line or colour a terminal."""
    if line.isprintable():
        return line
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )
