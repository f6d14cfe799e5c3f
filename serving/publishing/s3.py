"""A repository in S3-compatible object storage, for any CDN to serve; needs the extra `s3`.

A PUT is whole or absent by itself. Publishers are kept apart by conditional writes (`If-None-Match`
and `If-Match` of PutObject), which the storage must honour: Amazon S3, MinIO, Ceph, R2 do.
Credentials come from where boto3 looks for them: environment, profile, or the machine's role.
"""

import base64
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn, Self, cast
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serving.errors import ConflictError, RepositoryError, SettingsError
from serving.publishing.objects import (
    Content,
    Status,
    check_name,
    find_cache_control,
    find_content_type,
)
from training.errors import StorageError
from training.files import sha256_bytes

_OPTIONS = ("endpoint", "region")
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
# Each look at the storage costs a request; a release may be seen some seconds later.
_LOOK_AGAIN_S = 5.0
# The longest object that one PutObject takes.
_MAX_OBJECT_BYTES = 5 << 30
_TRIED, _NO_TAG = "conditions.txt", '"0"'
_NOT_FOUND = {"404", "NoSuchKey", "NotFound"}
# 409: the storage could not tell which of two writes came first, and refused this one.
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


class S3Bucket:
    """A repository below a prefix of a bucket. Safe to use from several threads."""

    look_again_s = _LOOK_AGAIN_S

    def __init__(
        self, bucket: str, prefix: str = "", endpoint: str | None = None, region: str | None = None
    ) -> None:
        """Makes a client; nothing is asked yet.

        Args:
            bucket: name of the bucket, which must exist.
            prefix: what stands before each name, without slashes at the ends.
            endpoint: URL of the storage; Amazon's own when not given.
            region: where the bucket lies; what boto3 is configured for when not given.

        Raises:
            SettingsError: the endpoint is malformed.
        """
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",
        )
        try:
            self._client: Any = boto3.Session().client(
                "s3", endpoint_url=endpoint, region_name=region, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise SettingsError(f"the storage {self.describe()}: {error}") from None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Opens `s3://bucket/prefix?endpoint=https://…&region=…`; all but the bucket is optional.

        What is not given comes from where boto3 looks for it: `AWS_ENDPOINT_URL_S3`,
        `AWS_DEFAULT_REGION`, the profile.

        Raises:
            SettingsError: the address is malformed.
        """
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        unknown = sorted(set(options) - set(_OPTIONS))
        if parts.scheme != "s3" or not parts.netloc or unknown or parts.fragment:
            raise SettingsError(
                f"{url!r} is no address of a storage: allowed is s3://bucket/prefix, with "
                f"{' and '.join(_OPTIONS)} after a question mark"
            )
        given = {name: values[-1] for name, values in options.items()}
        return cls(parts.netloc, parts.path.strip("/"), given.get("endpoint"), given.get("region"))

    def describe(self, name: str = "") -> str:
        """Returns an object's address."""
        return f"s3://{self._bucket}/{self._prefix}{name}".rstrip("/")

    def read(self, name: str, max_bytes: int) -> Content | None:
        """Returns an object's bytes; see `Objects`."""
        with self._translating(name):
            answer = self._find(self._client.get_object, name)
            if answer is None:
                return None
            size_bytes = answer["ContentLength"]
            if size_bytes > max_bytes:
                answer["Body"].close()
                raise RepositoryError(
                    f"{self.describe(name)} has {size_bytes} bytes: allowed are {max_bytes}"
                )
            return Content(answer["Body"].read(), answer["ETag"])

    def write(self, name: str, data: bytes) -> None:
        """Writes an object; see `Objects`."""
        self._put(name, data)

    def create(self, name: str, data: bytes) -> None:
        """Writes an object that is not there; see `Objects`."""
        self._put(name, data, IfNoneMatch="*")

    def replace(self, name: str, data: bytes, tag: str) -> None:
        """Replaces an object that did not change; see `Objects`."""
        self._put(name, data, IfMatch=tag)

    def find_status(self, name: str) -> Status | None:
        """Returns an object's length and tag; see `Objects`."""
        with self._translating(name):
            answer = self._find(self._client.head_object, name)
        return None if answer is None else Status(answer["ContentLength"], answer["ETag"])

    def holds(self, name: str, sha256: str) -> bool:
        """Compares with the checksum that the storage computed; see `Objects`."""
        with self._translating(name):
            answer = self._find(self._client.head_object, name, ChecksumMode="ENABLED")
        if answer is None:
            return False
        checksum = answer.get("ChecksumSHA256")
        if checksum is not None:
            return bool(checksum == base64.b64encode(bytes.fromhex(sha256)).decode())
        content = self.read(name, _MAX_OBJECT_BYTES)
        return content is not None and sha256_bytes(content.data) == sha256

    def list_sizes(self, folder: str) -> dict[str, int]:
        """Returns the objects below a folder; see `Objects`."""
        prefix = f"{self._prefix}{check_name(folder)}/"
        with self._translating(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            entries = [entry for page in pages for entry in page.get("Contents", ())]
        return {
            entry["Key"].removeprefix(self._prefix): entry["Size"]
            for entry in sorted(entries, key=lambda entry: str(entry["Key"]))
        }

    def remove(self, name: str) -> None:
        """Removes an object; see `Objects`."""
        with self._translating(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._find_key(name))

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Locks nothing: publishers meet at conditional writes, and no write is left half done.

        Raises:
            SettingsError: the storage ignores the conditions of a write.
        """
        if not self._honours_conditions():
            raise SettingsError(
                f"{self.describe()} ignores If-None-Match or If-Match of PutObject: publishers "
                "would overwrite each other"
            )
        yield False

    def open(self, name: str, start: int, stop: int) -> BinaryIO:
        """Opens a part of an object, as it comes; see `Objects`."""
        if start >= stop:
            return io.BytesIO()
        with self._translating(name):
            answer = self._find(self._client.get_object, name, Range=f"bytes={start}-{stop - 1}")
        if answer is None:
            raise RepositoryError(f"{self.describe(name)} is missing")
        return cast(BinaryIO, answer["Body"])

    def _honours_conditions(self) -> bool:
        # The first time there is nothing yet that a second write could run into.
        is_kept = any(self._is_refused(IfNoneMatch="*") for _ in range(2))
        return is_kept and self._is_refused(IfMatch=_NO_TAG)

    def _is_refused(self, **condition: str) -> bool:
        try:
            self._put(_TRIED, os.urandom(16), **condition)
        except ConflictError:
            return True
        return False

    def _put(self, name: str, data: bytes, **condition: str) -> None:
        digest = hashlib.sha256(data).digest()
        with self._translating(name):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._find_key(name),
                    Body=data,
                    ContentType=find_content_type(name),
                    CacheControl=find_cache_control(name),
                    ChecksumSHA256=base64.b64encode(digest).decode(),
                    **condition,
                )
            except ClientError as error:
                if not condition or _find_code(error) not in _CONFLICT | _NOT_FOUND:
                    raise
                self._fail_unless_done(name, digest.hex())

    def _fail_unless_done(self, name: str, sha256: str) -> None:
        # A write whose answer was lost is repeated by boto3, and then finds itself there.
        if not self.holds(name, sha256):
            raise ConflictError(f"another publisher wrote {self.describe(name)} in the meantime")

    def _find(self, ask: Any, name: str, **more: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = ask(Bucket=self._bucket, Key=self._find_key(name), **more)
        except ClientError as error:
            if _find_code(error) in _NOT_FOUND:
                return None
            raise
        return answer

    def _find_key(self, name: str) -> str:
        return self._prefix + check_name(name)

    @contextmanager
    def _translating(self, name: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> NoReturn:
        raise StorageError(f"cannot reach {self.describe(name)}: {error}") from error


def _find_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
