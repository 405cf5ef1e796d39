"""The media bucket's adapter, on whichever store the stage has: forms that hold, versions that go, links that end."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from shared.errors import TransientFault, UsageError
from shared.objects import ObjectMissing, ObjectStore
from tests.integration.line import line_to_http
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.servers import Stage
    from shared.objects import UploadForm

pytestmark = pytest.mark.integration

KEY = "quarantine/1/recording"
CLIP = bytes(range(256)) * 40
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(stage: Stage) -> ObjectStore:
    """A bucket of the test's own, with versions."""
    made = opened(stage, f"test-{uuid4().hex}")
    await made.ensure()
    await made.keep_versions()
    return made


def opened(stage: Stage, bucket: str, **given: Any) -> ObjectStore:
    return ObjectStore(stage.bucket.endpoint, stage.bucket.access_key, stage.bucket.secret_key, bucket, **given)


async def post(form: UploadForm, content: bytes = CLIP, **changed: str) -> int:
    """Send the form as a browser or curl does; returns the store's status."""
    async with httpx.AsyncClient() as http:
        file = ("a film of ours.mp4", content, "video/mp4")
        return (await http.post(form.url, data={**form.fields, **changed}, files={"file": file})).status_code


async def a_form(store: ObjectStore, lifetime: timedelta = MINUTE) -> UploadForm:
    return await store.form(KEY, len(CLIP), "video/mp4", lifetime)


async def put(store: ObjectStore, folder: Path, key: str, content: bytes = CLIP) -> None:
    (folder / "file").write_bytes(content)
    await store.upload(key, folder / "file", "video/mp4")


async def test_a_form_stores_one_object_as_it_was_declared(store: ObjectStore) -> None:
    assert await store.stat(KEY) is None
    assert await post(await a_form(store)) == 201
    found = await store.stat(KEY)
    assert found is not None
    assert (found.key, found.size, found.content_type) == (KEY, len(CLIP), "video/mp4")


@pytest.mark.parametrize(
    ("content", "changed"),
    [
        (CLIP[:-1], {}),
        (CLIP + b"!", {}),
        (b"", {}),
        (CLIP, {"Content-Type": "text/html"}),
        (CLIP, {"key": "quarantine/2/recording"}),
        (CLIP, {"key": "quarantine/1/../2/recording"}),
        (CLIP, {"x-amz-meta-who": "Mary"}),
        (CLIP, {"policy": "e30="}),
        (CLIP, {"x-amz-signature": "0" * 64}),
    ],
    ids=["shorter", "longer", "empty", "type", "key", "path", "metadata", "policy", "signature"],
)
async def test_the_store_refuses_what_the_form_does_not_say(
    store: ObjectStore, content: bytes, changed: dict[str, str]
) -> None:
    assert await post(await a_form(store), content, **changed) in {400, 403}
    assert await store.versions("quarantine/") == []


async def test_a_form_that_is_over_is_refused(store: ObjectStore) -> None:
    assert await post(await a_form(store, -MINUTE)) == 403
    assert await store.stat(KEY) is None


async def test_nobody_makes_an_upload_public_with_a_field_of_their_own(store: ObjectStore) -> None:
    form = await a_form(store)
    await post(form, acl="public-read")
    await post(form)
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{form.url}/{KEY}")).status_code == 403


async def test_forms_and_links_are_signed_for_the_address_that_clients_use(stage: Stage, store: ObjectStore) -> None:
    async with line_to_http(stage.bucket.endpoint) as (_, public):
        own = opened(stage, store.bucket, public_endpoint=public)
        form = await a_form(own)
        assert form.url == f"{public}/{store.bucket}"
        assert await post(form) == 201
        link = await own.link(KEY, MINUTE, "video/mp4")
        assert link.startswith(f"{public}/{store.bucket}/{KEY}?")
        async with httpx.AsyncClient() as http:
            assert (await http.get(link)).content == CLIP
            assert (await http.get(link.replace(public, stage.bucket.endpoint))).status_code == 403


