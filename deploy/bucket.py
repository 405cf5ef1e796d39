"""Makes the media bucket on MinIO: versions, encryption, and one user for each service that uses it.

`python -m deploy.bucket` does it before the services start, as often as it is asked; a changed password is taken over.
Each user reaches the folders that its service needs and no other: see decision 14. On another S3 store an operator
makes bucket and users with that store's own means, with the rights of `RIGHTS`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from deploy.cli import run
from shared.errors import HeedError, TransientFault, UsageError
from shared.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHORTEST = 8
"""Characters of a MinIO user's password."""

_LOOK = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions")
_KEEP = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion")
_WHOLE = (
    *_LOOK,
    "s3:GetBucketVersioning",
    "s3:PutBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:PutEncryptionConfiguration",
    "s3:ListBucketMultipartUploads",
)
_ALL = (*_KEEP, "s3:GetObjectVersion", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")

RIGHTS: Mapping[str, tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]] = {
    "gateway": (_LOOK, {"quarantine/*": _KEEP}),
    "media": (_WHOLE, {"quarantine/*": _ALL, "clean/*": _ALL}),
    # Who may not list is told that access is denied, and not that an object is gone.
    "portal": (("s3:GetBucketLocation", "s3:ListBucket"), {"clean/*": ("s3:GetObject",)}),
}
"""What each service may do with the bucket, and with the objects of which folders."""


def policy(service: str, bucket: str) -> dict[str, Any]:
    """The rights of one service, as S3 writes them."""
    with_bucket, with_objects = RIGHTS[service]
    told = [(with_bucket, bucket), *((actions, f"{bucket}/{folder}") for folder, actions in with_objects.items())]
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{what}"]} for actions, what in told
    ]
    return {"Version": "2012-10-17", "Statement": statements}


async def make(endpoint: str, access_key: str, secret_key: str, bucket: str, passwords: Mapping[str, str]) -> bool:
    """Make the bucket and a user `heed-<service>` for each password; what is there already stays.

    Args:
        endpoint: `http://host:port` of MinIO.
        access_key: and
        secret_key: of its administrator.
        bucket: its name.
        passwords: by service.

    Returns:
        Whether the store encrypts what it keeps.

    Raises:
        HeedError: MinIO refuses.
        TransientFault: it does not answer.
    """
    store = ObjectStore(endpoint, access_key, secret_key, bucket)
    await store.ensure()
    await store.keep_versions()
    encrypted = await store.encrypt()
    parts = urlsplit(endpoint)
    admin = MinioAdmin(
        endpoint=parts.netloc,
        credentials=StaticProvider(access_key, secret_key),
        secure=parts.scheme == "https",
        http_client=PoolManager(timeout=Timeout(connect=3, read=30), retries=Retry(2, backoff_factor=0.2)),
    )
    for service, password in passwords.items():
        await asyncio.to_thread(_user, admin, service, password, bucket)
    return encrypted


def _user(admin: MinioAdmin, service: str, password: str, bucket: str) -> None:
    name = f"heed-{service}"
    try:
        admin.policy_add(name, policy=policy(service, bucket))
        admin.user_add(name, password)
        admin.policy_set(name, user=name)
    except MinioAdminException as error:  # its text may quote what was sent
        raise HeedError(f"MinIO refused to make the user {name}; is the key an administrator's?") from error
    except (HTTPError, OSError) as error:
        raise TransientFault(f"MinIO does not answer ({type(error).__name__}); is it up?") from error


def _service_options(command: Callable[..., None]) -> Callable[..., None]:
    for service in reversed(list(RIGHTS)):
        told = f"Password of the user that {service} logs in as."
        command = click.option(f"--{service}", envvar=f"HEED_{service.upper()}_S3_SECRET_KEY", help=told)(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--endpoint", envvar="HEED_S3_ENDPOINT", required=True, help="MinIO: http://host:port.")
@click.option("--access-key", envvar="HEED_S3_ACCESS_KEY", required=True, help="Of its administrator.")
@click.option("--secret-key", envvar="HEED_S3_SECRET_KEY", required=True, help="Of the same.")
@click.option("--bucket", envvar="HEED_S3_BUCKET", required=True, help="Name of the bucket.")
@_service_options
def command(*, endpoint: str, access_key: str, secret_key: str, bucket: str, **given: str | None) -> None:
    """Make the media bucket, and a user for each service whose password is given."""
    passwords = {service: password for service, password in given.items() if password is not None}
    for service, password in passwords.items():
        if len(password) < SHORTEST:
            raise UsageError(f"HEED_{service.upper()}_S3_SECRET_KEY has fewer than {SHORTEST} characters")
    encrypted = asyncio.run(make(endpoint, access_key, secret_key, bucket, passwords))
    click.echo(f"{bucket} keeps versions and {'is encrypted' if encrypted else 'is NOT encrypted: it has no key'}")
    for service in passwords:
        click.echo(f"heed-{service} reaches {', '.join(RIGHTS[service][1])}")


if __name__ == "__main__":
    sys.exit(run(command, sys.argv[1:], "python -m deploy.bucket"))
