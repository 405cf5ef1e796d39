"""What should never have been uploaded: a clear reason each, nothing left in quarantine, and the next one goes well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from services.media.sandbox import Decoder
from tests import clips
from tests.integration.media_stage import media, media_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.media_stage import Media

pytestmark = pytest.mark.integration

__all__ = ["media", "media_url"]

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><html><script>alert(1)</script></html>"
CUE = b"00:00:00.000 --> 00:00:01.000\nkind\n\n"


@dataclass(frozen=True)
class Bad:
    """A file, what it is declared to be, and what is to be made of it."""

    reason: str
    make: Callable[[], bytes]
    content_type: str = "video/mp4"
    given: dict[str, Any] = field(default_factory=dict)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


CASES = {
    "another checksum": Bad("wrong_checksum", clips.mp4, given={"wrong": {"sha256": "0" * 64}}),
    "larger than declared": Bad("wrong_size", clips.mp4, given={"wrong": {"size": 1_000}}),
    "smaller than declared": Bad("wrong_size", clips.mp4, given={"wrong": {"size": 10_000_000}}),
    "ten gigabytes' worth declared, one byte sent": Bad("wrong_size", lambda: b"x", given={"wrong": {"size": 2**31}}),
    "zero bytes": Bad("empty_file", lambda: b""),
    "another type": Bad("wrong_type", clips.webm),
    "sound called a film": Bad("wrong_type", lambda: clips.sound("ipod", "aac")),
    "a film called sound": Bad("wrong_type", clips.mp4, "audio/mp4"),
    "a type that is not taken in": Bad("wrong_type", clips.mp4, "application/zip", {"kind": "video"}),
    "a zip named mp4": Bad("wrong_type", clips.zipped),
    "a film and a zip": Bad("polyglot", lambda: clips.mp4() + clips.zipped()),
    "a picture and a zip": Bad("polyglot", lambda: clips.photo() + clips.zipped(), "image/jpeg"),
    "a film and a page": Bad("polyglot", lambda: clips.mp4() + HTML),
    "SVG with script": Bad("wrong_type", lambda: SVG, "image/png"),
    "HTML with script": Bad("wrong_type", lambda: HTML),
    "a playlist": Bad("wrong_type", lambda: b"#EXTM3U\nfile:///etc/passwd\n"),
    "a film cut off": Bad("truncated", lambda: half(clips.mp4())),
    "a webm cut off": Bad("truncated", lambda: half(clips.webm()), "video/webm"),
    "a photo cut off": Bad("truncated", lambda: half(clips.photo()), "image/jpeg"),
    "noise behind a signature": Bad("not_readable", lambda: b"OggS" + bytes(5_000), "audio/ogg"),
    "a picture of billions of pixels": Bad("too_many_pixels", clips.bomb, "image/png"),
    "a film of too many pixels": Bad("too_many_pixels", lambda: clips.mp4(size=(4608, 2592), seconds=0.2)),
    "captions that are a page": Bad("wrong_type", clips.mp4, given={"captions": HTML}),
    "captions of no format": Bad("wrong_type", clips.mp4, given={"captions": b"The nurses were kind."}),
    "captions without a cue": Bad("captions_unreadable", clips.mp4, given={"captions": b"WEBVTT\n\nNOTE nothing\n"}),
    "a million cues": Bad("too_many_cues", clips.mp4, given={"captions": b"WEBVTT\n\n" + CUE * 1_000_000}),
}


@pytest.mark.parametrize("bad", CASES.values(), ids=CASES.keys())
async def test_it_is_rejected_with_a_reason_and_removed(media: Media, bad: Bad) -> None:
    event = await media.check(bad.make(), bad.content_type, written="We waited for hours.", **bad.given)
    assert media.decision(event) == ("rejected", bad.reason)
    assert await media.left(event, "quarantine") == []
    assert await media.left(event, "clean") == []
    (feedback,) = media.submitted(event)
    assert (feedback.text, feedback.media, feedback.transcript) == ("We waited for hours.", (), ())


async def test_a_file_that_never_came_is_told(media: Media) -> None:
    event = await media.check(None)
    assert media.decision(event) == ("rejected", "file_missing")
    assert media.submitted(event) == [], "nothing was written beside it"


async def test_a_file_that_another_uploaded_cannot_be_claimed(media: Media) -> None:
    theirs = await media.uploaded(clips.sound(), "audio/mpeg")
    event = await media.check(None, "audio/mpeg", wrong={"object_key": theirs.files[0].object_key})
    assert media.decision(event) == ("rejected", "file_missing")
    assert len(await media.left(theirs, "quarantine")) == 1


@pytest.mark.parametrize(
    ("memory", "seconds", "reasons"),
    [(1 << 30, 0.05, {"took_too_long"}), (110 << 20, 30, {"too_much_memory", "decoder_ended"})],
    ids=["time", "memory"],
)
async def test_a_decoding_process_that_reaches_a_limit_costs_that_upload_alone(
    media: Media, memory: int, seconds: float, reasons: set[str]
) -> None:
    whole = media.checker._decoder
    media.checker._decoder = Decoder(memory, seconds)
    event = await media.check(clips.mp4())
    state, reason = media.decision(event)
    assert (state, reason in reasons) == ("rejected", True), reason
    assert await media.left(event, "quarantine") == []
    media.checker._decoder = whole
    assert media.decision(await media.check(clips.mp4())) == ("accepted", None)


async def test_a_disk_that_is_full_keeps_the_upload_waiting(media: Media) -> None:
    (media.scratch / "scratch").rmdir()
    event = await media.uploaded(clips.sound(), "audio/mpeg")
    with pytest.raises(Exception, match="HEED_MEDIA_SCRATCH") as raised:
        await media.take(event)
    assert type(raised.value).__name__ == "TransientFault"
    assert media.checked(event) == []
