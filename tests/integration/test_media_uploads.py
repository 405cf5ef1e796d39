"""Recordings on their way in: declared, uploaded straight to the bucket, completed, and never half of it."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from services.gateway.integrations import add_integration
from services.gateway.outbox import requeue_unfinished
from shared.media import MediaUploaded
from shared.topics import FEEDBACK_SUBMITTED, MEDIA_UPLOADED
from tests.doubles import RememberingPublisher
from tests.integration.gateway_stage import COMMENT, NOW, database, gateway_url, rows, settings, until
from tests.integration.line import line_to_http
from tests.integration.upload_stage import (
    CLIP,
    WORDS,
    bucket,
    completed,
    declaration,
    declared,
    gateway_of,
    given,
    http,
    journey,
    key,
    made_bucket,
    publisher,
    said,
    upload,
    uploaded,
    with_bucket,
)

if TYPE_CHECKING:
    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.servers import Stage
    from services.gateway.settings import GatewaySettings
    from shared.objects import ObjectStore

__all__ = ["bucket", "database", "gateway_url", "given", "http", "key", "publisher"]

pytestmark = pytest.mark.integration


def refused(answer: httpx.Response, status: int, kind: str) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:heed:problem:{kind}"
    return [(error["field"], error["problem"]) for error in answer.json()["errors"]]


async def test_a_film_and_its_captions_are_handed_on_when_they_are_there(
    http: httpx.AsyncClient, publisher: RememberingPublisher
) -> None:
    body = declaration(captions=WORDS, submitter={"id": "Jo Smith", "age_band": "25_34"}, text="My mum says thanks.")
    answer = await http.post("/v1/media", json=body)
    ticket = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/feedback/{ticket['receipt']}"
    assert (await journey(http, ticket))["media"]["state"] == "waiting_for_upload"
    assert await upload(ticket["upload"]["recording"], CLIP) == 201
    assert await upload(ticket["upload"]["captions"], WORDS, "captions.vtt") == 201
    done = await completed(http, ticket)
    assert done.status_code == 202
    assert done.json()["receipt"] == ticket["receipt"]

    await until(lambda: len(publisher.on(MEDIA_UPLOADED.name)) == 1)
    (sent,) = publisher.on(MEDIA_UPLOADED.name)
    event = MediaUploaded.model_validate_json(sent.value or b"")
    assert str(event.media_id) == ticket["media_id"]
    assert [(file.role, file.size, file.content_type) for file in event.files] == [
        ("recording", len(CLIP), "video/mp4"),
        ("captions", len(WORDS), "text/vtt"),
    ]
    assert event.files[0].object_key == f"quarantine/{event.media_id}/recording"
    assert event.files[0].sha256 == body["media"]["sha256"]
    assert (event.consent.bystanders, event.consent.staff, event.consent.poster) == ("nobody", "agreed", False)
    assert event.uploaded_at == datetime.fromisoformat(done.json()["uploaded_at"])
    assert event.retention_days == 30, "none was chosen: the shortest"
    assert event.feedback.text == "My mum says thanks."
    assert event.feedback.version == 1
    assert event.feedback.media[0].media_id == ticket["media_id"]
    assert b"Jo Smith" not in (sent.value or b"")
    assert publisher.on(FEEDBACK_SUBMITTED.name) == [], "that is the media service's to send"
    told = await journey(http, ticket)
    assert told["state"] == "received"
    assert told["media"] == {"media_id": ticket["media_id"], "state": "uploaded"}


async def test_completing_again_is_answered_the_same_and_makes_one_event(
    http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    ticket = await uploaded(http)
    answers = await asyncio.gather(*(completed(http, ticket) for _ in range(8)))
    answers.append(await completed(http, ticket))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert await rows(database, "SELECT count(*) FROM outbox") == [(1,)]


async def test_completing_wakes_the_relay(
    gateway_url: str, stage: Stage, publisher: RememberingPublisher, key: str
) -> None:
    patient = with_bucket(gateway_url, stage, relay_poll=600)
    await made_bucket(patient)
    async with gateway_of(patient, publisher, key) as http:
        ticket = await uploaded(http)
        await completed(http, ticket)
        await until(lambda: len(publisher.on(MEDIA_UPLOADED.name)) == 1)


async def test_declaring_again_gives_the_same_recording_and_fresh_forms(http: httpx.AsyncClient) -> None:
    first = await http.post("/v1/media", json=declaration())
    again = await http.post("/v1/media", json=declaration())
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["media_id"], again.json()["receipt"]) == (first.json()["media_id"], first.json()["receipt"])
    assert await upload(again.json()["upload"]["recording"], CLIP) == 201
    assert (await completed(http, first.json())).status_code == 202


async def test_declaring_what_is_complete_says_so_and_gives_no_form(http: httpx.AsyncClient) -> None:
    ticket = await uploaded(http)
    await completed(http, ticket)
    again = await http.post("/v1/media", json=declaration())
    assert (again.status_code, again.json()["state"]) == (200, "uploaded")
    assert again.json().keys() == {"media_id", "receipt", "state"}
    changed = await http.post("/v1/media", json=declaration(rating=1))
    assert refused(changed, 409, "already-uploaded") == [("source_id", "belongs to a recording that is complete")]


@pytest.mark.parametrize("content", [CLIP[:-1], CLIP + b"!", b""], ids=["shorter", "longer", "empty"])
async def test_the_bucket_refuses_another_size_than_was_declared(http: httpx.AsyncClient, content: bytes) -> None:
    ticket = await declared(http)
    assert await upload(ticket["upload"]["recording"], content) == 400
    assert refused(await completed(http, ticket), 409, "not-uploaded") == [("recording", "was not uploaded")]


async def test_the_bucket_refuses_another_type_than_was_declared(http: httpx.AsyncClient) -> None:
    form = (await declared(http))["upload"]["recording"]
    form["fields"]["Content-Type"] = "text/html"
    assert await upload(form, CLIP) == 403


async def test_the_bucket_refuses_another_place_than_was_given(http: httpx.AsyncClient, bucket: ObjectStore) -> None:
    form = (await declared(http))["upload"]["recording"]
    for place in ("quarantine/another/recording", "clean/x", f"{form['fields']['key']}/../../../clean/x"):
        moved = {"url": form["url"], "fields": {**form["fields"], "key": place}}
        assert await upload(moved, CLIP) in {400, 403}
    assert await bucket.versions("") == []


async def test_a_form_that_is_over_is_refused_and_a_fresh_one_is_to_be_had(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> None:
    soon = given.model_copy(update={"media_form_lifetime": 1e-3})
    async with gateway_of(soon, publisher, key) as http:
        ticket = await declared(http)
        form = ticket["upload"]["recording"]

        async def over() -> bool:
            return await upload(form, CLIP) == 403

        await until(over)
        answer = await completed(http, ticket)
    if refused(answer, 409, "not-uploaded"):
        assert "POST /v1/media again" in answer.json()["detail"]
    async with gateway_of(given, publisher, key) as http:
        ticket = await uploaded(http)
        assert (await completed(http, ticket)).status_code == 202


async def test_what_a_file_is_called_decides_nothing(http: httpx.AsyncClient, bucket: ObjectStore) -> None:
    answer = await http.post("/v1/media", json=declaration(name="../../etc/passwd"))
    assert [field for field, _ in refused(answer, 422, "invalid-feedback")] == ["name"]
    ticket = await declared(http)
    for name in ("../../etc/passwd", "mary-jones.mp4"):
        assert await upload(ticket["upload"]["recording"], CLIP, name) == 201
    assert {key for key, _ in await bucket.versions("")} == {f"quarantine/{ticket['media_id']}/recording"}


async def test_completing_before_all_is_uploaded_names_what_is_missing(
    http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    ticket = await declared(http, captions=WORDS)
    missing = [("recording", "was not uploaded"), ("captions", "was not uploaded")]
    assert refused(await completed(http, ticket), 409, "not-uploaded") == missing
    await upload(ticket["upload"]["recording"], CLIP)
    assert refused(await completed(http, ticket), 409, "not-uploaded") == missing[1:]
    assert await rows(database, "SELECT count(*) FROM outbox") == [(0,)]
    assert (await journey(http, ticket))["media"]["state"] == "waiting_for_upload"


async def test_what_was_uploaded_for_an_earlier_declaration_does_not_count(http: httpx.AsyncClient) -> None:
    ticket = await uploaded(http)
    longer = await declared(http, clip=CLIP + b"!")
    assert longer["media_id"] == ticket["media_id"]
    ((field, problem),) = refused(await completed(http, ticket), 409, "not-uploaded")
    assert (field, "newest form" in problem) == ("recording", True)
    assert await upload(longer["upload"]["recording"], CLIP + b"!") == 201
    assert (await completed(http, ticket)).status_code == 202


async def test_nobody_completes_or_sees_what_another_integration_declared(
    http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    ticket = await uploaded(http)
    stranger = {"Authorization": f"Bearer {await add_integration(database, 'stranger', [], NOW)}"}
    answer = await http.post(f"/v1/media/{ticket['media_id']}/complete", headers=stranger)
    assert refused(answer, 404, "not-found") == [("media_id", "is not known")]
    theirs = await http.post("/v1/media", json=declaration(), headers=stranger)
    assert theirs.json()["media_id"] != ticket["media_id"], "the same source_id at another integration is another"
    assert await rows(database, "SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.parametrize("identity", ["x", "0" * 32, "00000000-0000-0000-0000-000000000000", "%00", "..%2f..", "é" * 9])
async def test_an_id_that_cannot_be_is_not_found(http: httpx.AsyncClient, identity: str) -> None:
    assert (await http.post(f"/v1/media/{identity}/complete")).status_code == 404


async def test_a_bucket_that_is_away_is_told_and_nothing_is_half_done(
    gateway_url: str, stage: Stage, database: AsyncEngine, publisher: RememberingPublisher, key: str
) -> None:
    async with line_to_http(stage.bucket.endpoint) as (line, endpoint):
        given = with_bucket(gateway_url, stage, s3_endpoint=endpoint, s3_public_endpoint=stage.bucket.endpoint)
        await made_bucket(given)
        async with gateway_of(given, publisher, key) as http:
            await line.cut()
            ticket = await uploaded(http)  # declaring asks the bucket nothing, and the sender goes there itself
            answer = await completed(http, ticket)
            assert refused(answer, 503, "unavailable") == []
            assert int(answer.headers["retry-after"]) > 0
            assert (await journey(http, ticket))["media"]["state"] == "waiting_for_upload"
            assert await rows(database, "SELECT count(*) FROM outbox") == [(0,)]
            await line.mend()
            assert (await completed(http, ticket)).status_code == 202


async def test_an_installation_without_a_bucket_takes_feedback_and_no_recordings(
    gateway_url: str, publisher: RememberingPublisher, key: str
) -> None:
    async with gateway_of(settings(gateway_url), publisher, key) as http:
        answer = await http.post("/v1/media", json=declaration())
        assert refused(answer, 501, "no-bucket") == []
        assert "HEED_S3_ENDPOINT" in answer.json()["detail"]
        assert (await http.post("/v1/feedback", json=COMMENT)).status_code == 202


async def test_feedback_and_recordings_do_not_share_an_id(http: httpx.AsyncClient) -> None:
    await declared(http, source_id="1")
    comment = await http.post("/v1/feedback", json=COMMENT)
    assert refused(comment, 409, "has-files") == [("source_id", "belongs to a recording")]
    headers = {"Content-Type": "application/x-ndjson"}
    lines = await http.post("/v1/feedback:batch", content=json.dumps(COMMENT), headers=headers)
    assert json.loads(lines.text)["status"] == 409
    assert (await http.post("/v1/feedback", json={**COMMENT, "source_id": "2"})).status_code == 202
    film = await http.post("/v1/media", json=declaration(source_id="2"))
    assert refused(film, 409, "has-no-files") == [("source_id", "belongs to feedback without files")]


async def test_another_organisations_recording_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/media", json=declaration(about={"organisation": "X"}))
    assert [field for field, _ in refused(answer, 422, "unknown-organisation")] == ["about.organisation"]


async def test_no_form_and_no_word_reaches_a_log(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ticket = await uploaded(http, text="Nurse Okafor sang to us.")
    await completed(http, ticket)
    fields = ticket["upload"]["recording"]["fields"]
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert not any(secret in ours for secret in ("Okafor", fields["policy"], fields["x-amz-signature"]))


async def test_a_broker_that_forgot_is_told_again_of_what_was_not_checked(
    http: httpx.AsyncClient, database: AsyncEngine, publisher: RememberingPublisher
) -> None:
    tickets = [await uploaded(http, source_id=str(number)) for number in range(2)]
    for ticket in tickets:
        await completed(http, ticket)
    await until(lambda: len(publisher.on(MEDIA_UPLOADED.name)) == 2)

    async def marked() -> bool:
        return await rows(database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == [(0,)]

    await until(marked)
    async with database.begin() as connection:
        checked = text("UPDATE media SET state = 'accepted' WHERE media_id = CAST(:id AS uuid)")
        await connection.execute(checked, {"id": tickets[0]["media_id"]})
    assert await requeue_unfinished(database, []) == 1
    await until(lambda: len(publisher.on(MEDIA_UPLOADED.name)) == 3)
    assert said(publisher.on(MEDIA_UPLOADED.name)[-1].value)["media_id"] == tickets[1]["media_id"]


LINKS: dict[str, Any] = {
    "a video's address": {"kind": "video", "media": {"content_type": "video/mp4", "url": "{url}"}},
    "a post's address": {"kind": "social_post", "url": "{url}"},
}


@pytest.mark.parametrize("case", LINKS)
async def test_a_link_is_never_followed(http: httpx.AsyncClient, publisher: RememberingPublisher, case: str) -> None:
    visits: list[bytes] = []

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(visited, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/latest/meta-data"
        body = json.dumps({**COMMENT, **LINKS[case]}).replace("{url}", address)
        answer = await http.post("/v1/feedback", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, answer.text
        await until(lambda: len(publisher.on(FEEDBACK_SUBMITTED.name)) == 1)
    assert visits == []
    assert address.encode() not in (publisher.sent[0].value or b"")
