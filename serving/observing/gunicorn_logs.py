"""What gunicorn itself has to say goes through the same formatter, without what is secret."""

import sys
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

_MALFORMED = "Invalid request from ip="


class GunicornLogger(Logger):  # type: ignore[misc]
    """Hands gunicorn's events to the loggers of the server; requests are logged by the app."""

    def setup(self, cfg: Any) -> None:
        """Takes no handlers of its own."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel(cfg.loglevel.upper())

    def access(self, *_: Any) -> None:
        """Logs nothing; see `serving.observing.requests`."""

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Logs a warning."""
        if msg.startswith(_MALFORMED):
            # It quotes the line that it could not read, which may hold a key, and the address.
            msg = "a request that is not HTTP was refused"
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Logs an exception; of addresses that are named in it the query is left out.

        A client that was silent for too long within a request's head is none.
        """
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.debug("a client was silent for too long")
            return
        shown = [arg.partition("?")[0] if isinstance(arg, str) else arg for arg in args]
        super().exception(msg, *shown, **kwargs)
