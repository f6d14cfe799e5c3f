"""Runs the app under gunicorn: a process a core, bounded threads, a clean stop on SIGTERM."""

import os
import resource
import socket
import struct
import threading
from dataclasses import replace
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from serving.access.public import describe_public_scopes, is_loopback
from serving.errors import NotReadyError, ServingError
from serving.settings import Settings

# A thread that is silent for so long does not count: for threaded workers gunicorn's timeout
# watches the process, not a request.
_TIMEOUT_S = 60
# A phone on a slow network may still be reading a model file when the server is told to stop.
_GRACEFUL_TIMEOUT_S = 10
_KEEP_ALIVE_S = 15
# Connections beyond these wait in the kernel, unseen by the app. All are taken on fast, so that
# the app itself refuses what it cannot answer in time.
_CONNECTIONS = 4096
_BACKLOG = 2048
# Descriptors for all else: model files, databases, libraries.
_OTHER_FILES = 256
# Of a client's silence within a request, and of one that takes no more of an answer: gunicorn's
# threaded workers have no such limits themselves.
_SILENCE_S = 15
_STALL_S = 60


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self.settings = settings
        self._options = {
            "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
            "workers": settings.workers or count_cores(),
            "worker_class": "gthread",
            "threads": settings.threads,
            "worker_connections": _raise_file_limit(),
            "backlog": _BACKLOG,
            "timeout": _TIMEOUT_S,
            "graceful_timeout": _GRACEFUL_TIMEOUT_S,
            "keepalive": _KEEP_ALIVE_S,
            "loglevel": "warning",
            "when_ready": _start_listening,
            "post_worker_init": _warn_if_not_ready,
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

        return create_app(self.settings)


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
    if settings.public_scopes is None and not is_loopback(host):
        settings = replace(settings, public_scopes=())
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


def count_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _raise_file_limit() -> int:
    """Returns how many connections a process can hold, after raising the limit of descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(_CONNECTIONS, soft - _OTHER_FILES))


def _start_listening(arbiter: Arbiter) -> None:
    for listener in arbiter.LISTENERS:
        _bound_silence(listener.sock)
        click.echo(f"Ghostlens serves {listener}/ (API: {listener}/docs); Ctrl-C stops it")
    click.echo(describe_public_scopes(arbiter.app.settings))


def _warn_if_not_ready(worker: Worker) -> None:
    """Says on the console what /readyz says; the first process does, once for all."""
    if worker.age == 1:
        # A storage that does not answer must keep nobody waiting.
        threading.Thread(target=_print_problems, args=(worker.wsgi,), daemon=True).start()


def _print_problems(app: Flask) -> None:
    from serving.context import get_storage

    with app.app_context():
        storage = get_storage()
        problems = storage.find_problems()
        try:
            _ = storage.catalogue
            words = "/readyz says"
        except NotReadyError:
            words = "not ready, answers 503 until that changes"
    for problem in problems:
        click.echo(f"WARNING: {words}: {problem}", err=True)


def _bound_silence(listener: socket.socket) -> None:
    """Lets no silent client hold a thread; connections inherit what is set here (tcp(7))."""
    for option, limit_s in ((socket.SO_RCVTIMEO, _SILENCE_S), (socket.SO_SNDTIMEO, _STALL_S)):
        timeval = struct.pack("ll", limit_s, 0)
        listener.setsockopt(socket.SOL_SOCKET, option, timeval)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):  # Linux: wakes nobody before the first byte is there
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _SILENCE_S)
