"""The API key of a client: sent to the server that it is for, and to nobody else."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from mobile_assets.errors import PullError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

KEY_VARIABLE = "GHOSTLENS_API_KEY"
_PORTS = {"http": 80, "https": 443}
_MOST_CHARS = 4096
# Not as text on the command line, where everybody on the machine can read it.
API_KEY_FILE = click.option(
    "--api-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The API key, where the server asks for one. Default: the variable {KEY_VARIABLE}.",
)


class KeyedConnections:
    """Connections that carry a key to one origin alone; also where that redirects elsewhere."""

    def __init__(self, connections: Any, user_agent: str, api_key: str, base_url: str) -> None:
        """Remembers whom the key is for.

        Raises:
            PullError: the key has characters that no header can have; it is not repeated.
        """
        if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise PullError("the API key has characters that none has: is it whole?")
        self._connections, self._origin = connections, _find_origin(base_url)
        self._headers = {"User-Agent": user_agent}
        self._key = {"Authorization": f"Bearer {api_key}"}

    def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, **given: Any
    ) -> "BaseHTTPResponse":
        """Asks; see `urllib3.PoolManager.request`, which drops the key where it is redirected."""
        own = self._headers | (headers or {})
        if _find_origin(url) == self._origin:
            own |= self._key
        response: BaseHTTPResponse = self._connections.request(method, url, headers=own, **given)
        return response


def read_api_key(file: Path | None) -> str | None:
    """Returns the key in a file, or else in the environment; None where there is none.

    Raises:
        PullError: the file cannot be read.
    """
    if file is None:
        return os.environ.get(KEY_VARIABLE, "").strip() or None
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_MOST_CHARS).strip() or None
    except (OSError, UnicodeDecodeError):
        raise PullError(f"cannot read the API key in {file}") from None


def _find_origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
