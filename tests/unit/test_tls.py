"""TLS to PostgreSQL and to S3 is part of the address, as docs/deployment.md says."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from shared.database import engine
from shared.errors import UsageError
from shared.objects import ObjectStore

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "postgresql+asyncpg://heed_gateway:secret@127.0.0.1:1/heed"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_how_postgresql_is_encrypted_reaches_the_driver(mode: str) -> None:
    database = engine(f"{DATABASE}?ssl={mode}", "gateway")
    _, given = database.dialect.create_connect_args(database.url)
    assert given["ssl"] == mode


async def test_the_authority_of_postgresqls_certificate_is_looked_for_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "ca.pem"))
    database = engine(f"{DATABASE}?ssl=verify-full", "gateway")
    with pytest.raises(ssl.SSLError, match="no certificate"):
        await database.connect()
    await database.dispose()


@pytest.mark.parametrize(("endpoint", "encrypted"), [("https://s3.example.org", True), ("http://minio:9000", False)])
def test_an_s3_endpoint_says_whether_it_is_encrypted(endpoint: str, encrypted: bool) -> None:
    store = ObjectStore(endpoint, "key", "secret-key", "heed-media")
    assert store._client._base_url.is_https is encrypted


@pytest.mark.parametrize("endpoint", ["s3.example.org", "ftp://s3.example.org", "https://"])
def test_an_s3_endpoint_that_says_neither_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageError, match="write http://host:port or https://host"):
        ObjectStore(endpoint, "key", "secret-key", "heed-media")
