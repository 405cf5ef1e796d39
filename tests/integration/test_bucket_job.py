"""`python -m deploy.bucket` on a real MinIO: each service reaches its folders and no other."""

from __future__ import annotations

import base64
import os
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from deploy.bucket import make
from shared.errors import HeedError, TransientFault
from shared.objects import ObjectStore
from tests.servers import minio

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.servers import Bucket

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        os.environ.get("HEED_TEST_STAGE") != "real" or bool(minio.missing()),
        reason="needs MinIO: HEED_TEST_STAGE=real and go",
    ),
]

PASSWORDS = {service: f"{service}-quite-a-secret" for service in ("gateway", "media", "portal")}
NAME = "heed-media"


def opened(server: Bucket, service: str, password: str | None = None) -> ObjectStore:
    return ObjectStore(server.endpoint, f"heed-{service}", password or PASSWORDS[service], NAME)


async def uploaded(store: ObjectStore, key: str) -> int:
    form = await store.form(key, 3, "video/mp4", timedelta(minutes=1))
    async with httpx.AsyncClient() as http:
        answer = await http.post(form.url, data=dict(form.fields), files={"file": ("x", b"abc", "video/mp4")})
    return answer.status_code


async def test_each_service_reaches_its_folders_and_no_other(tmp_path: Path) -> None:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    async with minio.running_minio(tmp_path, {"MINIO_KMS_SECRET_KEY": f"heed:{key}"}) as server:

        async def made(passwords: dict[str, str]) -> bool:
            return await make(server.endpoint, server.access_key, server.secret_key, NAME, passwords)

        assert await made(PASSWORDS), "with a key MinIO encrypts"
        assert await made(PASSWORDS), "again is no harm"
        gateway, media, portal = (opened(server, service) for service in PASSWORDS)

        assert await uploaded(gateway, "quarantine/1/recording") == 201
        assert await uploaded(gateway, "clean/1/recording") == 403
        assert await gateway.is_up()
        assert await gateway.stat("quarantine/1/recording")
        (tmp_path / "clip").write_bytes(b"abc")
        await media.keep_versions()
        assert await media.encrypt()
        got = await media.download("quarantine/1/recording", tmp_path / "got", most=10)
        assert got.size == 3
        await media.upload("clean/1/recording", tmp_path / "clip", "video/mp4")
        with pytest.raises(TransientFault, match="AccessDenied"):
            await gateway.erase("clean/1/")
        with pytest.raises(TransientFault, match="AccessDenied"):
            await gateway.download("clean/1/recording", tmp_path / "got", most=10)
        with pytest.raises(TransientFault, match="AccessDenied"):
            await portal.download("quarantine/1/recording", tmp_path / "got", most=10)
        assert await portal.stat("clean/1/recording")
        assert await portal.stat("clean/2/recording") is None, "absent, and not forbidden"
        with pytest.raises(TransientFault, match="AccessDenied"):
            await portal.stat("quarantine/1/recording")
        with pytest.raises(TransientFault, match="AccessDenied"):
            await portal.erase("clean/1/")
        async with httpx.AsyncClient() as http:
            shown = await http.get(await portal.link("clean/1/recording", timedelta(minutes=1), "video/mp4"))
        assert shown.content == b"abc"
        assert "x-amz-server-side-encryption" in shown.headers
        assert await gateway.erase("quarantine/1/") == 1
        assert await media.erase("clean/1/") == 1

        await made({"gateway": "another-secret"})
        assert await opened(server, "gateway", "another-secret").is_up()
        assert not await gateway.is_up(), "the old password is nobody's"


async def test_who_is_no_administrator_makes_nobody(tmp_path: Path) -> None:
    async with minio.running_minio(tmp_path) as server:
        await make(server.endpoint, server.access_key, server.secret_key, NAME, PASSWORDS)
        with pytest.raises(HeedError, match="refused to make the user heed-portal") as refusal:
            await make(server.endpoint, "heed-media", PASSWORDS["media"], NAME, {"portal": "hunter2-hunter2"})
        assert "hunter2" not in str(refusal.value)
