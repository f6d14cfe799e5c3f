"""Runs the app under gunicorn: a process a core, bounded threads, a clean stop on SIGTERM."""

import gc
import os
import resource
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from serving.access.public import describe_public_scopes, is_loopback
from serving.errors import NewerStateError, ServingError, StateError
from serving.observing import logs, processes, tracing
from serving.observing.processes import Shared, choose_slot
from serving.settings import Settings
from serving.spreading import Spreading
from serving.worker import BoundedWorker

# A thread that is silent for so long does not count: for threaded workers gunicorn's timeout
# watches the process, not a request.
_TIMEOUT_S = 60
# A phone on a slow network may still be reading a model file when the server is told to stop.
_GRACEFUL_TIMEOUT_S = 10
_KEEP_ALIVE_S = 15
# Of method and address; the most that gunicorn allows, which our longest queries fit into.
_LONGEST_LINE_BYTES = 8190
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
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_MEMORY_FOLDER = Path("/dev/shm")


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Settings, host: str, port: int, shared: Shared) -> None:
        self.settings = settings
        self.shared = shared
        workers = settings.workers or count_cores()
        # Twice, as on SIGHUP new processes begin before the old ones end.
        self.spreading = Spreading(2 * workers)
        self._options = {
            "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
            + ([settings.metrics_address] if settings.metrics_address else []),
            "workers": workers,
            "worker_class": BoundedWorker,
            "threads": settings.threads,
            "worker_connections": _raise_file_limit(),
            "backlog": _BACKLOG,
            "timeout": _TIMEOUT_S,
            "graceful_timeout": _GRACEFUL_TIMEOUT_S,
            "keepalive": _KEEP_ALIVE_S,
            "limit_request_line": _LONGEST_LINE_BYTES,
            "loglevel": "warning",
            # What proxies say is read by the app, which knows how many there are.
            "forwarded_allow_ips": "",
            "logger_class": "serving.observing.gunicorn_logs.GunicornLogger",
            "when_ready": _start_listening,
            "pre_fork": _number_worker,
            "post_fork": _take_number,
            "post_worker_init": _begin_work,
            "worker_exit": _stop_worker,
            "child_exit": _forget_worker,
            # Newer versions open a socket for remote control; nobody here asked for one.
            "control_socket_disable": True,
            "worker_tmp_dir": _find_memory_folder(),
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        # In the worker, after the fork, as it has threads and connections.
        with _collecting_nothing():
            from serving.app import create_app

            app = create_app(self.settings)
        tracing.start(app)
        if self.shared.metrics_port is not None:
            from serving.observing.listener import MetricsListener

            listener = MetricsListener(app, self.shared.metrics_port)
            app.wsgi_app = listener  # type: ignore[method-assign]
        return app

    def run(self) -> None:
        _Arbiter(self).run()


class _Arbiter(Arbiter):  # type: ignore[misc]
    """Goes on for a while after SIGTERM, so that balancers can take the server out first."""

    _stop_at_s: float | None = None

    def handle_term(self) -> None:
        """Says that the server stops, and stops it later; at once where it was said before."""
        self.app.shared.note_stopping()
        if not self.app.settings.drain_s or self._stop_at_s is not None:
            super().handle_term()
        self._stop_at_s = time.monotonic() + self.app.settings.drain_s

    def manage_workers(self) -> None:
        """Keeps the workers' number; called at least once a second."""
        if self._stop_at_s is not None and time.monotonic() >= self._stop_at_s:
            raise StopIteration
        super().manage_workers()


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: what to serve.
        host: the address to listen on.
        port: the port; 0 takes a free one, which is printed.

    Raises:
        ServingError: the address cannot be listened on.
        NewerStateError: a newer server has used the state.
    """
    _check_address(host, port)
    with _collecting_nothing():
        _prepare_state(settings)
    if settings.public_scopes is None and not is_loopback(host):
        settings = replace(settings, public_scopes=())
    logs.configure(settings.log_level, settings.log_format)
    with processes.sharing() as shared:
        with _collecting_nothing():
            # Once for all processes, also those that take the place of others; but for the runtimes
            # of models, which hang where they were loaded before a fork.
            import serving.app  # noqa: F401
        _Server(settings, host, port, shared).run()


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Looks for no garbage within the block, and never among what is there at its end.

    That is modules and what they made, which stay: a tenth of a start, and later each full
    collection, would go into looking through them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _check_address(host: str, port: int) -> None:
    # gunicorn would try five times, and tell of it in many lines.
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise ServingError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _prepare_state(settings: Settings) -> None:
    """Brings the state up to date, or says why it cannot be used; its connections end here."""
    from serving.state.database import Database

    database = Database(settings.state_place)
    problems = database.place.find_problems()
    try:
        with database.write():
            pass
    except NewerStateError:
        raise
    except StateError as error:
        problems.append(
            f"{error}; until that changes no key counts, reports are refused, and rollouts are held"
        )
    finally:
        database.close()
    for problem in problems:
        click.echo(f"WARNING: {problem}", err=True)


def count_cores() -> int:
    """Returns how many cores this process may use, by its affinity and by its container's quota."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(cores, read_quota(_CPU_QUOTA) or cores)


def read_quota(path: Path) -> int | None:
    """Returns how many cores a container may use, at least 1; None where nothing limits it.

    Args:
        path: `cpu.max` of its control group (Linux, version 2): microseconds of each so many.
    """
    try:
        quota, period = path.read_text().split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):  # another system, or "max"
        return None


