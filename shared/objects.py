"""The media bucket: SeaweedFS in the trial stack, MinIO or any S3 elsewhere, through the `minio` SDK."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from minio.sseconfig import Rule, SSEConfig
from minio.versioningconfig import VersioningConfig
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from shared.errors import HeedError, TransientFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

T = TypeVar("T")

PIECE = 1024 * 1024
"""Bytes of a download in memory at a time."""

AT_ONCE = 10
"""Connections that are kept open; more than these are opened and closed."""

_ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"})
"""What stores say of an object that is not there; the last of one whose newest version is a delete marker."""


class ObjectMissing(HeedError):  # noqa: N818 - a fact, not a failure
    """There is no such object; a retry will not find it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store tells of an object without its content.

    Attributes:
        size: bytes.
        content_type: as it was uploaded; nothing has looked into it.
        version: None in a bucket without versions.
    """

    key: str
    size: int
    content_type: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What arrived: bytes, and their SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadForm:
    """What a client sends as `multipart/form-data`, the fields first, the file last as `file`.

    The fields are as good as a key to this one upload; they stay out of the repr, and so out of logs.
    """

    url: str
    fields: Mapping[str, str] = field(repr=False)
    expires_at: datetime


class ObjectStore:
    """One bucket. The SDK blocks, so each call runs in a thread.

    Unless it says otherwise, each call raises `TransientFault` while the store does not answer, or refuses.

    Args:
        endpoint: `http://host:port` or `https://host`.
        access_key: and
        secret_key: of a user that may use the bucket.
        bucket: its name.
        public_endpoint: under which clients reach the same store, if that is another: forms and links are signed for
            it. This process need not reach it.
        region: that signatures name; stores other than AWS have but one.

    Raises:
        UsageError: an endpoint is no such URL.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        *,
        public_endpoint: str | None = None,
        region: str = "us-east-1",
    ) -> None:
        self.bucket = bucket
        self._endpoint = endpoint
        self._public_endpoint = (public_endpoint or endpoint).rstrip("/")
        self._client = _client(endpoint, access_key, secret_key, region)
        # A signature covers the host, so what clients use is signed by a client of its own; it asks the store nothing.
        self._signer = _client(self._public_endpoint, access_key, secret_key, region)

    async def ensure(self) -> None:
        """Make the bucket if it is not there."""
        if not await self._call(lambda: self._client.bucket_exists(self.bucket)):
            await self._call(lambda: self._client.make_bucket(self.bucket))

    async def keep_versions(self) -> None:
        """Keep what is overwritten or deleted as an older version, until it is erased; again is no harm."""
        await self._call(lambda: self._client.set_bucket_versioning(self.bucket, VersioningConfig(ENABLED)))

    async def encrypt(self) -> bool:
        """Have the store encrypt all that comes from now on, under a key of its own.

        Returns:
            Whether it does; no where the store has no key to do it with, as MinIO without a KMS.
        """

        def ask() -> bool:
            try:
                self._client.set_bucket_encryption(self.bucket, SSEConfig(Rule.new_sse_s3_rule()))
            except S3Error as error:
                if error.code != "NotImplemented":
                    raise
                return False
            return True

        return await self._call(ask)

    async def is_up(self) -> bool:
        """Whether the bucket answers."""
        try:
            return await self._call(lambda: self._client.bucket_exists(self.bucket))
        except TransientFault:
            return False

    async def stat(self, key: str) -> StoredObject | None:
        """The newest version of an object; None where there is none, or it was deleted."""

        def look() -> StoredObject:
            with _absence_told():
                found = self._client.stat_object(self.bucket, key)
            version = found.version_id if found.version_id != "null" else None
            return StoredObject(key, found.size or 0, found.content_type or "", version)

        try:
            return await self._call(look)
        except ObjectMissing:
            return None

    async def download(self, key: str, path: Path, *, most: int) -> Downloaded:
        """Write an object to a file, a piece at a time; a file that is there is replaced.

        Args:
            key: of the object.
            path: of the file. What is in it after an exception is of no use.
            most: bytes after which it is given up; `Downloaded.size` is then larger than this.

        Raises:
            ObjectMissing: there is none.
            TransientFault: the store does not answer, or went away on the way.
        """
        stop = threading.Event()

        def fetch() -> Downloaded:
            digest, size = hashlib.sha256(), 0
            with _absence_told():
                response = self._client.get_object(self.bucket, key)
            try:
                with path.open("wb") as file:
                    for piece in response.stream(PIECE):
                        size += len(piece)
                        if size > most or stop.is_set():
                            break
                        digest.update(piece)
                        file.write(piece)
            finally:
                response.close()
            return Downloaded(size, digest.hexdigest())

        try:
            return await self._call(fetch)
        except asyncio.CancelledError:
            stop.set()  # the thread would else read on to the end of the film
            raise

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Store a file, a few pieces in memory at a time.

        Raises:
            OSError: the file cannot be read.
        """
        with path.open("rb"):
            pass  # a fault of the disk is not one of the store
        await self._call(lambda: self._client.fput_object(self.bucket, key, str(path), content_type))

    async def versions(self, prefix: str) -> list[tuple[str, str | None]]:
        """Key and version of all that is kept under a prefix: every version, and the marks of deleted ones."""

        def listed() -> list[tuple[str, str | None]]:
            found = self._client.list_objects(self.bucket, prefix, recursive=True, include_version=True)
            return [(item.object_name or "", item.version_id) for item in found]

        return await self._call(listed)

    async def erase(self, prefix: str) -> int:
        """Remove every version of all that is under a prefix, for good.

        Returns:
            How many versions were removed. On return none is left.

        Raises:
            UsageError: the prefix does not end in `/`; a shorter one would take a neighbour along.
        """
        if not prefix.strip("/") or not prefix.endswith("/"):
            raise UsageError(f"the prefix {prefix!r} names no folder; end it with /")
        removed = 0
        while found := await self.versions(prefix):
            await self._call(lambda found=found: self._remove(found))  # type: ignore[misc]
            removed += len(found)
        return removed

    def _remove(self, found: list[tuple[str, str | None]]) -> None:
        doomed = [DeleteObject(key, version) for key, version in found]
        refused = list(self._client.remove_objects(self.bucket, doomed))
        if refused:
            raise self._fault(refused[0].code or "refused")

    async def form(self, key: str, size: int, content_type: str, lifetime: timedelta) -> UploadForm:
        """A form with which anyone may upload one object of exactly this key, size in bytes and content type.

        Nothing is asked of the store: it checks the form when it is used.

        Args:
            key: of the object.
            size: in bytes.
            content_type: that the object must have, and gets.
            lifetime: until when an upload may begin.
        """
        expires_at = datetime.now(UTC).replace(microsecond=0) + lifetime
        policy = PostPolicy(self.bucket, expires_at)
        fixed = {"key": key, "Content-Type": content_type, "success_action_status": "201"}
        for name, value in fixed.items():
            policy.add_equals_condition(name, value)
        policy.add_content_length_range_condition(size, size)
        signed = await self._call(lambda: self._signer.presigned_post_policy(policy))
        return UploadForm(f"{self._public_endpoint}/{self.bucket}", {**fixed, **signed}, expires_at)

    async def link(self, key: str, lifetime: timedelta, content_type: str) -> str:
        """A URL under which anyone may read one object for so long (7 days at most), as this content type.

        Nothing is asked of the store; an object that is not there is found missing by who follows the link.
        """
        shown = {"response-content-type": content_type, "response-cache-control": "no-store"}
        return await self._call(
            lambda: self._signer.presigned_get_object(self.bucket, key, lifetime, response_headers=dict(shown))
        )

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except (MinioException, HTTPError, OSError) as error:
            why = error.code if isinstance(error, S3Error) and error.code else type(error).__name__
            raise self._fault(why) from error

    def _fault(self, why: str) -> TransientFault:
        return TransientFault(f"the bucket {self.bucket} at {self._endpoint} does not answer ({why}); is it up?")


@contextmanager
def _absence_told() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _ABSENT:
            raise ObjectMissing("there is no such object") from None
        raise


def _client(endpoint: str, access_key: str, secret_key: str, region: str) -> Minio:
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise UsageError(f"the S3 endpoint {endpoint!r} is no URL; write http://host:port or https://host")
    return Minio(
        parts.netloc,
        access_key=access_key,
        secret_key=secret_key,
        secure=parts.scheme == "https",
        region=region,
        # The SDK's own default waits five minutes for a store that is gone.
        http_client=PoolManager(
            maxsize=AT_ONCE, timeout=Timeout(connect=3, read=30), retries=Retry(2, backoff_factor=0.2)
        ),
    )
