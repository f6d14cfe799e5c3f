"""Which devices a staged rollout includes: by a hash, so that no list of devices is kept.

Each device falls into one of 2^32 buckets for each salt. The share includes the buckets below it,
so that raising it only ever adds devices, and each rollout has a salt of its own, so that it is
not always the same devices that go first.
"""

import re

from training.files import sha256_bytes

WHOLE_SHARE_BP = 10_000
SALT = re.compile(r"[0-9a-f]{32}")
_HEX_DIGITS = 8  # of the first four bytes
_BUCKETS = 1 << 32


def find_bucket(salt: str, device_id: str) -> int:
    """Returns a device's bucket, 0 to 2^32 - 1.

    It is the first four bytes, big-endian, of the SHA-256 of the salt, a colon, and the id, in
    UTF-8.
    """
    return int(sha256_bytes(f"{salt}:{device_id}".encode())[:_HEX_DIGITS], 16)


def is_included(salt: str, device_id: str | None, share_bp: int) -> bool:
    """Returns whether a rollout includes a device.

    Both sides of the comparison stay below 2^46, so it is exact in JavaScript too.

    Args:
        salt: the rollout's, 32 hexadecimal digits.
        device_id: any text that stays the same for a device; without one it is never included.
        share_bp: how many of 10,000 devices, 0 to 10,000.
    """
    if not device_id:
        return False
    return find_bucket(salt, device_id) * WHOLE_SHARE_BP < share_bp * _BUCKETS
