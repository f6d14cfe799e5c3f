"""Another server of the Open Inference Protocol, which answers well until it is told otherwise."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from conversion.runners import LiteRtRunner
from tests.mobile_assets.builds import SIDE_PX

LENGTH = "Inference-Header-Content-Length"
TENSORS = {
    "name": "colours",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, SIDE_PX, SIDE_PX, 3]}],
    "outputs": [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "known_score", "datatype": "FP32", "shape": [-1, 1]},
    ],
}
Change = Callable[[dict[str, Any]], None]


class FakeRemote:
    """Runs one version of a model.

    Attributes:
        tensors: its metadata.
        change: what it does to each answer before that is sent.
        behave: what it does in place of answering; gets the handler of the request.
        asked: requests for answers so far.
        keys: what came as `Authorization`.
        closing: set at the end, so that nobody hangs for ever.
    """

    def __init__(self, tflite: bytes) -> None:
        self._runner = LiteRtRunner(tflite)
        self._lock = threading.Lock()
        self.tensors: dict[str, Any] = TENSORS
        self.change: Change | None = None
        self.behave: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.asked = 0
        self.keys: list[str | None] = []
        self.closing = threading.Event()

    def answer(self, body: bytes, header_length: int) -> bytes:
        table = json.loads(body[:header_length])
        shape = table["inputs"][0]["shape"]
        x_nhwc = np.frombuffer(body[header_length:], "<f4").reshape(shape)
        with self._lock:
            self.asked += 1
            given = self._runner.answer_floats(x_nhwc)
        answer: dict[str, Any] = {
            "model_name": "colours",
            "model_version": "1.1.0",
            "outputs": [
                {
                    "name": "probabilities",
                    "datatype": "FP32",
                    "shape": [len(given), 3],
                    "data": given.probabilities.ravel().tolist(),
                },
                {
                    "name": "known_score",
                    "datatype": "FP32",
                    "shape": [len(given), 1],
                    "data": given.known_scores.tolist(),
                },
            ],
        }
        if self.change is not None:
            self.change(answer)
        return json.dumps(answer).encode()


@contextmanager
def serve_remote(remote: FakeRemote) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(json.dumps(remote.tensors).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            remote.keys.append(self.headers["Authorization"])
            if remote.behave is not None:
                remote.behave(self)
                self.close_connection = True
                return
            self._send(remote.answer(body, int(self.headers[LENGTH])))

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        remote.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
