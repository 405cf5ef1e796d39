"""A short film of the sample: a moving pattern, a tone, and words with their times. Made when it is needed."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RATE = 10
"""Frames a second."""

SOUND_RATE = 48_000

WORDS = (
    (0.0, 2.0, "The nurses on the ward were kind and explained everything."),
    (2.0, 4.5, "We waited three hours and nobody told us why."),
    (4.5, 6.0, "A seat in the corridor would have helped."),
)
"""Start and end in seconds, and what is said."""


def film(
    words: Sequence[tuple[float, float, str]] = WORDS,
    *,
    format_: str = "mp4",
    codecs: tuple[str, str] = ("libx264", "aac"),
    size: tuple[int, int] = (160, 120),
    seconds: float = 6.0,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A film with sound, and with a subtitle track where there are words.

    Args:
        words: of the track.
        format_: FFmpeg's name of the container.
        codecs: FFmpeg's names of the encoders of picture and sound.
        size: of the picture, in pixels.
        seconds: how long it is.
        metadata: of the container: title, place, device.
    """
    buffer = io.BytesIO()
    options = {"movflags": "use_metadata_tags"} if format_ in {"mp4", "mov"} else {}
    with av.open(buffer, "w", format=format_, container_options=options) as target:
        target.metadata.update(metadata or {})
        picture: Any = target.add_stream(codecs[0], rate=RATE)
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        sound: Any = target.add_stream(codecs[1], rate=SOUND_RATE)
        sound.layout = "mono"
        track = target.add_mux_stream("webvtt" if format_ == "webm" else "mov_text") if words else None
        _draw(target, picture, round(seconds * RATE))
        _sound(target, sound, seconds)
        if track is not None:
            _write(target, track, words, counted=format_ != "webm")
    return buffer.getvalue()


def _draw(target: Any, stream: Any, frames: int) -> None:
    for number in range(frames):
        frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
        for place, plane in enumerate(frame.planes):
            plane.update(bytes([(number * 7 + place * 60) % 250]) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))


def _sound(target: Any, stream: Any, seconds: float) -> None:
    """A low tone, as a voice is, so that an encoder has something to do."""
    wave = [round(6_000 * math.sin(2 * math.pi * 200 * at / SOUND_RATE)) for at in range(SOUND_RATE // 200)]
    tone = b"".join(value.to_bytes(2, "little", signed=True) for value in wave)
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=SOUND_RATE, frame_size=960)
    done = 0
    while done < seconds * SOUND_RATE:
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, done, Fraction(1, SOUND_RATE)
        frame.planes[0].update((tone * 4)[: 960 * 2].ljust(frame.planes[0].buffer_size, b"\0"))
        done += 960
        for ready in resampler.resample(frame):
            target.mux(stream.encode(ready))
    target.mux(stream.encode(None))


def _write(target: Any, track: Any, words: Sequence[tuple[float, float, str]], *, counted: bool) -> None:
    for start, end, said in words:
        raw = said.encode()
        packet = av.Packet(len(raw).to_bytes(2, "big") + raw if counted else raw)
        packet.stream, packet.time_base = track, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        target.mux(packet)
