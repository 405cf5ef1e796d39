"""One upload's way through the media service: checked, cleaned, read, erased; on a real database and bucket."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

from services.media.reasons import Reason
from shared.errors import TransientFault
from shared.media import MediaConsent
from tests import clips, processes
from tests.integration.media_stage import ALL_AGREED, later, media, media_url

if TYPE_CHECKING:
    from tests.integration.media_stage import Media

pytestmark = pytest.mark.integration

__all__ = ["media", "media_url"]

PYTHON = Path(sys.executable).resolve().name

VTT = b"""WEBVTT

NOTE Jane filmed this

1
00:00:00.000 --> 00:00:02.000
<v Dr Smith>The <b>nurses</b> were <script>alert(1)</script>kind &amp; patient

00:00:01.500 --> 00:00:03.000
&amp; patient all day
"""


def streams(content: bytes) -> list[tuple[str, str]]:
    with av.open(io.BytesIO(content)) as container:
        return [(stream.type, stream.codec_context.name) for stream in container.streams]


def told(content: bytes) -> dict[str, str]:
    """All metadata of the container and its streams."""
    with av.open(io.BytesIO(content)) as container:
        found: dict[str, Any] = dict(container.metadata)
        for stream in container.streams:
            found |= stream.metadata
        return found


@pytest.mark.parametrize(("make", "content_type"), [(clips.mp4, "video/mp4"), (clips.webm, "video/webm")])
async def test_a_film_is_cleaned_and_its_subtitles_become_a_transcript(
    media: Media, make: Any, content_type: str
) -> None:
    original = make()
    assert any("51.5074" in str(value) for value in told(original).values()), "else there is nothing to strip"
    event = await media.check(original, content_type)

    assert media.decision(event) == ("accepted", None)
    clean = await media.fetched(event)
    assert streams(clean) == streams(original)
    assert not any(trace in clean for trace in clips.TRACES)
    (checked,) = media.checked(event)
    assert [file.role for file in checked.files] == ["recording", "poster"]
    assert checked.transcript == "embedded"
    (feedback,) = media.submitted(event)
    assert [(cue.start_seconds, cue.end_seconds, cue.text) for cue in feedback.transcript] == list(clips.WORDS)
    assert (feedback.media[0].media_id, feedback.media[0].stored) == (str(event.media_id), True)
    assert 5.9 < (feedback.media[0].duration_seconds or 0) < 6.2
    assert await media.left(event, "quarantine") == []
    assert len(await media.left(event, "clean")) == 2
    assert ("deleted originals", 1) in await media.audit(event)


async def test_uploaded_captions_stand_above_the_films_own_without_voices_notes_and_tags(media: Media) -> None:
    event = await media.check(clips.mp4(), captions=VTT)
    (feedback,) = media.submitted(event)
    said = [(cue.start_seconds, cue.end_seconds, cue.text) for cue in feedback.transcript]
    assert said == [(0.0, 3.0, "The nurses were kind & patient all day")]
    clean = await media.fetched(event, "captions")
    assert b"Smith" not in clean
    assert b"Jane" not in clean
    assert b"<" not in clean


async def test_a_voice_without_words_is_counted_all_the_same(media: Media) -> None:
    event = await media.check(clips.sound(), "audio/mpeg")
    assert media.decision(event) == ("accepted", None)
    (feedback,) = media.submitted(event)
    assert feedback.transcript == ()
    assert feedback.media[0].content_type == "audio/mpeg"
    clean = await media.fetched(event)
    assert not any(trace in clean for trace in clips.TRACES)


async def test_no_picture_stands_for_a_film_without_consent(media: Media) -> None:
    event = await media.check(clips.mp4(), consent=ALL_AGREED.model_copy(update={"poster": False}))
    assert len(await media.left(event, "clean")) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"consent": MediaConsent(bystanders="unresolved", staff="agreed")}, "consent_unresolved"),
        ({"consent": MediaConsent(bystanders="nobody", staff="unresolved")}, "consent_unresolved"),
        ({"age_band": "under_16"}, "under_16"),
    ],
    ids=["bystanders", "staff", "under 16"],
)
async def test_what_a_person_must_decide_is_held_and_never_fetched(
    media: Media, given: dict[str, Any], reason: str
) -> None:
    event = await media.uploaded(None, **given)  # there is no file: to look for it would be to reject it
    await media.take(event, event)
    assert media.decision(event) == ("held", reason)
    assert media.submitted(event) == []
    assert [held.media_id for held in await media.store.held()] == [event.media_id]


async def test_a_person_may_release_what_is_held(media: Media) -> None:
    event = await media.check(clips.mp4(), age_band="under_16")
    released = await media.store.resolve(event.media_id, ALL_AGREED, "Safeguarding lead", later(1), refused=False)
    assert released is not None
    await media.take(released)
    assert [checked.state for checked in media.checked(event)] == ["held", "accepted"]
    assert len(media.submitted(event)) == 1
    assert ("released by a person", 0) in await media.audit(event)


async def test_a_person_may_refuse_what_is_held_and_written_words_go_on_alone(media: Media) -> None:
    unresolved = MediaConsent(bystanders="unresolved")
    event = await media.check(clips.mp4(), consent=unresolved, written="The nurses were kind.")
    refused = await media.store.resolve(event.media_id, unresolved, "Safeguarding lead", later(1), refused=True)
    assert refused is not None
    await media.take(refused)
    assert [checked.reason for checked in media.checked(event)] == ["consent_unresolved", "refused"]
    (feedback,) = media.submitted(event)
    assert (feedback.text, feedback.media) == ("The nurses were kind.", ())
    assert await media.left(event, "quarantine") == []


async def test_nobody_decides_twice(media: Media) -> None:
    event = await media.check(clips.sound(), "audio/mpeg")
    assert await media.store.resolve(event.media_id, ALL_AGREED, "Safeguarding lead", later(1), refused=True) is None


@pytest.mark.parametrize(
    ("make", "given"),
    [(clips.mp4, {}), (clips.mp4, {"captions": VTT}), (lambda: b"no film", {"written": "We waited for hours."})],
    ids=["subtitles", "captions", "rejected"],
)
async def test_a_replay_says_the_same_again_and_deletes_what_a_crash_left_behind(
    media: Media, make: Any, given: dict[str, Any]
) -> None:
    event = await media.check(make(), **given)
    (checked,), (feedback,) = media.checked(event), media.submitted(event)
    await media.put(event.files[0].object_key, b"again", "video/mp4")
    await media.take(event)
    assert media.checked(event) == [checked, checked]
    assert media.submitted(event) == [feedback, feedback]
    assert await media.left(event, "quarantine") == []
    assert len(await media.left(event, "clean")) == len(checked.files)


class Crash(Exception):  # noqa: N818 - it is none
    """Stands for SIGKILL: nothing after it is done."""


async def test_nothing_is_decided_while_kafka_is_away(media: Media) -> None:
    event = await media.uploaded(clips.sound(), "audio/mpeg")
    media.sent.away = True
    with pytest.raises(TransientFault):
        await media.take(event)
    assert (await media.store.known(event)).state is None
    media.sent.away = False
    await media.take(event)
    assert media.decision(event) == ("accepted", None)
    assert len(await media.left(event, "clean")) == 1, "of the first try nothing is left"


async def test_a_crash_after_publishing_sends_the_same_again(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    event = await media.uploaded(clips.mp4())
    send = media.sent.send

    async def sent_and_dead(records: Any) -> None:
        await send(records)
        raise Crash

    with monkeypatch.context() as dying:
        dying.setattr(media.sent, "send", sent_and_dead)
        with pytest.raises(Crash):
            await media.take(event)
    await media.take(event)
    assert [checked.identity() for checked in media.checked(event)] == [media.checked(event)[0].identity()] * 2
    first, second = media.submitted(event)
    assert first == second
    assert [action for action, _ in await media.audit(event)] == ["accepted", "deleted originals"]


async def test_a_crash_before_originals_are_deleted_leaves_none(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    event = await media.uploaded(clips.mp4())

    async def dead(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as dying:
        dying.setattr(media.handler, "_clear", dead)
        with pytest.raises(Crash):
            await media.take(event)
    assert len(await media.left(event, "quarantine")) == 1
    await media.take(event)
    assert await media.left(event, "quarantine") == []
    assert media.submitted(event)[0] == media.submitted(event)[1]
    assert ("deleted originals", 1) in await media.audit(event)


async def test_a_bucket_that_is_away_keeps_the_upload_waiting(media: Media) -> None:
    event = await media.uploaded(clips.sound(), "audio/mpeg")
    endpoint = media.bucket._endpoint
    away = type(media.bucket)("http://127.0.0.1:9", "a", "b", media.bucket.bucket)
    media.checker._bucket = away
    with pytest.raises(TransientFault):
        await media.take(event)
    assert media.checked(event) == []
    assert endpoint != away._endpoint
    media.checker._bucket = media.bucket
    await media.take(event)
    assert media.decision(event) == ("accepted", None)


async def test_withdrawal_deletes_every_version_and_proves_it(media: Media) -> None:
    event = await media.check(clips.mp4(), captions=VTT)
    await media.put(f"clean/{event.media_id}/recording", b"another version", "video/mp4")
    kept = len(await media.left(event, "clean"))
    assert kept == 4
    await media.withdraw(event.feedback.feedback_id)
    assert await media.left(event, "clean") == []
    assert await media.left(event, "quarantine") == []
    assert media.checked(event)[-1].state == "erased"
    assert ("erased: withdrawn", kept) in await media.audit(event)
    sent = len(media.sent.events)
    await media.withdraw(event.feedback.feedback_id)
    await media.take(event)
    assert len(media.sent.events) == sent, "a replay of either changes nothing"


async def test_a_withdrawal_that_comes_first_wins(media: Media) -> None:
    event = await media.uploaded(clips.mp4())
    await media.withdraw(event.feedback.feedback_id)
    await media.take(event)
    assert media.decision(event) == ("erased", "withdrawn")
    assert media.submitted(event) == []
    assert await media.left(event, "quarantine") == []
    assert ("erased: withdrawn", 1) in await media.audit(event)


async def test_a_withdrawal_while_the_film_is_checked_wins(media: Media) -> None:
    event = await media.uploaded(clips.mp4())
    check = media.checker.check

    async def overtaken(asked: Any) -> Any:
        found = await check(asked)
        await media.withdraw(event.feedback.feedback_id)
        return found

    media.checker.check = overtaken  # type: ignore[method-assign,assignment]
    await media.take(event)
    assert media.submitted(event) == []
    assert [checked.state for checked in media.checked(event)] == ["erased"]
    assert await media.left(event, "clean") == []


async def test_retention_erases_by_the_clock(media: Media) -> None:
    event = await media.check(clips.sound(), "audio/mpeg", retention_days=30)
    media.now = later(29.9)
    await media.retention.turn()
    assert len(await media.left(event, "clean")) == 1
    media.now = later(30.1)
    await media.retention.turn()
    assert await media.left(event, "clean") == []
    assert [(checked.state, checked.reason) for checked in media.checked(event)][-1] == ("erased", "retention_over")
    assert ("erased: retention_over", 1) in await media.audit(event)


async def test_what_nobody_decides_about_is_rejected_in_time(media: Media) -> None:
    event = await media.check(clips.mp4(), consent=MediaConsent())
    media.now = later(media.settings.media_held_days + 0.1)
    await media.retention.turn()
    assert media.checked(event)[-1].reason == Reason.NOT_RESOLVED_IN_TIME.value
    assert await media.left(event, "quarantine") == []
    assert await media.store.held() == []


async def test_a_new_version_replaces_the_old_one(media: Media) -> None:
    event = await media.check(b"no film at all")
    assert media.decision(event) == ("rejected", "wrong_type")
    better = clips.mp4()
    again = await media.uploaded(better)
    file = again.files[0].model_copy(update={"object_key": event.files[0].object_key})
    await media.put(file.object_key, better, "video/mp4")
    newer = event.model_copy(update={"files": (file,), "feedback": event.feedback.model_copy(update={"version": 2})})
    await media.take(newer)
    assert [checked.state for checked in media.checked(event)] == ["rejected", "accepted"]
    await media.take(event)
    assert len(media.checked(event)) == 2, "the old one says nothing any more"


async def test_no_file_is_left_on_the_disk_and_no_process_behind(media: Media) -> None:
    await media.check(clips.mp4())
    await media.check(b"no film at all")
    assert list((media.scratch / "scratch").iterdir()) == []
    assert not processes.running(PYTHON)


async def test_what_a_killed_check_left_on_the_disk_is_removed(media: Media) -> None:
    scratch = media.scratch / "scratch"
    for name, age in (("heed-media-old", 3_700), ("heed-media-new", 60), ("somebody-elses", 3_700)):
        (scratch / name).mkdir()
        (scratch / name / "recording").write_bytes(b"words")
        os.utime(scratch / name, (time.time() - age,) * 2)
    await media.retention.turn()
    assert {path.name for path in scratch.iterdir()} == {"heed-media-new", "somebody-elses"}


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ([{"text": "", "chunks": [{"timestamp": [0.5, 1.5], "text": "They were kind"}]}], ["They were kind"]),
        (None, []),
    ],
    ids=["a model", "a model that fails"],
)
async def test_speech_is_recognised_where_a_model_is_named(
    media: Media, monkeypatch: pytest.MonkeyPatch, says: list[dict[str, Any]] | None, words: list[str]
) -> None:
    monkeypatch.setattr("services.media.checking.SPEECH", "tests.stub_speech")
    if says is not None:
        (media.scratch / "says.json").write_text(json.dumps(says), encoding="utf-8")
    media.checker._settings = media.settings.model_copy(update={"media_speech_model": media.scratch})
    event = await media.check(clips.sound(), "audio/mpeg")
    (feedback,) = media.submitted(event)
    assert [segment.text for segment in feedback.transcript] == words
    assert media.checked(event)[0].transcript == ("speech" if words else None)
