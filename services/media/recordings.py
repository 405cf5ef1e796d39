"""Films and sound: looked into, tried, and copied without what is said about them. Runs in the decoding process.

Packets are copied as they are (a remux): nothing loses quality, and of the container nothing is kept but the streams.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from services.media.cues import Cue
from services.media.frames import HELD, bare, jpeg, turned
from services.media.reasons import Reason, Refused
from services.media.signatures import Format

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

_DEMUXERS = {
    Format.MP4: "mov",
    Format.MOV: "mov",
    Format.WEBM: "matroska",
    Format.MP3: "mp3",
    Format.OGG: "ogg",
    Format.WAV: "wav",
}
_MUXERS = {**{format_: format_.value for format_ in _DEMUXERS}, Format.MP4: "mp4"}
"""FFmpeg's names. A demuxer is always named: one that FFmpeg chose could be a playlist, which opens other files."""

CODECS = {
    "video": frozenset({"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4"}),
    "audio": frozenset(
        {"aac", "mp3", "mp3float", "opus", "vorbis", "flac", "alac"}
        | {"pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"}
    ),
    "subtitle": frozenset({"mov_text", "webvtt", "subrip", "srt", "text"}),
}
"""What is decoded at all; each decoder fewer is one way in fewer."""

_NO_COMMENT = b"\x03vorbis" + bytes(8) + b"\x01"
"""A comment header of Vorbis in which nothing is said."""

MOST_PIXELS = 4096 * 2304
"""Of one frame of a film: what phones call 4K."""
MOST_STREAMS = {"video": 1, "audio": 4, "subtitle": 8}
MOST_STREAMS_IN_ALL = 24
MOST_PACKETS = 1_000_000
TRIED = 200
"""Frames of a stream that are decoded to see whether they can be."""
POSTER_WIDTH = 640
BLACK_UNTIL = 1.0
"""Seconds in which a film often shows nothing yet, or a hand."""
SAMPLE_RATE = 16_000
"""Hertz of the samples that speech is recognised from: what every model of the kind is trained on."""
BITEXACT = 0x0400
"""AVFMT_FLAG_BITEXACT: no date and no name of the writer."""


@dataclass(slots=True)
class Recording:
    """An open film or sound recording whose streams were looked at."""

    container: InputContainer
    kept: list[Stream]
    seconds: float


@contextmanager
def looked_into(path: Path, format_: Format, kind: str, most_seconds: float) -> Iterator[Recording]:
    """Open a recording at its very start, and look at its streams; a seek would pass what comes before zero.

    Raises:
        Refused: see `opened` and `examined`.
    """
    with closing(opened(path, format_)) as container:
        yield examined(container, kind, most_seconds)


def opened(path: Path, format_: Format) -> InputContainer:
    """Open it as this format and no other.

    Raises:
        Refused: it is not readable as that.
    """
    try:
        return av.open(
            str(path),
            "r",
            format=_DEMUXERS[format_],
            container_options={"protocol_whitelist": "file", "enable_drefs": "0", "max_streams": "64"}
            if _DEMUXERS[format_] == "mov"
            else {"protocol_whitelist": "file", "max_streams": "64"},
            metadata_errors="replace",
        )
    except (FFmpegError, ValueError):
        raise Refused(Reason.NOT_READABLE) from None


def examined(container: InputContainer, kind: str, most_seconds: float) -> Recording:
    """Look at the streams, before anything is decoded.

    Raises:
        Refused: they are too many, too large, too long, not of this kind, or of a codec that is not taken in.
    """
    if len(container.streams) > MOST_STREAMS_IN_ALL:
        raise Refused(Reason.TOO_MANY_STREAMS)
    kept = [stream for stream in container.streams if stream.type in CODECS and not _is_cover(stream)]
    by_type = {type_: [stream for stream in kept if stream.type == type_] for type_ in CODECS}
    if any(len(by_type[type_]) > most for type_, most in MOST_STREAMS.items()):
        raise Refused(Reason.TOO_MANY_STREAMS)
    if bool(by_type["video"]) != (kind == "video") or not (by_type["video"] or by_type["audio"]):
        raise Refused(Reason.WRONG_TYPE)
    for stream in kept:
        _examine(stream)
    seconds = (container.duration or 0) / 1_000_000
    if seconds > most_seconds:
        raise Refused(Reason.TOO_LONG)
    return Recording(container, kept, seconds)