def _find_memory_folder() -> str | None:
    """Returns where the workers' signs of life lie: on a disk they can block, which ends them."""
    return str(_MEMORY_FOLDER) if os.access(_MEMORY_FOLDER, os.W_OK) else None


def _raise_file_limit() -> int:
    """Returns how many connections a process can hold, after raising the limit of descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(_CONNECTIONS, soft - _OTHER_FILES))


def _start_listening(arbiter: Arbiter) -> None:
    main, *others = arbiter.LISTENERS
    for listener in (main, *others):
        _bound_silence(listener.sock)
    click.echo(f"Ghostlens serves {main}/ (API: {main}/docs); Ctrl-C stops it")
    for listener in others:
        arbiter.app.shared.metrics_port = listener.sock.getsockname()[1]
        click.echo(f"its metrics, without a key: {listener}/metrics")
    click.echo(describe_public_scopes(arbiter.app.settings))
    from serving.state.database import Database

    click.echo(f"what it remembers is in {Database(arbiter.app.settings.state_place).name}")


def _number_worker(arbiter: Arbiter, worker: Worker) -> None:
    worker.slot = choose_slot(other.slot for other in arbiter.WORKERS.values())


def _take_number(arbiter: Arbiter, worker: Worker) -> None:
    arbiter.app.shared.slot = worker.slot


def _stop_worker(arbiter: Arbiter, worker: Worker) -> None:
    tracing.stop()


def _forget_worker(arbiter: Arbiter, worker: Worker) -> None:
    arbiter.app.shared.forget_gauges(worker.slot)
    arbiter.app.spreading.forget(worker.slot)


def _begin_work(worker: Worker) -> None:
    """Loads the current versions; the first process says what is wrong, once for all.

    Old photos are deleted meanwhile.
    """
    from serving.context import get_kept_photos, get_readiness
    from serving.corrections.keeping import sweep_repeatedly
    from serving.observing.metrics import WORKERS

    WORKERS.set(1)
    app = worker.wsgi
    with app.app_context():
        get_readiness().start(worker.note_ready, tell=worker.age == 1)
        sweep_repeatedly(get_kept_photos())


def _bound_silence(listener: socket.socket) -> None:
    """Lets no silent client hold a thread; connections inherit what is set here (tcp(7))."""
    for option, limit_s in ((socket.SO_RCVTIMEO, _SILENCE_S), (socket.SO_SNDTIMEO, _STALL_S)):
        timeval = struct.pack("ll", limit_s, 0)
        listener.setsockopt(socket.SOL_SOCKET, option, timeval)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):  # Linux: wakes nobody before the first byte is there
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _SILENCE_S)
