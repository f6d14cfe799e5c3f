"""Digest fields (RFC 9530): hashes of what is sent, and of what came.

`Repr-Digest` is of the whole representation as it is sent, compressed where it is, also with a part
of it, a HEAD and a 304. `Content-Digest` is of the bytes of this very message. For a request's body
and a whole answer both are the same.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence

from serving.errors import DigestError

# Those that the RFC calls active; it calls all others insecure.
SHA256, SHA512 = "sha-256", "sha-512"
ALGORITHMS = (SHA256, SHA512)
# Members of a dictionary of structured fields (RFC 9651, 3.2) whose values are byte sequences, or
# integers; parameters are allowed and mean nothing here.
_KEY = r"[ \t]*([a-z*][a-z0-9_.*-]*)"
_PARAMETERS = r"(?:;[^,:\"]*)?[ \t]*"
_BYTES_MEMBER = re.compile(rf"{_KEY}=:([A-Za-z0-9+/=]*):{_PARAMETERS}")
_NUMBER_MEMBER = re.compile(rf"{_KEY}=(\d{{1,2}}){_PARAMETERS}")
_MOST = 10


def format_digest(algorithm: str, digest: bytes) -> str:
    """Returns the value of a digest field."""
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


def digest(algorithm: str, data: bytes) -> bytes:
    """Returns the hash of some bytes."""
    found = new_hash(algorithm)
    found.update(data)
    return found.digest()


def new_hash(algorithm: str) -> "hashlib._Hash":
    """Returns a new hash of one of `ALGORITHMS`."""
    return hashlib.new(algorithm.replace("-", ""))


def choose_algorithm(wanted: str | None, offered: Sequence[str] = ALGORITHMS) -> str | None:
    """Returns the algorithm that a client likes best, or None where it likes none of these.

    Args:
        wanted: the value of `Want-Repr-Digest` or `Want-Content-Digest`: algorithms with 1 to 10
            for how much they are liked, and 0 for not at all. Without one, or where it cannot be
            read, the first that is offered.
        offered: of `ALGORITHMS`.
    """
    members = [] if wanted is None else [_NUMBER_MEMBER.fullmatch(x) for x in wanted.split(",")]
    liked = {found[1]: int(found[2]) for found in members if found and int(found[2]) <= _MOST}
    if not members or len(liked) < len(members):
        return offered[0]
    best = max(offered, key=lambda name: liked.get(name, 0))  # the first of equals
    return best if liked.get(best, 0) > 0 else None


def read_digests(field: str, value: str | None) -> Mapping[str, bytes]:
    """Returns the hashes of a digest field, by the algorithms that are known here.

    Args:
        field: its name.
        value: None where there is none.

    Raises:
        DigestError: malformed, or a hash of another length than its algorithm's.
    """
    found: dict[str, bytes] = {}
    if value is None:
        return found
    for member in value.split(","):
        match = _BYTES_MEMBER.fullmatch(member)
        if match is None:
            raise DigestError(
                f"{field} is {value[:200]!r}: allowed is a list as in sha-256=:<base64>:"
            )
        algorithm, text = match[1], match[2]
        if algorithm in ALGORITHMS:
            found[algorithm] = _read_hash(field, algorithm, text)
    return found


def _read_hash(field: str, algorithm: str, text: str) -> bytes:
    size_bytes = new_hash(algorithm).digest_size
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise DigestError(f"{field}: {algorithm} is no base64: {error}") from error
    if len(found) != size_bytes:
        raise DigestError(f"{field}: {algorithm} has {size_bytes} bytes: given are {len(found)}")
    return found