async def test_a_link_shows_one_object_as_what_it_is_and_for_a_while(store: ObjectStore, tmp_path: Path) -> None:
    await put(store, tmp_path, "clean/1/recording")
    async with httpx.AsyncClient() as http:
        link = await store.link("clean/1/recording", MINUTE, "video/webm")
        shown = await http.get(link, headers={"Range": "bytes=0-9"})
        assert (shown.status_code, shown.content) == (206, CLIP[:10])
        assert shown.headers["content-type"] == "video/webm"
        assert (await http.get(link.replace("/1/", "/2/"))).status_code == 403
        assert (await http.get(link.partition("?")[0])).status_code == 403
        over = await store.link("clean/1/recording", timedelta(seconds=1), "video/webm")

        async def refused() -> bool:
            return (await http.get(over)).status_code == 403

        await until(refused)


async def test_a_download_tells_size_and_checksum(store: ObjectStore, tmp_path: Path) -> None:
    content = CLIP * 300  # three pieces
    await put(store, tmp_path, KEY, content)
    got = await store.download(KEY, tmp_path / "got", most=len(content))
    assert (got.size, got.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (tmp_path / "got").read_bytes() == content


async def test_a_download_ends_where_it_has_become_too_large(store: ObjectStore, tmp_path: Path) -> None:
    await put(store, tmp_path, KEY, CLIP * 300)
    got = await store.download(KEY, tmp_path / "got", most=len(CLIP))
    assert got.size > len(CLIP)
    assert (tmp_path / "got").stat().st_size <= len(CLIP)


async def test_what_is_not_there_is_told_from_a_store_that_is_away(stage: Stage, tmp_path: Path) -> None:
    async with line_to_http(stage.bucket.endpoint) as (line, endpoint):
        store = ObjectStore(endpoint, stage.bucket.access_key, stage.bucket.secret_key, f"test-{uuid4().hex}")
        await store.ensure()
        with pytest.raises(ObjectMissing):
            await store.download(KEY, tmp_path / "got", most=1)
        await line.cut()
        with pytest.raises(TransientFault, match="does not answer"):
            await store.download(KEY, tmp_path / "got", most=1)
        with pytest.raises(TransientFault, match="does not answer"):
            await store.stat(KEY)
        assert (await a_form(store)).url.startswith(endpoint), "a form is made without the store"


async def test_erasing_leaves_no_version_and_no_neighbour(store: ObjectStore, tmp_path: Path) -> None:
    for content in (CLIP, CLIP * 2):
        await put(store, tmp_path, "clean/1/recording", content)
        await put(store, tmp_path, "clean/1/captions", content)
    await put(store, tmp_path, "clean/10/recording")
    await asyncio.to_thread(store._client.remove_object, store.bucket, "clean/1/recording")  # its marker is a version
    assert await store.stat("clean/1/recording") is None
    assert len(await store.versions("clean/1/")) == 5
    assert await store.erase("clean/1/") == 5
    assert [key for key, _ in await store.versions("clean/")] == ["clean/10/recording"]
    assert await store.erase("clean/1/") == 0


@pytest.mark.parametrize("prefix", ["", "/", "clean/1"])
async def test_a_prefix_that_may_take_a_neighbour_along_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(UsageError, match="end it with /"):
        await store.erase(prefix)


async def test_the_store_is_asked_to_encrypt_and_says_whether_it_does(store: ObjectStore, tmp_path: Path) -> None:
    encrypts = await store.encrypt()
    await put(store, tmp_path, KEY)
    async with httpx.AsyncClient() as http:
        told = await http.get(await store.link(KEY, MINUTE, "video/mp4"))
    assert ("x-amz-server-side-encryption" in told.headers) is encrypts


async def test_keys_and_forms_stay_out_of_what_is_printed(stage: Stage, store: ObjectStore) -> None:
    form = await a_form(store)
    assert form.fields["x-amz-signature"] not in repr(form)
    assert stage.bucket.secret_key not in repr(store) + str(vars(store))


async def test_a_download_that_is_given_up_reads_no_further(tmp_path: Path) -> None:
    """A thread cannot be cancelled; it would go on to the end of the film, and the process wait for it."""
    gone = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(CLIP)
                await writer.drain()
        gone.set()

    async with await asyncio.start_server(endless, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = ObjectStore(f"http://127.0.0.1:{port}", "key", "secret-key", "heed-media")
        download = asyncio.create_task(store.download(KEY, tmp_path / "got", most=10**12))

        def begun() -> bool:
            return (tmp_path / "got").exists() and (tmp_path / "got").stat().st_size > 0

        await until(begun)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        async with asyncio.timeout(10):
            await gone.wait()
