"""What went over the wire between an app and the real server, and ways to disturb it."""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

App = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


class Wire:
    """A WSGI app around the server.

    Attributes:
        reports: what was posted to it.
        questions: what it was asked.
        fetched_bytes: of each file that was fetched, by its path.
        change_answer: is given each answer to a check, and changes it.
        change_file: by part of a path, what is given the bytes of files and returns others.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.reports: list[dict[str, Any]] = []
        self.questions: list[dict[str, Any]] = []
        self.fetched_bytes: dict[str, int] = {}
        self.change_answer: Callable[[dict[str, Any]], None] | None = None
        self.change_file: dict[str, Callable[[bytes], bytes]] = {}

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "POST":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            (self.reports if path.endswith("/reports") else self.questions).append(json.loads(body))
        if path.endswith("/check") and self.change_answer is not None:
            return self._change(environ, start)
        for name, change in self.change_file.items():
            if name in path:
                return self._change_file(environ, start, change)
        answer = b"".join(self.app(environ, start))
        if path.startswith("/targets/"):
            self.fetched_bytes[path] = len(answer)
        return [answer]

    def _change(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = json.loads(self._ask(environ))
        assert self.change_answer is not None
        self.change_answer(answer)
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _change_file(
        self, environ: WSGIEnvironment, start: StartResponse, change: Callable[[bytes], bytes]
    ) -> Iterable[bytes]:
        """Gives other bytes, which are whole as far as HTTP can tell."""
        data = change(self._ask(environ))
        start("200 OK", [("Content-Length", str(len(data)))])
        return [data]

    def _ask(self, environ: WSGIEnvironment) -> bytes:
        return b"".join(self.app(environ, lambda *_: None))  # type: ignore[arg-type, return-value]

    def list_fetched(self, name: str) -> list[str]:
        """The paths of fetched files that hold a name."""
        return [path for path in self.fetched_bytes if name in path]
