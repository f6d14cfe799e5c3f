"""Deltas: a new file, compressed with the old one as dictionary (RFC 8878, zstd raw content).

Weights that did not change are found in the old file; weights that were trained on are not, since
nearly every float differs a little. docs/releases.md says where deltas save more than half.
"""

import io
from pathlib import PurePosixPath

import zstandard

from mobile_assets.errors import DeltaError
from training.files import sha256_bytes

DELTAS_FOLDER = "deltas"
# The largest window that zstd's decoders take without being asked (ZSTD_WINDOWLOG_LIMIT_DEFAULT,
# 27 bits): the dictionary is in reach only while the window covers it.
MAX_DELTA_FILE_BYTES = 1 << 27
# Enough to tell the few versions that deltas are made from apart; the whole hash is signed.
_FROM_DIGITS = 16
# Level 19 takes ten times as long and saves one to two per cent more on model files.
_LEVEL = 12
# Two tables of 256 MiB, for files from 64 MiB on.
_MOST_TABLE_LOG = 26
# The smallest window of the format.
_LEAST_WINDOW_BYTES = 1 << 10


def delta_path(model: str, version: str, path: str, from_sha256: str) -> str:
    """Returns the target path of the delta to a file of a version.

    Args:
        model: name of the model.
        version: the one that the delta leads to.
        path: of the new file in its bundle.
        from_sha256: of the old file, 64 hexadecimal digits.
    """
    name = f"{from_sha256[:_FROM_DIGITS]}-{PurePosixPath(path).name}.zst"
    return f"{model}/{version}/{DELTAS_FOLDER}/{name}"


def can_have_delta(old_bytes: int, new_bytes: int) -> bool:
    """Tells whether files of these sizes are small enough for a delta."""
    return max(old_bytes, new_bytes) <= MAX_DELTA_FILE_BYTES


def make_delta(old: bytes, new: bytes) -> bytes:
    """Makes the delta that leads from one file to another.

    Raises:
        DeltaError: a file is longer than `MAX_DELTA_FILE_BYTES`.
    """
    _check_sizes(len(old), len(new))
    table_log = min(_find_window_log(len(old) + len(new)) - 1, _MOST_TABLE_LOG)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=len(new),
        dict_size=len(old),
        window_log=_find_window_log(len(old) + len(new)),
        # The level's own tables forget most of a dictionary of many megabytes.
        hash_log=table_log,
        chain_log=table_log,
        write_content_size=True,
        write_checksum=False,
    )
    compressor = zstandard.ZstdCompressor(
        dict_data=_make_dictionary(old), compression_params=parameters
    )
    return compressor.compress(new)


def apply_delta(old: bytes, delta: bytes, sha256: str, size_bytes: int) -> bytes:
    """Makes the new file from the old one, and checks it.

    What the delta says of itself is not believed: memory and output are bounded by the signed size.

    Args:
        old: bytes of the old file.
        delta: what `make_delta` made, or somebody who wants harm.
        sha256: signed hash of the new file, 64 hexadecimal digits.
        size_bytes: its signed length.

    Raises:
        DeltaError: the delta is damaged or of another old file, or a file is longer than
            `MAX_DELTA_FILE_BYTES`.
    """
    _check_sizes(len(old), size_bytes)
    decompressor = zstandard.ZstdDecompressor(
        dict_data=_make_dictionary(old), max_window_size=max(size_bytes, _LEAST_WINDOW_BYTES)
    )
    try:
        with decompressor.stream_reader(io.BytesIO(delta)) as reader:
            new = reader.read(size_bytes + 1)
    except (zstandard.ZstdError, MemoryError) as error:
        raise DeltaError(f"the delta to {sha256} is damaged: {error}") from None
    if len(new) != size_bytes or sha256_bytes(new) != sha256:
        raise DeltaError(f"the delta leads to another file than {sha256} of {size_bytes} bytes")
    return new


def _make_dictionary(old: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _find_window_log(size_bytes: int) -> int:
    return max(size_bytes.bit_length(), _LEAST_WINDOW_BYTES.bit_length() - 1)


def _check_sizes(old_bytes: int, new_bytes: int) -> None:
    if not can_have_delta(old_bytes, new_bytes):
        raise DeltaError(
            f"a delta between files of {old_bytes} and {new_bytes} bytes: allowed are "
            f"{MAX_DELTA_FILE_BYTES}"
        )
