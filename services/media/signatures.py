"""What a file is by its own bytes, whatever it is called or declared to be. Pure: it reads, and decodes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from services.media.reasons import Reason, Refused

if TYPE_CHECKING:
    from typing import BinaryIO

Purpose = Literal["video", "audio", "image", "captions"]


class Format(StrEnum):
    """The containers that are taken in."""

    MP4 = "mp4"
    MOV = "mov"
    WEBM = "webm"
    MP3 = "mp3"
    OGG = "ogg"
    WAV = "wav"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    VTT = "vtt"
    SRT = "srt"


HEAD = 64 * 1024
"""Bytes from the start that are looked at."""

_ZIP_TAIL = 65_557
"""A zip's end record and the longest comment that may follow it (APPNOTE.TXT 6.3.10, 4.3.16)."""

_ZIP_END = b"PK\x05\x06"
_VTT = re.compile(rb"WEBVTT(?:[ \t\r\n]|$)")
_SRT = re.compile(rb"\s*\d{1,9}\r?\n\d{1,3}:\d{2}:\d{2}[,.]\d{1,3} --> ")
_BEGINNINGS = {
    b"ID3": Format.MP3,
    b"OggS": Format.OGG,
    b"\xff\xd8\xff": Format.JPEG,
    b"\x89PNG\r\n\x1a\n": Format.PNG,
}
_WEBM = re.compile(rb"\x1a\x45\xdf\xa3.{0,60}\x42\x82\x84webm", re.DOTALL)
"""EBML that calls itself webm; Matroska, its other kind, is not taken in."""
_BOX_NAMES = frozenset(
    b"ftyp moov mdat free skip wide uuid meta moof mfra sidx ssix styp emsg prft pdin udta pnot PICT junk".split()
)
"""At the top of a film (ISO/IEC 14496-12, table 1, and QuickTime's)."""
_BOXES = 100_000
"""Top-level boxes of a film that are followed; a fragmented one has two every few seconds."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a content type stands for."""

    purpose: Purpose
    format: Format


CONTENT_TYPES: dict[str, Declared] = {
    "video/mp4": Declared("video", Format.MP4),
    "video/quicktime": Declared("video", Format.MOV),
    "video/webm": Declared("video", Format.WEBM),
    "audio/mp4": Declared("audio", Format.MP4),
    "audio/x-m4a": Declared("audio", Format.MP4),
    "audio/mpeg": Declared("audio", Format.MP3),
    "audio/ogg": Declared("audio", Format.OGG),
    "audio/wav": Declared("audio", Format.WAV),
    "audio/x-wav": Declared("audio", Format.WAV),
    "image/jpeg": Declared("image", Format.JPEG),
    "image/png": Declared("image", Format.PNG),
    "image/webp": Declared("image", Format.WEBP),
    "text/vtt": Declared("captions", Format.VTT),
    "application/x-subrip": Declared("captions", Format.SRT),
}
"""Everything that is taken in, by its content type without parameters."""


def declared(content_type: str, purpose: Purpose) -> Declared:
    """What the content type stands for.

    Raises:
        Refused: it is none of ours, or is for something else.
    """
    found = CONTENT_TYPES.get(content_type.partition(";")[0].strip().lower())
    if found is None or found.purpose != purpose:
        raise Refused(Reason.WRONG_TYPE)
    return found


def sniff(head: bytes) -> Format | None:
    """The format by its first bytes; None for everything else: text with script in it, a zip, a program."""
    for signature, format_ in _BEGINNINGS.items():
        if head.startswith(signature):
            return format_
    if head[4:8] == b"ftyp":
        return Format.MOV if head[8:12] == b"qt  " else Format.MP4
    if head[4:8] in {b"moov", b"mdat", b"wide"}:  # QuickTime before `ftyp`
        return Format.MOV
    if head.startswith(b"RIFF"):
        return {b"WAVE": Format.WAV, b"WEBP": Format.WEBP}.get(head[8:12])
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # the sync word of MPEG's layer III
        return Format.MP3
    return _written_format(head.removeprefix(b"\xef\xbb\xbf"))


def _written_format(head: bytes) -> Format | None:
    for expression, format_ in ((_WEBM, Format.WEBM), (_VTT, Format.VTT), (_SRT, Format.SRT)):
        if expression.match(head):
            return format_
    return None


