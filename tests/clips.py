"""Films, sound and pictures as patients send them, with what phones write into them; and crafted ones."""

from __future__ import annotations

import io
import struct
import wave
import zipfile
import zlib
from fractions import Fraction
from typing import Any

import av

from deploy.sample.clip import WORDS, film

SECRETS = {
    "title": "Ward round with Jane",
    "artist": "Jane Example",
    "location": "+51.5074-000.1278/",
    "com.apple.quicktime.location.ISO6709": "+51.5074-000.1278/",
    "make": "Pear",
    "model": "PearPhone 9",
}
TRACES = (b"51.5074", b"Jane", b"PearPhone", b"Ward round")
"""What none of must be in a clean file."""

__all__ = ["SECRETS", "TRACES", "WORDS", "film"]


def mp4(**given: Any) -> bytes:
    return film(metadata=SECRETS, **given)


def mov(**given: Any) -> bytes:
    return film(format_="mov", metadata=SECRETS, **given)


def webm(**given: Any) -> bytes:
    return film(format_="webm", codecs=("libvpx-vp9", "libopus"), metadata=SECRETS, **given)


def sound(format_: str = "mp3", encoder: str = "libmp3lame", seconds: float = 3.0) -> bytes:
    """A recording of silence with tags."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format_) as target:
        target.metadata.update({"title": "Ward round with Jane", "artist": "Jane Example"})
        stream: Any = target.add_stream(encoder, rate=48_000)
        stream.layout = "mono"
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=48_000, frame_size=960)
        for number in range(int(seconds * 50)):
            frame = av.AudioFrame(format="s16", layout="mono", samples=960)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
            frame.planes[0].update(bytes(frame.planes[0].buffer_size))
            for ready in resampler.resample(frame):
                target.mux(stream.encode(ready))
        target.mux(stream.encode(None))
    return buffer.getvalue()


def wav(seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(16_000)
        target.writeframes(bytes(int(seconds * 16_000) * 2))
    return buffer.getvalue()


def picture(format_: str = "jpeg", size: tuple[int, int] = (64, 48)) -> bytes:
    """A grey picture, its left half darker, without anything beside it."""
    name, pixels = {"jpeg": ("mjpeg", "yuvj420p"), "png": ("png", "rgb24"), "webp": ("libwebp", "yuv420p")}[format_]
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, pixels
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame(*size, pixels)
    for plane in frame.planes:
        line = (b"\x20" * (plane.line_size // 2)).ljust(plane.line_size, b"\xc0")
        plane.update(line * (plane.buffer_size // plane.line_size))
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def exif(orientation: int) -> bytes:
    """A TIFF block as phones write it: how the camera was held, its name, and where it was (51.5074 north)."""
    model = b"PearPhone 9\0"
    gps_at = 8 + 2 + 3 * 12 + 4 + len(model)
    entries = [
        struct.pack("<HHI4s", 0x0112, 3, 1, struct.pack("<HH", orientation, 0)),
        struct.pack("<HHII", 0x0110, 2, len(model), 8 + 2 + 3 * 12 + 4),
        struct.pack("<HHII", 0x8825, 4, 1, gps_at),
    ]
    gps = struct.pack("<H", 1) + struct.pack("<HHI4s", 1, 2, 2, b"N\0\0\0") + struct.pack("<I", 0)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8) + directory + model + gps + b"51.5074"


def photo(orientation: int = 6) -> bytes:
    """A JPEG as a phone takes it, lying on its side."""
    plain, block = picture(), b"Exif\0\0" + exif(orientation)
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]


def bomb(side: int = 60_000) -> bytes:
    """A PNG of some bytes whose header promises billions of pixels."""
    plain = picture("png")
    header = plain[12:16] + struct.pack(">II", side, side) + plain[24:29]
    return plain[:12] + header + struct.pack(">I", zlib.crc32(header)) + plain[33:]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("run.js", "alert(1)")
    return buffer.getvalue()


def portrait(format_: str = "mov", codec: str = "libx265", rotation: int = -90) -> bytes:
    """A film as a phone takes it that is held upright: lying, darker on its left, and a note of how to turn it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format_) as target:
        stream: Any = target.add_stream(codec, rate=10, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(rotation)
        if codec == "libx265":
            stream.codec_context.codec_tag = "hvc1"
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                line = (b"\x20" * (plane.width // 2)).ljust(plane.width, b"\xc0").ljust(plane.line_size, b"\0")
                plane.update(line * plane.height)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return buffer.getvalue()


def tagged_vorbis() -> bytes:
    """A webm whose sound names somebody within its codec's own headers, where a container's tags are not."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as target:
        picture: Any = target.add_stream("libvpx-vp9", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound: Any = target.add_stream("vorbis", rate=48_000, options={"strict": "experimental"})
        sound.layout = "stereo"
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            target.mux(picture.encode(frame))
        for number in range(750):
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=64)
            silence.sample_rate, silence.pts, silence.time_base = 48_000, number * 64, Fraction(1, 48_000)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            target.mux(sound.encode(silence))
        target.mux([*picture.encode(None), *sound.encode(None)])
    content = buffer.getvalue()
    at = content.index(b"\x03vorbis") + 11
    return content[:at] + b"Jane" + content[at + 4 :]
