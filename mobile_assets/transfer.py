"""HTTP of the Python client: downloads that go on where they broke off, and questions in JSON."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError, ProtocolError, TimeoutError

from mobile_assets.api_key import KeyedConnections

USER_AGENT = "ghostlens"
# A connection that breaks again and again is left to the next call, which goes on as well.
_MAX_ATTEMPTS = 4
_PIECE_BYTES = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-", re.ASCII)
_PARTIAL = 206


class Transfer(Urllib3Fetcher):
    """Fetches as TUF's own fetcher does, and besides keeps what came before a connection broke.

    Attributes:
        received_bytes: of all files that `complete` fetched, tries that failed included.
    """

    def __init__(self, timeout_s: int, base_url: str = "", api_key: str | None = None) -> None:
        """Opens no connection yet.

        Args:
            timeout_s: longest wait for a connection, and between two pieces of an answer.
            base_url: the server that `api_key` is for; others never see it.
            api_key: what that server asks for, if anything.

        Raises:
            PullError: the key cannot be one.
        """
        super().__init__(timeout_s, app_user_agent=USER_AGENT)
        if api_key is not None:
            self._proxy_env: Any = KeyedConnections(self._proxy_env, USER_AGENT, api_key, base_url)
        self.received_bytes = 0

    def complete(self, url: str, partial: Path, size_bytes: int) -> None:
        """Fetches what a file lacks (RFC 9110, section 14). The caller verifies it.

        Args:
            url: of a file whose content never changes.
            partial: what there is of it; afterwards all that the server sent.
            size_bytes: of the whole.

        Raises:
            DownloadError: the server refuses, falls silent, or sends more than the whole.
            HTTPError: the connection broke; what came is kept.
            OSError: the file cannot be written; what came is removed, as the disk may be full.
        """
        for attempt in range(_MAX_ATTEMPTS):
            before_bytes = count_bytes(partial)
            try:
                self._fetch_rest(url, partial, size_bytes)
                return
            except HTTPError:
                if count_bytes(partial) <= before_bytes or attempt == _MAX_ATTEMPTS - 1:
                    raise
            except (OSError, DownloadLengthMismatchError):
                partial.unlink(missing_ok=True)
                raise

    def ask(self, url: str, question: dict[str, Any], max_bytes: int) -> bytes:
        """Posts JSON and returns the answer's bytes.

        Raises:
            DownloadError: the server refuses, falls silent, or answers at too great length.
            HTTPError: it is unreachable, or the connection broke.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        response = self._request("POST", url, headers, json.dumps(question).encode())
        answer = b""
        for chunk in self._chunks(response):
            answer += chunk
            if len(answer) > max_bytes:
                response.close()
                raise DownloadLengthMismatchError(f"{url} answers with over {max_bytes} bytes")
        return answer

    def _fetch_rest(self, url: str, partial: Path, size_bytes: int) -> None:
        start = count_bytes(partial)
        if start == size_bytes and partial.exists():
            return
        headers = {}
        if 0 < start < size_bytes:
            # No If-Range: the address names the content, and caches and object storage have entity
            # tags of their own.
            headers = {"Range": f"bytes={start}-"}
        response = self._request("GET", url, headers)
        goes_on = response.status == _PARTIAL
        if goes_on:
            _check_part(response, start, partial)
        total = start if goes_on else 0
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab" if goes_on else "wb") as file:
            for chunk in _pieces(response):
                total += len(chunk)
                self.received_bytes += len(chunk)
                if total > size_bytes:
                    response.close()
                    raise DownloadLengthMismatchError(f"{url} has more than {size_bytes} bytes")
                file.write(chunk)

    def _request(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> BaseHTTPResponse:
        # Bytes are counted and hashed as they are stored, and a part of a compressed answer is
        # no part of the file.
        own = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        response: BaseHTTPResponse = self._proxy_env.request(
            method,
            url,
            headers=own | headers,
            body=body,
            preload_content=False,
            timeout=Timeout(self.socket_timeout),
        )
        if response.status >= 400:
            response.close()
            raise DownloadHTTPError(f"{url} answers {response.status}", response.status)
        return response


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Gives bytes as they come: a read of a fixed length loses what came before a break."""
    left = response.headers.get("Content-Length", "")
    left_bytes = int(left) if left.isdecimal() else 0
    try:
        while piece := response.read1(_PIECE_BYTES, decode_content=False):
            left_bytes -= len(piece)
            yield piece
    except TimeoutError as error:
        raise SlowRetrievalError from error
    finally:
        response.release_conn()
    if left_bytes > 0:
        raise ProtocolError(f"{left_bytes} bytes are missing at the end")


def count_bytes(path: Path) -> int:
    """Returns the length of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_part(response: BaseHTTPResponse, start: int, partial: Path) -> None:
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if not start or found is None or int(found[1]) != start:
        response.close()
        partial.unlink(missing_ok=True)
        raise ProtocolError(f"another part came than from byte {start}")