def _is_cover(stream: Stream) -> bool:
    """A picture of the album: it may have been taken anywhere, and says so in its own data."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _examine(stream: Stream) -> None:
    context: Any = stream.codec_context
    if context is None or context.name not in CODECS[stream.type]:
        raise Refused(Reason.CODEC_NOT_ALLOWED)
    if stream.type == "video":
        if context.width * context.height > MOST_PIXELS:
            raise Refused(Reason.TOO_MANY_PIXELS)
        if context.width <= 0 or context.height <= 0:
            raise Refused(Reason.NOT_READABLE)


def tried(recording: Recording, budget: float, poster: Path | None = None) -> bool:
    """Decode some of each stream: key frames of the film, the beginning of the sound.

    Args:
        recording: afterwards it is anywhere.
        budget: seconds after which no more are tried.
        poster: where a still picture goes, if one is wanted.

    Returns:
        Whether the still picture was made.

    Raises:
        Refused: nothing of a stream can be decoded.
    """
    until = time.monotonic() + budget
    shown = False
    for stream in recording.kept:
        if stream.type == "subtitle":
            continue
        picture = _Poster(poster) if stream.type == "video" and poster is not None else None
        decoded = 0
        for frame in _frames(recording.container, stream):
            decoded += 1
            if picture is not None:
                picture.offer(frame)
            if decoded >= TRIED or time.monotonic() > until:
                break
        if decoded == 0:
            raise Refused(Reason.NOT_READABLE)
        shown = shown or picture is not None
    return shown


class _Poster:
    """Takes the first key frame in which something is to be seen, else the first of all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = False

    def offer(self, frame: Any) -> None:
        late = (frame.time or 0.0) >= BLACK_UNTIL
        if self._found or (not late and self._path.exists()):
            return
        self._found = late
        width = min(POSTER_WIDTH, frame.width)
        height = max(2, round(frame.height * width / frame.width))
        small = frame.reformat(width=width, height=height, format="yuvj420p")
        self._path.write_bytes(jpeg(bare(turned(small, HELD.get(frame.rotation, 1)))))


def _frames(container: InputContainer, stream: Any) -> Iterator[Any]:
    """Frames that can be decoded; damaged packets between them are passed over, as players do."""
    stream.codec_context.thread_type = "NONE"
    if stream.type == "video":
        stream.codec_context.skip_frame = "NONKEY"
    container.seek(container.start_time or 0)
    packets = container.demux(stream)
    bad = 0
    while bad < TRIED:
        try:
            packet = next(packets)
            yield from packet.decode()
        except StopIteration:
            return
        except FFmpegError:
            bad += 1


def copied(recording: Recording, path: Path, format_: Format, most_seconds: float) -> list[Cue]:
    """Write the kept streams of a recording at its start to a new file, and read the subtitles on the way.

    Left behind are the container's and the streams' metadata (place, device, author, title), chapters, covers,
    attachments, and streams of data such as a camera's positions.

    Returns:
        What the first subtitle track says.

    Raises:
        Refused: it has too many packets, ends before its streams do, or is longer than its header told.
    """
    container = recording.container
    subtitles = next((stream for stream in recording.kept if stream.type == "subtitle"), None)
    cues: list[Cue] = []
    last: dict[int, float] = {}
    number = 0
    options = {"movflags": "+faststart"} if _DEMUXERS[format_] == "mov" else {}
    with closing(av.open(str(path), "w", format=_MUXERS[format_], container_options=options)) as target:
        target.flags |= BITEXACT
        places = {stream.index: _place(target, stream) for stream in recording.kept}
        for packet in _packets(container, recording.kept):
            number += 1
            if number > MOST_PACKETS:
                raise Refused(Reason.TOO_MANY_FRAMES)
            end = float(((packet.pts or packet.dts) + (packet.duration or 0)) * packet.time_base)
            last[packet.stream.index] = max(end, last.get(packet.stream.index, 0.0))
            if packet.stream is subtitles and (cue := _cue(packet)):
                cues.append(cue)
            packet.stream = places[packet.stream.index]
            target.mux(packet)
    _measure(recording, max(last.values(), default=0.0), most_seconds)
    return cues


