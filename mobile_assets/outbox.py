"""What a Python app tells the server waits in files until that takes it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from urllib3.exceptions import HTTPError

from mobile_assets.transfer import Transfer

_MAX_ANSWER_BYTES = 1 << 20
# Asked too often or too slowly, or with a key that counts no more: the app may get another one.
_LATER = (401, 403, 408, 429)


def send_waiting(
    transfer: Transfer,
    url: str,
    waiting: Iterable[Path],
    read: Callable[[Path], dict[str, Any] | None],
) -> int:
    """Sends what waits, in turn; what the server did not take waits for the next time.

    What it refuses for good is dropped, and so is what is damaged, or is not to be sent.

    Args:
        transfer: what asks.
        url: where to.
        waiting: the files, the oldest first.
        read: gives what is sent of a file, or None where nothing is.

    Returns:
        How many the server took.
    """
    sent = 0
    for path in waiting:
        try:
            body = read(path)
            if body is not None:
                transfer.ask(url, body, _MAX_ANSWER_BYTES)
                sent += 1
        except DownloadHTTPError as error:
            if error.status_code >= 500 or error.status_code in _LATER:
                return sent
        except (DownloadError, HTTPError):
            return sent
        except (OSError, ValueError, AttributeError, TypeError, KeyError):
            pass  # damaged
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return sent
