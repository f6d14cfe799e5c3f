"""What a key looks like: `ghl_<id>_<secret><checksum>`.

The prefix lets secret scanners find keys that slipped into a repository, the id names a key in
lists and logs without giving it away, and the checksum tells a mistyped key without a look into the
database. A secret has 190 random bits: nobody can try them out, so that its SHA-256 keeps it as
safe as a slow hash, which passwords need because people choose them, and costs no request anything.
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "ghl"
_ID_CHARS, _SECRET_CHARS, _CHECKSUM_CHARS = 8, 32, 6
_ID_ALPHABET = string.digits + string.ascii_lowercase
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PATTERN = f"{PREFIX}_([0-9a-z]{{{_ID_CHARS}}})_[0-9A-Za-z]{{{_SECRET_CHARS + _CHECKSUM_CHARS}}}"
_TOKEN = re.compile(_PATTERN, re.ASCII)
# Also one that was cut, or runs into other text.
_BEGIN = f"{PREFIX}_"
_ANYWHERE = re.compile(f"({_BEGIN}[0-9a-z]{{{_ID_CHARS}}}_)[0-9A-Za-z]+", re.ASCII)


def make_id() -> str:
    """Returns a new key's id."""
    return _choose(_ID_ALPHABET, _ID_CHARS)


def make_token(key_id: str) -> str:
    """Returns a new token of a key; it is shown once and kept nowhere."""
    begin = f"{PREFIX}_{key_id}_{_choose(_ALPHABET, _SECRET_CHARS)}"
    return begin + _sum_up(begin)


def read_id(token: str) -> str | None:
    """Returns the id of the key that a token says to be of, or None where it cannot be one."""
    found = _TOKEN.fullmatch(token)
    if found is None or _sum_up(token[:-_CHECKSUM_CHARS]) != token[-_CHECKSUM_CHARS:]:
        return None
    return found[1]


def hash_token(token: str) -> str:
    """Returns what is kept of a token: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def hide_tokens(text: str) -> str:
    """Returns text with the secrets of all tokens in it left out; the ids stay."""
    # Nearly all text has none, and each line of the log is looked through.
    return _ANYWHERE.sub(r"\1...", text) if _BEGIN in text else text


def _choose(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _sum_up(text: str) -> str:
    """Returns the CRC-32 of text in the digits of our alphabet."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_CHARS):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
