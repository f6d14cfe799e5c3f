"""nginx with our example configuration, before a server process."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = shutil.which("nginx")
NAME = "models.example.com"


@contextmanager
def serve_nginx(folder: Path, upstream: str) -> Iterator[int]:
    """Runs nginx over TLS until the block ends; gives its port.

    Args:
        folder: for its files.
        upstream: host and port of the server.
    """
    port = find_port()
    text = (ROOT / "deploy/nginx.conf").read_text()
    for given, wanted in (
        ("worker_processes auto;", f"daemon off; pid {folder}/pid; error_log {folder}/error.log;"),
        ("/var/log/nginx/", f"{folder}/"),
        ("server 127.0.0.1:8000;", f"server {upstream};"),
        ("listen 80;", f"listen 127.0.0.1:{find_port()};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/nginx/tls/", f"{folder}/"),
        ("    server_tokens off;", f"    server_tokens off; {place_temporary_files(folder)}"),
    ):
        assert given in text, f"deploy/nginx.conf has no {given}"
        text = text.replace(given, wanted)
    (folder / "nginx.conf").write_text(text)
    make_certificate(folder)
    assert PROGRAM is not None
    process = subprocess.Popen([PROGRAM, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def place_temporary_files(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)


def make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext"]
    command += [f"subjectAltName=DNS:{NAME},IP:127.0.0.1", "-keyout", str(folder / f"{NAME}.key")]
    subprocess.run([*command, "-out", str(folder / f"{NAME}.pem")], check=True, capture_output=True)


def find_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nginx does not listen: {process.returncode}")
