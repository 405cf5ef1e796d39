"""What a file is by its own bytes."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.reasons import Reason, Refused
from services.media.signatures import CONTENT_TYPES, Format, declared, inspect, picture_size, sniff
from tests import clips

MADE: dict[str, Callable[[], bytes]] = {
    "video/mp4": clips.mp4,
    "video/quicktime": clips.mov,
    "video/webm": clips.webm,
    "audio/mp4": lambda: clips.sound("ipod", "aac"),
    "audio/mpeg": clips.sound,
    "audio/ogg": lambda: clips.sound("ogg", "libopus"),
    "audio/wav": clips.wav,
    "image/jpeg": clips.photo,
    "image/png": lambda: clips.picture("png"),
    "image/webp": lambda: clips.picture("webp"),
    "text/vtt": lambda: b"\xef\xbb\xbfWEBVTT\n\n00:00.000 --> 00:01.000\nkind\n",
    "application/x-subrip": lambda: b"1\n00:00:00,000 --> 00:00:01,000\nkind\n",
}


def refusal(content: bytes, content_type: str) -> Reason | None:
    try:
        inspect(io.BytesIO(content), len(content), CONTENT_TYPES[content_type])
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize("content_type", MADE)
def test_what_encoders_write_is_known_for_what_it_is_and_for_nothing_else(content_type: str) -> None:
    content = MADE[content_type]()
    assert refusal(content, content_type) is None
    for other, expected in CONTENT_TYPES.items():
        if expected.format is not CONTENT_TYPES[content_type].format:
            assert refusal(content, other) is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"MZ\x90\x00",
        b"\x7fELF",
        b"%PDF-1.7",
        b"<svg/>",
        b"<!doctype html>",
        b"#EXTM3U\n",
        b"ffconcat version 1.0",
        b"GIF89a",
        b"RIFF\x00\x00\x00\x00AVI ",
        b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska",
        b"WEBVTTx",
        b"1\nkind",
    ],
)
def test_whatever_else_there_is_has_no_format(content: bytes) -> None:
    assert sniff(content) is None


@pytest.mark.parametrize("content_type", ["video/mp4", "video/webm", "image/jpeg", "audio/mpeg", "text/vtt"])
def test_a_zip_at_the_end_makes_it_two_files(content_type: str) -> None:
    assert refusal(MADE[content_type]() + clips.zipped(), content_type) is Reason.POLYGLOT


def test_a_box_of_its_makers_own_is_no_reason_to_refuse_a_film() -> None:
    assert refusal(clips.mp4() + b"\x00\x00\x00\x10sefd12345678", "video/mp4") is None


def test_a_pdf_in_the_first_kilobyte_makes_it_two_files() -> None:
    assert refusal(b"\xff\xd8\xff\xfe\x00\x0a%PDF-1.7" + clips.picture()[2:], "image/jpeg") is Reason.POLYGLOT


@pytest.mark.parametrize("content_type", ["video/mp4", "video/webm", "image/png", "image/webp", "audio/wav"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_file_that_ends_early_is_told(content_type: str, share: float) -> None:
    content = MADE[content_type]()
    assert refusal(content[: int(len(content) * share)], content_type) is Reason.TRUNCATED


def test_what_a_phone_puts_behind_a_photo_is_no_reason_to_refuse_it() -> None:
    assert refusal(clips.photo() + clips.mp4(seconds=0.2), "image/jpeg") is None


@given(st.binary(max_size=400))
def test_no_bytes_at_all_break_it(content: bytes) -> None:
    for content_type in CONTENT_TYPES:
        refusal(content, content_type)
    for format_ in (Format.JPEG, Format.PNG, Format.WEBP):
        picture_size(content, format_)


@given(st.sampled_from(sorted(MADE)), st.data())
def test_no_changed_byte_breaks_it(content_type: str, data: st.DataObject) -> None:
    content = bytearray(MADE_ONCE[content_type])
    at = data.draw(st.integers(0, min(len(content), 4_000) - 1))
    content[at] = data.draw(st.integers(0, 255))
    refusal(bytes(content), content_type)


MADE_ONCE = {content_type: make() for content_type, make in MADE.items()}


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp"])
def test_the_size_of_a_picture_is_read_without_decoding_it(format_: str) -> None:
    assert picture_size(clips.picture(format_, (66, 50)), Format(format_)) == (66, 50)


def test_the_size_of_a_bomb_is_read_too() -> None:
    assert picture_size(clips.bomb(60_000), Format.PNG) == (60_000, 60_000)


@pytest.mark.parametrize("content_type", ["video/webm;codecs=vp8,opus", "VIDEO/WEBM", " video/webm "])
def test_parameters_of_a_content_type_do_not_matter(content_type: str) -> None:
    assert declared(content_type, "video").format is Format.WEBM


@pytest.mark.parametrize(("content_type", "purpose"), [("video/mp4", "audio"), ("text/html", "video"), ("", "image")])
def test_a_content_type_for_something_else_is_refused(content_type: str, purpose: str) -> None:
    with pytest.raises(Refused):
        declared(content_type, purpose)  # type: ignore[arg-type]
