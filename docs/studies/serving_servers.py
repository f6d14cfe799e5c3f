"""Servers to measure side by side, each a process of its own: ours, LitServe and BentoML.

The two others run in environments of their own, which are made when they are asked for.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from serving.server import count_cores

HERE = Path(__file__).parent
START_S = 120
PACKAGES = {
    "LitServe": ["litserve", "python-multipart"],
    "BentoML": ["bentoml"],
}
_COMMON = ["ai-edge-litert==2.3.0", "numpy<2.4", "pillow"]
_BOUNDARY = "a-photo-and-nothing-else"


@dataclass(frozen=True)
class Server:
    """How one is started and asked.

    Attributes:
        name: with its version.
        command: starts it; `{port}` is replaced.
        path: of a photo's address.
        content_type: of a request's body.
        wrap: makes a body of a photo's file.
        environment: variables beside those of this process.
    """

    name: str
    command: list[str]
    path: str
    content_type: str = "image/jpeg"
    wrap: Callable[[bytes], bytes] = bytes
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A server that answered once.

    Attributes:
        server: which one.
        address: host and port.
        pid: of its first process; the others descend from it.
        first_answer_s: from the command to the first answer.
    """

    server: Server
    address: str
    pid: int
    first_answer_s: float


def make_ours(repository: Path, state: Path, model: str) -> Server:
    """Returns our server as it is deployed."""
    command = [sys.executable, "-m", "serving", "run", "--repository", str(repository)]
    command += ["--port", "{port}", "--state", str(state)]
    # As it is installed: with byte code, whatever this environment says of writing that.
    environment = {"PYTHONDONTWRITEBYTECODE": ""}
    return Server("Ghostlens", command, f"/v1/models/{model}/recognise", environment=environment)


def run_checkout(server: Server, checkout: Path) -> Server:
    """Returns one of our servers, running the code of a checkout."""
    # Without the first, modules come from the folder that this process runs in.
    given = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(checkout.resolve())}
    return replace(server, environment=server.environment | given)


def make_rivals(folder: Path, tflite: Path, input_px: int) -> list[Server]:
    """Returns LitServe and BentoML, from environments in a folder, made there if need be."""
    cores = str(count_cores())
    paths = {name: _make_environment(folder, name) for name in PACKAGES}
    root = str(HERE.parents[1])
    lit = [str(paths["LitServe"] / "python"), str(HERE / "rivals" / "litserve_app.py")]
    bento = [str(paths["BentoML"] / "bentoml"), "serve", "bentoml_app:Photos", "--port", "{port}"]
    settings = {"BENCH_TFLITE": str(tflite), "BENCH_INPUT_PX": str(input_px)}
    settings |= {"BENCH_WORKERS": cores, "BENTOML_DO_NOT_TRACK": "true"}
    return [
        Server(
            f"LitServe {_read_version(paths['LitServe'], 'litserve')}",
            [*lit, str(tflite), str(input_px), "{port}", cores],
            "/recognise",
            f"multipart/form-data; boundary={_BOUNDARY}",
            _wrap_form,
            {"PYTHONPATH": root},
        ),
        Server(
            f"BentoML {_read_version(paths['BentoML'], 'bentoml')}",
            [*bento, "--host", "127.0.0.1", "--working-dir", str(HERE / "rivals")],
            "/recognise",
            environment={"PYTHONPATH": root, **settings},
        ),
    ]


def _make_environment(folder: Path, name: str) -> Path:
    place = folder / name.lower()
    if not (place / "bin" / "python").exists():
        click.echo(f"making the environment of {name} in {place}", err=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        install = [place / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *PACKAGES[name], *_COMMON], check=True)
    return place / "bin"


def _read_version(binaries: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    found = subprocess.run([binaries / "python", "-c", code], check=True, capture_output=True)
    return found.stdout.decode().strip()


def _wrap_form(photo: bytes) -> bytes:
    head = 'Content-Disposition: form-data; name="photo"; filename="photo.jpg"'
    start = f"--{_BOUNDARY}\r\n{head}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
    return b"".join([start, photo, f"\r\n--{_BOUNDARY}--\r\n".encode()])


@contextmanager
def running(server: Server, photo: bytes) -> Iterator[Running]:
    """Runs a server until the block ends; it has answered a photo before that begins."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    begun_s = time.perf_counter()
    process = subprocess.Popen(
        [part.replace("{port}", str(port)) for part in server.command],
        env=os.environ | server.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"127.0.0.1:{port}"
    try:
        first_s = wait_for_answer(server, address, photo, begun_s)
        yield Running(server, address, process.pid, first_s)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        # Some leave their workers behind, which go on taking processor time.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_answer(server: Server, address: str, photo: bytes, begun_s: float) -> float:
    """Asks until the server answers; returns how long after a moment it did, in seconds."""
    url = f"http://{address}{server.path}"
    body, headers = server.wrap(photo), {"Content-Type": server.content_type}
    while time.perf_counter() - begun_s < START_S:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
                assert json.load(response)["answers"]
                return time.perf_counter() - begun_s
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise click.ClickException(f"{server.name}: {error.read()[:300]!r}") from error
        except OSError:
            pass
        time.sleep(0.01)
    raise click.ClickException(f"{server.name} did not answer within {START_S} s")


def list_processes(pid: int) -> list[int]:
    """Returns a process and all that descend from it (Linux)."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += list_processes(int(child))
    return found


def read_memory_mb(pid: int) -> list[float]:
    """Returns the resident memory of a server's processes, the largest first."""
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in list_processes(pid)]
    return sorted((count * page_bytes / 2**20 for count in pages), reverse=True)


def read_used_s(pid: int) -> float:
    """Returns the processor seconds that a server used so far (proc(5): utime, stime)."""
    ticks = 0
    for one in list_processes(pid):
        behind_name = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(behind_name[11]) + int(behind_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")
