"""Pictures: decoded once and saved anew, so that nothing is left but what can be seen. Runs in the decoding process."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from services.media.frames import bare, jpeg, turned
from services.media.reasons import Reason, Refused
from services.media.signatures import Format, picture_size

if TYPE_CHECKING:
    from pathlib import Path

MOST_PIXELS = 64_000_000
"""Of one picture: a little above what phones take."""
LONGEST_SIDE = 16_383
"""Pixels; WebP takes no more (RFC 9649)."""
LOOKED_AT = 4 * 1024 * 1024
"""Bytes in which a picture's headers stand; profiles and previews may come before them."""


def saved_anew(source: Path, target: Path, format_: Format) -> None:
    """Write the picture upright, in its own format, without anything beside it.

    Raises:
        Refused: it has too many pixels, which its header tells before anything is decoded, or is damaged.
    """
    with source.open("rb") as file:
        head = file.read(LOOKED_AT)
    size = picture_size(head, format_)
    if size is None or 0 in size:
        raise Refused(Reason.NOT_READABLE)
    if size[0] * size[1] > MOST_PIXELS or max(size) > LONGEST_SIDE:
        raise Refused(Reason.TOO_MANY_PIXELS)
    try:
        frame = turned(_decoded(source, format_), orientation(head))
        target.write_bytes(_encoded(frame, format_))
    except (FFmpegError, ValueError, StopIteration):
        raise Refused(Reason.NOT_READABLE) from None


def _decoded(source: Path, format_: Format) -> Any:
    options = {"protocol_whitelist": "file"}
    with av.open(str(source), "r", format=f"{format_.value}_pipe", container_options=options) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        # A picture that ends in the middle would else be shown grey from there on.
        stream.codec_context.options = {"err_detect": "explode"}
        return next(container.decode(stream))


def _encoded(frame: Any, format_: Format) -> bytes:
    if format_ is Format.JPEG:
        return jpeg(bare(frame.reformat(format=_like_jpeg(frame.format.name))))
    has_alpha = any(component.is_alpha for component in frame.format.components)
    name, pixels = ("png", "rgba" if has_alpha else "rgb24")
    if format_ is Format.WEBP:
        name, pixels = ("libwebp", "yuva420p" if has_alpha else "yuv420p")
    encoder: Any = av.CodecContext.create(name, "w")
    plain = frame.reformat(format=pixels)
    encoder.width, encoder.height, encoder.pix_fmt = plain.width, plain.height, pixels
    encoder.time_base = Fraction(1, 25)
    if format_ is Format.WEBP:
        encoder.options = {"quality": "90"}
    alone = bare(plain)
    return b"".join(bytes(packet) for packet in [*encoder.encode(alone), *encoder.encode(None)])


def _like_jpeg(pixels: str) -> str:
    """Full range; the sampling of colour as it was, where the encoder has it."""
    for sampling in ("444", "422"):
        if sampling in pixels:
            return f"yuvj{sampling}p"
    return "yuvj420p"


def orientation(head: bytes) -> int:
    """How the camera was held, 1 to 8; 1, upright, where nothing readable tells."""
    at = head.find(b"Exif\x00\x00")
    if at < 0:
        return 1
    try:
        return _orientation(head[at + 6 : at + 6 + 65_536])
    except struct.error:
        return 1


def _orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    (entries,) = struct.unpack_from(f"{order}H", tiff, first)
    for number in range(min(entries, 200)):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * number)
        if (tag, kind) == (0x0112, 3):
            return value if 1 <= value <= 8 else 1
    return 1
