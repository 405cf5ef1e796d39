"""The media bucket: SeaweedFS in the trial stack, MinIO or any S3 elsewhere, through the `minio` SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from shared.errors import TransientFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ObjectStore:
    """One bucket. The SDK blocks, so each call runs in a thread.

    Args:
        endpoint: `http://host:port` or `https://host`.
        access_key: and
        secret_key: of a user that may use the bucket.
        bucket: its name.

    Raises:
        UsageError: the endpoint is no such URL.
    """

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(f"the S3 endpoint {endpoint!r} is no URL; write http://host:port or https://host")
        self.bucket = bucket
        self._endpoint = endpoint
        self._client = Minio(
            parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=parts.scheme == "https",
            # The SDK's own default waits five minutes for a store that is gone.
            http_client=PoolManager(timeout=Timeout(connect=3, read=30), retries=Retry(2, backoff_factor=0.2)),
        )

    async def ensure(self) -> None:
        """Make the bucket if it is not there.

        Raises:
            TransientFault: the store does not answer, or refuses.
        """
        if not await self._call(lambda: self._client.bucket_exists(self.bucket)):
            await self._call(lambda: self._client.make_bucket(self.bucket))

    async def is_up(self) -> bool:
        """Whether the bucket answers."""
        try:
            return await self._call(lambda: self._client.bucket_exists(self.bucket))
        except TransientFault:
            return False

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except (MinioException, HTTPError, OSError) as error:
            raise TransientFault(
                f"the bucket {self.bucket} at {self._endpoint} does not answer ({type(error).__name__}); is it up?"
            ) from error
