"""What nobody should send, to a server process: told so in time, in bounded memory, and forgotten.

More of harmful bodies is in `inference/test_recognise.py`, `inference/test_protocol.py` and
`inference/test_bodies.py`; too many requests, and clients that hang up, in
`inference/test_overload.py`.
"""

import gzip
import io
import json
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.mobile_assets.builds import COLOURS, SIDE_PX, make_photo
from tests.serving import test_server
from tests.serving.test_server import ask, clean_environment, serve

RED = make_photo(COLOURS["red"])
RECOGNISE = "/v1/models/colours/recognise"
CHECK, REPORTS = "/v1/models/colours/check", "/v1/models/colours/reports"
CORRECTIONS = "/v1/models/colours/corrections"
INFER = "/v2/models/colours/infer"
JPEG, JSON = {"Content-Type": "image/jpeg"}, {"Content-Type": "application/json"}
LIMIT_BYTES = 1 << 20
# The server's own deadlines are a second, and ten; a test that waits longer has found something.
TIMEOUT_S = 30
MOST_GROWTH_BYTES = 64 << 20
GZIP_BOMB = gzip.compress(bytes(1 << 20), mtime=0) * 300  # 300 MB in 300 kB


@pytest.fixture(scope="module")
def served(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Address and process id of a server whose limits are quickly reached."""
    settings = {
        "GHOSTLENS_MAX_UPLOAD_BYTES": str(LIMIT_BYTES),
        "GHOSTLENS_RECEIVE_WAIT_S": "1",
        "GHOSTLENS_STATE": str(tmp_path_factory.mktemp("bad") / "state"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_server, "clean_environment", lambda: clean_environment() | settings)
        with serve(published) as (address, process):
            assert ask(address + RECOGNISE, RED, Content_Type="image/jpeg").status == 200
            yield address, process.pid


@pytest.fixture
def address(served: tuple[str, int]) -> Iterator[str]:
    """The server's address; afterwards it must be as well as it was."""
    address, pid = served
    before = read_peak_bytes(pid)
    yield address
    answer = json.load(ask(address + RECOGNISE, RED, Content_Type="image/jpeg"))
    assert answer["answers"][0]["label"] == "red"
    assert read_peak_bytes(pid) - before < MOST_GROWTH_BYTES


def read_peak_bytes(pid: int) -> int:
    """Returns the most memory that each of the server's processes ever had, in sum."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(read_status(child) for child in [str(pid), *children])


def read_status(pid: str, name: str = "VmHWM:") -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise AssertionError(f"no {name} not on Linux")


def send(address: str, *parts: bytes) -> bytes:
    """Sends bytes as they are, and returns all that comes until the server closes or is done."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:  # it hung up, as it may
                break
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            part = connection.recv(1 << 16)
        except ConnectionResetError:
            return received
        received += part
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not part or (length and len(body) >= int(length[1])):
            return received


def make_head(path: str, method: str = "POST", **headers: object) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def post(address: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    named = {name.replace("-", "_"): text for name, text in headers.items()}
    return send(address, make_head(path, **named, Content_Length=len(body)), body)


def assert_refused(received: bytes, status: int, words: str = "") -> None:
    assert received.startswith(f"HTTP/1.1 {status} ".encode()), received[:500]
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == status
    assert words in problem["detail"]


def make_png(width: int, height: int, note: bytes = b"") -> bytes:
    """A black PNG that says it has this size, with a note that is stored compressed."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"zTXt", b"note\0\0" + zlib.compress(note, 1))]
    chunks += [(b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def make_tensor(shape: list[int], data: object) -> bytes:
    given = {"name": "image", "datatype": "FP32", "shape": shape, "data": data}
    return json.dumps({"inputs": [given]}).encode()


BODIES: dict[str, Callable[[], tuple[str, bytes, dict[str, str], int, str]]] = {
    "a gzip bomb": lambda: (
        RECOGNISE,
        GZIP_BOMB,
        {**JPEG, "Content-Encoding": "gzip"},
        413,
        "too long inflated",
    ),
    "a gzip bomb for the protocol": lambda: (
        INFER,
        GZIP_BOMB,
        {**JSON, "Content-Encoding": "gzip"},
        413,
        "too long inflated",
    ),
    "a photo of a thousand megapixels": lambda: (
        RECOGNISE,
        make_png(40_000, 25_000),
        {"Content-Type": "image/png"},
        422,
        "too large",
    ),
    "a photo with a note of 100 MB": lambda: (
        RECOGNISE,
        make_png(64, 64, bytes(100 << 20)),
        {"Content-Type": "image/png"},
        422,
        "photo",
    ),
    "no byte": lambda: (RECOGNISE, b"", JPEG, 422, "no bytes"),
    "no byte of JSON": lambda: (CHECK, b"", JSON, 400, "no JSON"),
    "another type": lambda: (RECOGNISE, RED, {"Content-Type": "video/mp4"}, 415, "allowed are"),
    "a form for JSON": lambda: (
        REPORTS,
        b"a=1",
        {"Content-Type": "application/x-www-form-urlencoded"},
        415,
        "allowed is application/json",
    ),
    "JSON a thousand levels deep": lambda: (
        CHECK,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        JSON,
        400,
        "nested too deeply",
    ),
    "lists 300,000 levels deep": lambda: (CHECK, b"[" * 300_000, JSON, 400, "nested too deeply"),
    "the protocol's JSON so deep": lambda: (INFER, b"[" * 300_000, JSON, 400, "nested too deeply"),
    "a correction so deep": lambda: (CORRECTIONS, b"[" * 300_000, JSON, 400, "nested too deeply"),
    "a shape that lies": lambda: (
        INFER,
        make_tensor([1, SIDE_PX, SIDE_PX, 3], [0.0] * 7),
        JSON,
        400,
        "given are 7",
    ),
    "a shape beyond all memory": lambda: (
        INFER,
        make_tensor([1 << 62, SIDE_PX, SIDE_PX, 3], [0.0]),
        JSON,
        400,
        "of N from 1 to 16",
    ),
    "pixels that are no numbers": lambda: (
        INFER,
        make_tensor([1, SIDE_PX, SIDE_PX, 3], [float("nan")] * (3 * SIDE_PX * SIDE_PX)),
        JSON,
        400,
        "NaN is no JSON number",
    ),
    "a number of a million digits": lambda: (
        CHECK,
        b'{"free_bytes": ' + b"9" * 1_000_000 + b"}",
        JSON,
        400,
        "",
    ),
    "an unknown version": lambda: (f"{RECOGNISE}?version=9.9.9", RED, JPEG, 404, "published are"),
    "a form of ten thousand fields": lambda: (
        RECOGNISE,
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(10_000)
        )
        + b"--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
        413,
        "too long",
    ),
    "a body over the limit": lambda: (
        RECOGNISE,
        bytes(LIMIT_BYTES + 1),
        JPEG,
        413,
        "allowed are",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_a_problem_and_the_next_request_served(address: str, name: str) -> None:
    path, body, headers, status, words = BODIES[name]()
    assert_refused(post(address, path, body, headers), status, words)


@pytest.mark.parametrize("path", [RECOGNISE, CHECK, REPORTS, CORRECTIONS, INFER])
def test_a_body_without_an_end_is_cut(address: str, path: str) -> None:
    kind = "image/jpeg" if path == RECOGNISE else "application/json"
    head = make_head(path, Content_Type=kind, Transfer_Encoding="chunked")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    allowed = [chunk] * (LIMIT_BYTES // 0x10000)
    # Who sends on and on finds the connection closed at last.
    received = send(address, head, *allowed, chunk)
    assert_refused(received, 413, f"allowed are {LIMIT_BYTES} bytes")
    whole = send(address, head, *allowed, b"0\r\n\r\n")
    assert_refused(whole, 422 if path == RECOGNISE else 400)
    assert send(address, head, *[chunk] * 640).count(b"HTTP/1.1") <= 1


def test_a_body_without_an_end_for_nobody_is_cut_too(address: str) -> None:
    head = make_head("/v1/nowhere", Content_Type="image/jpeg", Transfer_Encoding="chunked")
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(head + b"4\r\nabcd\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 404")
        with pytest.raises(OSError, match=r"reset|Broken pipe|timed out") as caught:
            for _ in range(10_000):
                connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        assert not isinstance(caught.value, TimeoutError)


def test_what_a_large_photo_took_of_memory_is_given_back(served: tuple[str, int]) -> None:
    address, pid = served
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 3000)).save(buffer, "PNG")
    ask(address + RECOGNISE, RED, Content_Type="image/jpeg")
    before = read_resident_bytes(pid)
    for _ in range(2):
        assert ask(address + RECOGNISE, buffer.getvalue(), Content_Type="image/png").status == 200
    assert read_peak_bytes(pid) > before + MOST_GROWTH_BYTES
    assert read_resident_bytes(pid) - before < MOST_GROWTH_BYTES // 2


def read_resident_bytes(pid: int) -> int:
    """Returns what the server's processes hold now, in sum."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(read_status(child, "VmRSS:") for child in children)


KINDS = [
    (RECOGNISE, "image/jpeg"),
    (RECOGNISE, "multipart/form-data; boundary=b"),
    (CHECK, "application/json"),
    (REPORTS, "application/json"),
    (CORRECTIONS, "application/json"),
    (CORRECTIONS, "multipart/form-data; boundary=b"),
    (INFER, "application/json"),
]


@pytest.mark.parametrize(("path", "kind"), KINDS)
@pytest.mark.parametrize("chunks", [b"zz\r\nabc", b"3\r\nabcXX\r\n"], ids=["size", "end"])
def test_chunks_that_are_none_are_a_problem_and_end_the_connection(
    address: str, path: str, kind: str, chunks: bytes
) -> None:
    head = make_head(path, Content_Type=kind, Transfer_Encoding="chunked")
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(head + chunks)
        assert_refused(read_answer(connection), 400, "no chunks of HTTP")
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


@pytest.mark.parametrize(("path", "kind"), KINDS)
def test_a_slow_sender_is_told_so(address: str, path: str, kind: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(make_head(path, Content_Type=kind, Content_Length=5000) + b"{")
        assert_refused(read_answer(connection), 408, "within 1 s")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (make_head("/" + "a" * 9000, "GET"), 414),
        (make_head("/livez", "GET", X_Long="a" * 100_000), 431),
        (b"GARBAGE\r\n\r\n", 400),
        (make_head(CHECK, Content_Length="-1"), 400),
        (make_head(CHECK, Content_Length="5", Transfer_Encoding="chunked") + b"0\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Name: x\r\n\r\n", 400),
    ],
    ids=["address", "head", "garbage", "negative", "smuggled", "name"],
)
def test_what_is_no_request_is_a_problem_too(
    address: str, request_bytes: bytes, status: int
) -> None:
    assert_refused(send(address, request_bytes), status)


def test_the_process_that_forks_has_loaded_no_runtime(served: tuple[str, int]) -> None:
    _, pid = served
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert "litert" in Path(f"/proc/{children[0]}/maps").read_text()
    assert "litert" not in Path(f"/proc/{pid}/maps").read_text()
