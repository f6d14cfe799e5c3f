"""Where a request carries its key: a header, never its address."""

from flask import request

from serving.access.origins import comes_from_allowed_page
from serving.access.tokens import PREFIX, hide_tokens
from serving.errors import KeyNeededError, RequestError
from serving.settings import Settings

_API_KEY = "HTTP_X_API_KEY"


def read_token(settings: Settings) -> str | None:
    """Returns what the request at hand carries as its key, or None.

    That is `Authorization: Bearer`, `X-API-Key`, or the password of `Authorization: Basic`, which
    is how browsers ask people; what they then add by themselves to each request only counts for
    reading, or from pages of our own.

    Raises:
        RequestError: a key stands in the address, where every proxy's log keeps it.
        KeyNeededError: the header holds something else.
    """
    api_key: str | None = request.environ.get(_API_KEY)
    asked = f"{request.path}?{request.query_string.decode(errors='replace')}"
    if hide_tokens(asked) != asked:
        raise RequestError(
            "a key stands in the address, which logs keep: revoke it, and send keys in a header"
        )
    if "HTTP_AUTHORIZATION" not in request.environ:
        return api_key
    found = request.authorization
    if found is not None and found.type == "basic":
        password = found.password or ""
        # Somebody else's password, as of a proxy that asks for one itself, is not for us.
        if password.startswith(f"{PREFIX}_"):
            return password if comes_from_allowed_page(settings.cors_origins) else None
        return api_key
    if found is None or found.type != "bearer" or not found.token:
        raise KeyNeededError(
            "the header Authorization has no form that is taken: allowed is `Bearer <key>`",
            is_wrong=True,
        )
    return found.token
