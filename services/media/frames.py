"""Single pictures in memory: turned upright, bare of what was said beside them, as JPEG."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.filter import Graph

TURNS: dict[int, tuple[str, ...]] = {
    2: ("hflip",),
    3: ("transpose=1", "transpose=1"),
    4: ("transpose=0", "transpose=2"),
    5: ("transpose=0",),
    6: ("transpose=1",),
    7: ("transpose=3",),
    8: ("transpose=2",),
}
"""How the camera was held (Exif 2.32, tag 0x0112) → what makes it upright.

Without `vflip`, which hands out the same lines from the last to the first, and so no plane that could be copied.
"""

HELD = {-90: 6, 90: 8, 180: 3, -180: 3}
"""What a film says of itself, in degrees against the clock → the same as an orientation."""


def turned(frame: Any, how: int) -> Any:
    """The frame upright, in a new one.

    Args:
        frame: as it was decoded.
        how: the camera was held, a key of `TURNS`; anything else is upright.
    """
    graph = Graph()
    last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    for step in [*TURNS.get(how, []), "buffersink"]:
        name, _, arguments = step.partition("=")
        following = graph.add(name, arguments or None)
        last.link_to(following)
        last = following
    graph.configure()
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    graph.vpush(frame)
    return graph.vpull()


def bare(frame: Any) -> Any:
    """The pixels in a frame of their own: what was said beside them, such as Exif, stays behind."""
    alone = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(frame.planes, alone.planes, strict=True):
        target.update(_lines(source, target))
    alone.pts = 0
    return alone


def _lines(source: Any, target: Any) -> bytes:
    """The lines of one plane, padded as the other's are."""
    if source.line_size == target.line_size:
        return bytes(source)[: target.buffer_size].ljust(target.buffer_size, b"\0")
    raw, kept = bytes(source), min(source.line_size, target.line_size)
    lines = (raw[at : at + kept].ljust(target.line_size, b"\0") for at in range(0, len(raw), source.line_size))
    return b"".join(lines)[: target.buffer_size].ljust(target.buffer_size, b"\0")


def jpeg(frame: Any) -> bytes:
    """A frame as a JPEG of its own, with nothing but the picture."""
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "2", "qmax": "2"}
    encoder.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT: no comment with the writer's name
    frame.pts, frame.pict_type = 0, 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
