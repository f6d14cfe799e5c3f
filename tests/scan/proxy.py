"""What can lie between a page and its server: it cuts, changes, and replaces what is sent."""

import http.client
import http.server
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

_BEFORE_CUT_S = 0.3
_HOP = {"connection", "keep-alive", "transfer-encoding"}

# Of an address's path and the body that was sent: the one to send instead.
Change = Callable[[str, bytes], bytes]


@dataclass(frozen=True)
class Asked:
    """A request, and the part of the file that it asked for; empty where it asked for all."""

    path: str
    range: str


@dataclass
class Proxy:
    """Hands requests on to a server, as a page of whose own origin it is asked.

    Attributes:
        url: where it listens.
        cut_at_bytes: breaks answers off whose path holds the text, as long as it stands here.
        changes: changes the bodies of answers whose path holds the text.
        dropped: names of fields, in small letters, that answers lose.
        host: the name that the server is asked under; empty for this proxy's own. A server that
            is asked under another name than its machine's own wants keys.
        asked: what was asked.
        sent_bytes: of the bodies that were sent, by path; compressed where the browser takes that.
    """

    upstream: str
    url: str = ""
    cut_at_bytes: dict[str, int] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    host: str = ""
    asked: list[Asked] = field(default_factory=list)
    sent_bytes: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        """Lets everything through from now on."""
        self.cut_at_bytes.clear()
        self.changes.clear()
        self.dropped.clear()
        self.host = ""
        self.asked.clear()

    def find(self, text: str) -> list[Asked]:
        """Returns the requests whose path holds a text."""
        return [asked for asked in self.asked if text in asked.path]

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listens until the block ends."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, proxy: Proxy, *arguments: object) -> None:
        self.proxy = proxy
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.proxy.asked.append(Asked(self.path, self.headers.get("Range", "")))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=60)
        headers = {name: text for name, text in self.headers.items() if name.lower() not in _HOP}
        changes = [change for text, change in self.proxy.changes.items() if text in self.path]
        if self.proxy.host:
            headers["Host"] = self.proxy.host
        if changes:
            headers.pop("Accept-Encoding", None)
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        for change in changes:
            data = change(self.path, data)
        self.proxy.sent_bytes[self.path] += len(data)
        self._send(answer, data)

    def do_POST(self) -> None:
        self.do_GET()

    def do_OPTIONS(self) -> None:
        self.do_GET()

    def _send(self, answer: http.client.HTTPResponse, data: bytes) -> None:
        self.send_response_only(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in {*_HOP, *self.proxy.dropped, "content-length"}:
                self.send_header(name, text)
        if answer.status != http.HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        cuts = [size for text, size in self.proxy.cut_at_bytes.items() if text in self.path]
        self.wfile.write(data[: min(cuts)] if cuts else data)
        if cuts:
            # A browser forgets what came in the same moment as the end.
            time.sleep(_BEFORE_CUT_S)
        # HTTP/1.0: the connection ends here, also where the length promised more.