def inspect(file: BinaryIO, size: int, expected: Declared) -> None:
    """Make sure that a file is what it is declared to be, whole, and nothing beside.

    Args:
        file: open at any place.
        size: of the file, in bytes.
        expected: what it was declared to be.

    Raises:
        Refused: it is empty, something else, two things at once, or ends too early.
    """
    if size == 0:
        raise Refused(Reason.EMPTY_FILE)
    file.seek(0)
    head = file.read(HEAD)
    if sniff(head) is not expected.format:
        raise Refused(Reason.WRONG_TYPE)
    if is_zip(file, size) or b"%PDF-" in head[:1024]:
        raise Refused(Reason.POLYGLOT)
    if expected.format in {Format.MP4, Format.MOV}:
        _walk_boxes(file, size)
    elif expected.format is Format.WEBM:
        _measure_segment(head, size)
    elif expected.format in {Format.WAV, Format.WEBP}:
        _measure_riff(head, size)
    elif expected.purpose == "image":
        _find_end(file, size, expected.format)


def is_zip(file: BinaryIO, size: int) -> bool:
    """Whether a program that unpacks would find a zip at its end."""
    file.seek(max(0, size - _ZIP_TAIL))
    tail = file.read(_ZIP_TAIL)
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        comment = int.from_bytes(tail[at + 20 : at + 22], "little")
        if tail[at + 4 : at + 8] == bytes(4) and at + 22 + comment <= len(tail):
            return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _walk_boxes(file: BinaryIO, size: int) -> None:
    """Boxes must cover the file to its last byte (ISO/IEC 14496-12, 4.2)."""
    at, seen = 0, set()
    for _ in range(_BOXES):
        if at == size:
            break
        file.seek(at)
        header = file.read(16)
        name = header[4:8]
        odd = name not in _BOX_NAMES  # a maker's own, unless it is no box at all
        if odd and not (len(name) == 4 and name.isalnum()):
            raise Refused(Reason.POLYGLOT if b"moov" in seen else Reason.TRUNCATED)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # to the end of the file
            length = size - at
        if length < 8 or at + length > size:
            raise Refused(Reason.POLYGLOT if odd and b"moov" in seen else Reason.TRUNCATED)
        seen.add(name)
        at += length
    if at != size or b"moov" not in seen:
        raise Refused(Reason.TRUNCATED)


def _measure_segment(head: bytes, size: int) -> None:
    """The one segment must be there to its end, where it tells how long it is (RFC 8794, 6; RFC 9559, 5.1)."""
    at = 4
    length, width = _vint(head, at)
    at += width + length
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        raise Refused(Reason.NOT_READABLE)
    length, width = _vint(head, at + 4)
    live = length == (1 << 7 * width) - 1  # recorded live: nobody knew
    if not live and at + 4 + width + length > size:
        raise Refused(Reason.TRUNCATED)


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """A number of EBML, and how many bytes it takes (RFC 8794, 4)."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    if first == 0 or at + width > len(data):
        raise Refused(Reason.TRUNCATED)
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


def _measure_riff(head: bytes, size: int) -> None:
    told = int.from_bytes(head[4:8], "little") + 8
    # Recorders that could not go back write the greatest number there is, or none.
    if told > size and told not in {8, 0xFFFFFFFF + 8}:
        raise Refused(Reason.TRUNCATED)


def _find_end(file: BinaryIO, size: int, format_: Format) -> None:
    """The mark at a picture's end must be there; what follows it, such as a phone's moving part, is not kept."""
    mark = b"\xff\xd9" if format_ is Format.JPEG else b"IEND\xaeB`\x82"
    file.seek(0)
    overlap = b""
    for _ in range(0, size, HEAD):
        piece = overlap + file.read(HEAD)
        if mark in piece:
            return
        overlap = piece[-len(mark) + 1 :]
    raise Refused(Reason.TRUNCATED)


def picture_size(head: bytes, format_: Format) -> tuple[int, int] | None:
    """Width and height in pixels as a picture's header tells them; None where it does not.

    Args:
        head: the picture's first bytes; those of a JPEG up to its frame header.
        format_: of the picture.
    """
    try:
        return _SIZES[format_](head)
    except (IndexError, ValueError):
        return None


def _png_size(head: bytes) -> tuple[int, int]:
    if head[12:16] != b"IHDR" or len(head) < 24:
        raise ValueError
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _jpeg_size(head: bytes) -> tuple[int, int]:
    """Walks the segments to the frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while True:
        while head[at] == 0xFF and head[at + 1] == 0xFF:
            at += 1
        if head[at] != 0xFF:
            raise ValueError
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = head[at + 5 : at + 7], head[at + 7 : at + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))


def _webp_size(head: bytes) -> tuple[int, int]:
    """See RFC 9649, 2.5 to 2.7."""
    chunk, body = head[12:16], head[20:30]
    if len(body) < 10:
        raise ValueError
    if chunk == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    raise ValueError


_SIZES = {Format.PNG: _png_size, Format.JPEG: _jpeg_size, Format.WEBP: _webp_size}
