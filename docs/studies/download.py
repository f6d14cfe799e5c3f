"""How fast the server sends files beside nginx: `python docs/studies/download.py`.

Both serve one signed repository on loopback, as they are deployed: `python -m serving run`, and
Debian's nginx with one process a core and `sendfile`. They are measured in turns, so that whatever
else the machine does meets both. Prints a table in Markdown, and the lowest ratio of the files that
are models; without nginx says so and ends.
"""

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from mobile_assets.release import STABLE, Channel, PublishedVersion, Release
from mobile_assets.signing import create_keys
from serving.publishing.desk import open_desk
from serving.publishing.repository import stored_path

SIZES = {"labels": 8 << 10, "photo": 100 << 10, "int8 model": 5 << 20, "fp32 model": 20 << 20}
CONNECTIONS = (1, 8)
# The least that issue and documentation promise for models.
TARGET_RATIO = 0.7
NGINX_PLACES = ("/usr/sbin/nginx", "/usr/local/sbin/nginx")
NGINX_SETTINGS = """
worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  sendfile on;
  tcp_nopush on;
  types {{ }}
  default_type application/octet-stream;
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
MODEL, VERSION = "bench", "1.0.0"
WAIT_S = 60
RECEIVE_BYTES = 1 << 18
ROUND_BYTES = 512 << 20


def make_repository(folder: Path) -> tuple[Path, dict[str, str]]:
    """Publishes one file of each size; returns the repository, and URL paths by name."""
    repository, keys = folder / "repository", folder / "keys"
    create_keys(keys)
    paths = {}
    with open_desk(repository, [keys], MODEL, creating=True) as desk:
        for name, size_bytes in SIZES.items():
            path = f"{MODEL}/{VERSION}/{name.replace(' ', '-')}.bin"
            desk.put(path, os.urandom(size_bytes))
            paths[name] = f"/targets/{stored_path(desk.files[path])}"
        desk.put(f"{MODEL}/{VERSION}/manifest.json", b"{}")
        version = PublishedVersion(VERSION, "2026-01-01T00:00:00Z")
        desk.put_release(Release(MODEL, (version,), {STABLE: Channel(VERSION)}))
        desk.commit()
    return repository, paths


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Runs a server until the block ends."""
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        end_s = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end_s:
                    raise click.ClickException(log.read_text(errors="replace")) from None
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def find_port() -> int:
    """Returns a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def download(port: int, path: str, size_bytes: int, times: int) -> None:
    """Downloads a file several times over one connection."""
    buffer = bytearray(RECEIVE_BYTES)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(times):
            connection.sendall(request)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(4096)
                if not piece:
                    raise click.ClickException(f"port {port} hung up")
                head += piece
            head, _, body = head.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
            if b" 200 " not in head[:20] or not found or int(found[1]) != size_bytes:
                raise click.ClickException(head.decode(errors="replace"))
            left_bytes = size_bytes - len(body)
            while left_bytes:
                received = connection.recv_into(buffer, min(left_bytes, RECEIVE_BYTES))
                if not received:
                    raise click.ClickException(f"port {port} broke off")
                left_bytes -= received


def measure(port: int, path: str, size_bytes: int, connections: int, times: int) -> float:
    """Returns megabytes a second over some connections at once."""
    began_s = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        for done in [
            pool.submit(download, port, path, size_bytes, times) for _ in range(connections)
        ]:
            done.result()
    return size_bytes * connections * times / (time.perf_counter() - began_s) / 1e6


def compare(
    ports: tuple[int, int], path: str, size_bytes: int, connections: int, rounds: int
) -> tuple[str, float]:
    """Returns a table's row, and the median ratio of neighbours in time."""
    times = min(max(1, ROUND_BYTES // size_bytes // connections), 200)
    ours, theirs = [], []
    for number in range(rounds):
        pair = {}
        for port in ports if number % 2 else reversed(ports):
            pair[port] = measure(port, path, size_bytes, connections, times)
        ours.append(pair[ports[0]])
        theirs.append(pair[ports[1]])
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    ratio = statistics.median(ratios)
    row = (
        f"{statistics.median(ours):,.0f} | {statistics.median(theirs):,.0f} | "
        f"**{ratio:.2f}** | {ratios[0]:.2f} to {ratios[-1]:.2f}"
    )
    return row, ratio


def print_rows(ports: tuple[int, int], paths: dict[str, str], rounds: int) -> float:
    """Prints a row for each file and number of connections; returns the lowest ratio of models."""
    lowest = float("inf")
    for kind, size_bytes in SIZES.items():
        for connections in CONNECTIONS:
            row, ratio = compare(ports, paths[kind], size_bytes, connections, rounds)
            click.echo(f"| {kind}, {size_bytes:,} bytes | {connections} | {row} |")
            if kind.endswith("model"):
                lowest = min(lowest, ratio)
    return lowest


@click.command()
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(3))
def main(rounds: int) -> None:
    """Prints a table in Markdown."""
    nginx = shutil.which("nginx") or next(filter(os.path.exists, NGINX_PLACES), None)
    if nginx is None:
        click.echo("skipped: there is no nginx here; on Debian `apt-get install nginx-light`")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads as another user
        repository, paths = make_repository(folder)
        ports = find_port(), find_port()
        settings = folder / "nginx.conf"
        settings.write_text(NGINX_SETTINGS.format(folder=folder, port=ports[1], root=repository))
        ours = [sys.executable, "-m", "serving", "run", "--repository", str(repository)]
        with (
            running([*ours, "--port", str(ports[0])], ports[0], folder),
            running([nginx, "-c", str(settings)], ports[1], folder),
        ):
            version = subprocess.run([nginx, "-v"], capture_output=True, text=True).stderr.strip()
            click.echo(f"{version}; {os.cpu_count()} cores; {rounds} rounds in turns\n")
            click.echo("| file | connections | Ghostlens MB/s | nginx MB/s | ratio | from to |")
            click.echo("| --- | --: | --: | --: | --: | --- |")
            lowest = print_rows(ports, paths, rounds)
    click.echo(f"\nmodels: {lowest:.2f} of nginx or more; the least allowed is {TARGET_RATIO}")


if __name__ == "__main__":
    main()
