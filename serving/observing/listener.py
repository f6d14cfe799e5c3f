"""An address of its own where metrics are asked for without a key."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.wrappers import Request, Response

from serving.observing.exposition import make_answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SOCKET = "gunicorn.socket"


class MetricsListener:
    """Answers `/metrics`, and nothing else, for connections that came in at one port."""

    def __init__(self, app: Flask, port: int) -> None:
        """Stands before an app; for other ports that answers.

        Args:
            app: whose metrics they are.
            port: where it listens for nothing else.
        """
        self._app = app
        self._inner: WSGIApplication = app.wsgi_app
        self._port = port

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answers a request, or has the app do it."""
        # What a client claims, as in `Host`, does not count: only where its connection came in.
        if environ[_SOCKET].getsockname()[1] != self._port:
            return self._inner(environ, start_response)
        request = Request(environ)
        if request.path != "/metrics" or request.method != "GET":
            return Response("only GET /metrics is answered here\n", 404)(environ, start_response)
        with self._app.app_context():
            return make_answer(request.headers.get("Accept", ""))(environ, start_response)
