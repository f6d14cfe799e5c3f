"""Runs the app under gunicorn: one process, bounded threads, a clean stop on SIGTERM."""

import socket
from typing import Any

import click
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from serving.errors import ServingError
from serving.settings import Settings

# A thread that is silent for so long does not count: for threaded workers gunicorn's timeout
# watches the process, not a request.
_TIMEOUT_S = 60
# A phone on a slow network may still be reading a model file when the server is told to stop.
_GRACEFUL_TIMEOUT_S = 10
_KEEP_ALIVE_S = 15
# Connections beyond those that a thread serves wait here; more are turned away by the kernel.
_BACKLOG = 128


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self._settings = settings
        self._options = {
            "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": settings.threads,
            "worker_connections": settings.threads * 16,
            "backlog": _BACKLOG,
            "timeout": _TIMEOUT_S,
            "graceful_timeout": _GRACEFUL_TIMEOUT_S,
            "keepalive": _KEEP_ALIVE_S,
            "loglevel": "warning",
            "when_ready": _tell_address,
            # Newer versions open a socket for remote control; nobody here asked for one.
            "control_socket_disable": True,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        # In the worker, after the fork: runtimes that were loaded before it hang.
        from serving.app import create_app

        return create_app(self._settings)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: what to serve.
        host: the address to listen on.
        port: the port; 0 takes a free one, which is printed.

    Raises:
        ServingError: the address cannot be listened on.
    """
    _check_address(host, port)
    _Server(settings, host, port).run()


def _check_address(host: str, port: int) -> None:
    # gunicorn would try five times, and tell of it in many lines.
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise ServingError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _tell_address(arbiter: Arbiter) -> None:
    for listener in arbiter.LISTENERS:
        click.echo(f"Ghostlens serves {listener}/ (API: {listener}/docs); Ctrl-C stops it")