def _place(target: OutputContainer, stream: Stream) -> Any:
    """Room for a stream. How a film is turned goes along; so does the one tag without which Apple's do not play."""
    place: Any = target.add_stream_from_template(stream)
    if stream.type == "video" and stream.codec_tag == "hvc1":
        place.codec_tag = "hvc1"
    if stream.codec_context.name == "vorbis":
        place.codec_context.extradata = without_comments(stream.codec_context.extradata or b"")
    return place


def without_comments(headers: bytes) -> bytes:
    """The three headers of Vorbis, laced as in Matroska, with an empty second one: that is where its tags are.

    Raises:
        Refused: they are not what they should be (Vorbis I, 5.2; RFC 9559, 6.7).
    """
    sizes: list[int] = []
    at = 1
    while len(sizes) < 2 and at < len(headers):
        size = 0
        while at < len(headers) and headers[at] == 255:
            size, at = size + 255, at + 1
        sizes.append(size + sum(headers[at : at + 1]))
        at += 1
    setup = at + sum(sizes)
    if headers[:1] != b"\x02" or headers[setup : setup + 7] != b"\x05vorbis" or sizes[0] > 254:
        raise Refused(Reason.NOT_READABLE)
    identity = headers[at : at + sizes[0]]
    return bytes([2, len(identity), len(_NO_COMMENT)]) + identity + _NO_COMMENT + headers[setup:]


def _packets(container: InputContainer, streams: list[Stream]) -> Iterator[Any]:
    try:
        for packet in container.demux(*streams):
            if packet.dts is not None and not packet.is_corrupt:
                yield packet
    except FFmpegError as error:
        raise Refused(Reason.TRUNCATED) from error


def _measure(recording: Recording, end: float, most_seconds: float) -> None:
    """What its header promised has come, give or take a second; where it told nothing, as in a browser, we know now."""
    told = recording.seconds
    recording.seconds = end - (recording.container.start_time or 0) / 1_000_000
    if recording.seconds < told * 0.9 - 1.5:
        raise Refused(Reason.TRUNCATED)
    if recording.seconds > most_seconds:
        raise Refused(Reason.TOO_LONG)


def _cue(packet: Any) -> Cue | None:
    raw = bytes(packet)
    if packet.stream.codec_context.name == "mov_text":  # a length, the text, then boxes with its style
        raw = raw[2 : 2 + int.from_bytes(raw[:2], "big")]
    text = raw.decode("utf-8", errors="replace").strip()
    if not text or packet.pts is None:
        return None
    start = float(packet.pts * packet.time_base)
    return Cue(max(0.0, start), max(0.0, start + float((packet.duration or 0) * packet.time_base)), text)


def samples(recording: Recording, path: Path) -> bool:
    """Write the first sound stream as bare samples: 16-bit, one channel, `SAMPLE_RATE`.

    Returns:
        Whether there is any sound.
    """
    stream: Any = next((stream for stream in recording.kept if stream.type == "audio"), None)
    if stream is None:
        return False
    written, kind, resampler = 0, None, None
    with path.open("wb") as file:
        for frame in _frames(recording.container, stream):
            if resampler is None or kind != (frame.format.name, frame.layout.name, frame.sample_rate):
                # A damaged stream changes what it is on the way, which a resampler does not follow.
                kind = (frame.format.name, frame.layout.name, frame.sample_rate)
                resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for piece in resampler.resample(frame):
                written += file.write(bytes(piece.planes[0])[: piece.samples * 2])
    return written > 0
