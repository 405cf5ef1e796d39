"""What is left of a recording after it was cleaned: what can be seen and heard, and nothing that was said about it."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition

from services.media.decoding import found
from services.media.findings import POSTER, RECORDING, SOUND, Finding, Task
from services.media.images import orientation
from services.media.reasons import Reason, Refused
from services.media.recordings import without_comments
from services.media.signatures import CONTENT_TYPES
from tests import clips


def decoded(folder: Path, content: bytes, content_type: str, **given: Any) -> Finding:
    """A task done in this process: what is tried here is not crafted."""
    (folder / "uploaded").write_bytes(content)
    (folder / "out").mkdir(exist_ok=True)
    expected = CONTENT_TYPES[content_type]
    task = {
        "kind": expected.purpose,
        "recording": str(folder / "uploaded"),
        "format": expected.format,
        "folder": str(folder / "out"),
        "most_seconds": 60,
        "decode_seconds": 10,
        **given,
    }
    return found(Task.model_validate(task))


def clean(folder: Path, name: str = RECORDING) -> bytes:
    return (folder / "out" / name).read_bytes()


def streams(content: bytes) -> list[tuple[str, str, int]]:
    with av.open(io.BytesIO(content), "r") as container:
        return [
            (one.type, one.codec_context.name, sum(1 for _ in demuxed(content, one.index))) for one in container.streams
        ]


def demuxed(content: bytes, index: int) -> list[bytes]:
    with av.open(io.BytesIO(content), "r") as container:
        return [bytes(packet) for packet in container.demux(container.streams[index]) if packet.dts is not None]


FILMS = {"video/mp4": clips.mp4, "video/quicktime": clips.mov, "video/webm": clips.webm}
SOUNDS = {
    "audio/mpeg": clips.sound,
    "audio/mp4": lambda: clips.sound("ipod", "aac"),
    "audio/ogg": lambda: clips.sound("ogg", "libopus"),
    "audio/wav": clips.wav,
}


@pytest.mark.parametrize("content_type", [*FILMS, *SOUNDS])
def test_streams_are_copied_bit_by_bit_and_nothing_else_is(tmp_path: Path, content_type: str) -> None:
    original = (FILMS | SOUNDS)[content_type]()
    finding = decoded(tmp_path, original, content_type)
    copy = clean(tmp_path)
    assert streams(copy) == streams(original)
    for index in range(len(streams(original)[:2])):  # of subtitles, containers write the gaps as they like
        assert demuxed(copy, index) == demuxed(original, index)
    assert not any(trace in copy for trace in clips.TRACES)
    assert finding.seconds is not None
    assert (finding.words_from, len(finding.transcript)) == (("embedded", 3) if content_type in FILMS else (None, 0))


def test_chapters_covers_and_data_stay_behind(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as target, av.open(io.BytesIO(clips.mp4(words=())), "r") as source:
        second = Fraction(1, 1)
        target.set_chapters([{"id": 1, "start": 0, "end": 1, "time_base": second, "metadata": {"title": "Jane"}}])
        places = {one.index: target.add_stream_from_template(one) for one in source.streams}
        cover: Any = target.add_mux_stream("mjpeg", width=64, height=48)
        cover.disposition = Disposition.attached_pic
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = places[packet.stream.index]
                target.mux(packet)
        picture = av.Packet(clips.photo())
        picture.stream, picture.pts, picture.dts = cover, 0, 0
        target.mux(picture)
    original = buffer.getvalue()
    assert b"PearPhone" in original
    assert b"Jane" in original
    decoded(tmp_path, original, "video/mp4")
    copy = clean(tmp_path)
    assert [name for _, name, _ in streams(copy)] == ["h264", "aac"]
    assert not any(trace in copy for trace in clips.TRACES)


@pytest.mark.parametrize("upright", range(1, 9))
def test_a_photo_is_turned_upright_and_tells_nothing_else(tmp_path: Path, upright: int) -> None:
    original = clips.photo(upright)
    assert b"PearPhone" in original
    decoded(tmp_path, original, "image/jpeg")
    copy = clean(tmp_path)
    assert not any(mark in copy for mark in (b"Exif", b"Lavc", *clips.TRACES))
    with av.open(io.BytesIO(copy), "r", format="jpeg_pipe") as container:
        frame: Any = next(container.decode(video=0))
    assert (frame.width, frame.height) == ((64, 48) if upright < 5 else (48, 64))
    line, plane = frame.planes[0].line_size, bytes(frame.planes[0])
    left, right = plane[line * 24 + 2], plane[line * 24 + frame.width - 3]
    top, bottom = plane[line * 2 + 20], plane[line * (frame.height - 3) + 20]
    # The darker half, left as the camera saw it, comes to lie where the tag says it was.
    darker = {1: left < right, 2: left > right, 3: left > right, 4: left < right}
    darker |= {5: top < bottom, 6: top < bottom, 7: top > bottom, 8: top > bottom}
    assert darker[upright], (left, right, top, bottom)


@pytest.mark.parametrize("format_", ["png", "webp"])
def test_a_picture_keeps_its_size_and_look(tmp_path: Path, format_: str) -> None:
    original = clips.picture(format_)
    decoded(tmp_path, original, f"image/{format_}")
    with (
        av.open(io.BytesIO(original), "r", format=f"{format_}_pipe") as before,
        av.open(io.BytesIO(clean(tmp_path)), "r", format=f"{format_}_pipe") as after,
    ):
        one: Any = next(before.decode(video=0))
        other: Any = next(after.decode(video=0))
    assert (one.width, one.height) == (other.width, other.height)
    line = one.planes[0].line_size
    assert abs(bytes(one.planes[0])[line * 20 + 3] - bytes(other.planes[0])[line * 20 + 3]) < 8


def test_what_a_codecs_own_headers_say_stays_behind(tmp_path: Path) -> None:
    original = clips.tagged_vorbis()
    assert b"Jane" in original
    decoded(tmp_path, original, "video/webm")
    copy = clean(tmp_path)
    assert b"Jane" not in copy
    assert streams(copy) == streams(original)
    with av.open(io.BytesIO(copy), "r") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 40_000, "it can still be heard"


@pytest.mark.parametrize(
    "headers", [b"", b"\x02", b"\x02\x1e\xff", b"\x02\x01\x01ab\x05vorbix", b"\x01\x00\x00\x05vorbis"]
)
def test_headers_of_vorbis_that_make_no_sense_are_refused(headers: bytes) -> None:
    with pytest.raises(Refused):
        without_comments(headers)


def test_what_follows_a_photo_is_not_kept(tmp_path: Path) -> None:
    decoded(tmp_path, clips.photo() + clips.mp4(seconds=0.2), "image/jpeg")
    assert b"ftyp" not in clean(tmp_path)


def test_a_poster_is_made_only_where_it_is_wanted(tmp_path: Path) -> None:
    assert decoded(tmp_path, clips.mp4(), "video/mp4").poster is False
    assert not (tmp_path / "out" / POSTER).exists()
    assert decoded(tmp_path, clips.mp4(), "video/mp4", poster=True).poster is True
    assert clean(tmp_path, POSTER).startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(("rotation", "dark"), [(-90, "top"), (90, "bottom"), (180, "right")])
def test_a_film_keeps_how_it_is_turned_and_its_poster_is_upright(tmp_path: Path, rotation: int, dark: str) -> None:
    decoded(tmp_path, clips.portrait("mp4", "libx264", rotation), "video/mp4", poster=True)
    with av.open(io.BytesIO(clean(tmp_path)), "r") as container:
        assert abs(next(container.decode(video=0)).rotation) == abs(rotation)
    with av.open(io.BytesIO(clean(tmp_path, POSTER)), "r", format="jpeg_pipe") as container:
        frame: Any = next(container.decode(video=0))
    plane, line = bytes(frame.planes[0]), frame.planes[0].line_size
    at = {"top": line * 3 + 20, "bottom": line * (frame.height - 4) + 20, "right": line * 20 + frame.width - 4}
    other = {"top": "bottom", "bottom": "top", "right": "left"}[dark]
    at["left"] = line * 20 + 3
    assert plane[at[dark]] < 80 < plane[at[other]]


def test_a_phones_hevc_keeps_the_tag_that_its_players_want(tmp_path: Path) -> None:
    decoded(tmp_path, clips.portrait(), "video/quicktime")
    with av.open(io.BytesIO(clean(tmp_path)), "r") as container:
        assert (container.streams[0].codec_context.name, container.streams[0].codec_tag) == ("hevc", "hvc1")


def live(content: bytes) -> bytes:
    """A webm as a browser records it: it says nowhere how long it is."""
    buffer = io.BytesIO()
    with (
        av.open(io.BytesIO(content), "r") as source,
        av.open(buffer, "w", format="webm", container_options={"live": "1"}) as target,
    ):
        places = {one.index: target.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = places[packet.stream.index]
                target.mux(packet)
    return buffer.getvalue()


def test_the_length_of_what_a_browser_records_is_found_and_limited(tmp_path: Path) -> None:
    recorded = live(clips.webm())
    with av.open(io.BytesIO(recorded), "r") as container:
        assert not container.duration
    assert abs((decoded(tmp_path, recorded, "video/webm").seconds or 0) - 6.0) < 0.2
    with pytest.raises(Refused) as refused:
        decoded(tmp_path, recorded, "video/webm", most_seconds=3)
    assert refused.value.reason is Reason.TOO_LONG


def test_samples_are_written_for_a_recording_without_words_alone(tmp_path: Path) -> None:
    assert decoded(tmp_path, clips.mp4(), "video/mp4", sound=True).sound is False
    assert decoded(tmp_path, clips.mp4(words=(), seconds=2.0), "video/mp4", sound=True).sound is True
    assert abs(len(clean(tmp_path, SOUND)) / 2 / 16_000 - 2.0) < 0.1


@pytest.mark.parametrize(
    ("content_type", "make", "given", "reason"),
    [
        ("video/mp4", clips.mp4, {"most_seconds": 3}, Reason.TOO_LONG),
        ("video/mp4", lambda: clips.film(codecs=("libx264", "ac3"), words=()), {}, Reason.CODEC_NOT_ALLOWED),
        ("video/mp4", clips.mp4, {"room": 10}, Reason.TRANSCRIPT_TOO_LONG),
        ("audio/mp4", clips.mp4, {}, Reason.WRONG_TYPE),
        ("image/png", clips.bomb, {}, Reason.TOO_MANY_PIXELS),
    ],
    ids=["long", "codec", "words", "kind", "pixels"],
)
def test_what_is_above_a_limit_is_refused(
    tmp_path: Path, content_type: str, make: Any, given: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        decoded(tmp_path, make(), content_type, **given)
    assert refused.value.reason is reason


@pytest.mark.parametrize("number", range(1, 9))
def test_how_a_camera_was_held_is_read(number: int) -> None:
    assert orientation(clips.photo(number)) == number


@pytest.mark.parametrize("block", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0XX*\0\0\0\0\0"])
def test_exif_that_makes_no_sense_means_upright(block: bytes) -> None:
    assert orientation(b"\xff\xd8" + block) == 1
