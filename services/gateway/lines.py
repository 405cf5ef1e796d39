"""Lines from a stream of chunks, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator


async def lines(chunks: AsyncIterable[bytes], longest: int) -> AsyncIterator[tuple[int, bytes | None]]:
    """Split a stream at its line ends (LF or CRLF); the last line may lack one.

    Args:
        chunks: bytes, cut anywhere.
        longest: bytes that a line may have. Of a longer one no more than that is ever held.

    Yields:
        The number of each line, from 1, with its bytes; None in their place for one that is too long.
    """
    number = 1
    held = bytearray()
    too_long = False
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            too_long = too_long or len(held) + len(piece) > longest
            yield number, None if too_long else bytes(held + piece).removesuffix(b"\r")
            number += 1
            held.clear()
            too_long = False
        too_long = too_long or len(held) + len(rest) > longest
        if too_long:
            held.clear()
        else:
            held += rest
    if held or too_long:
        yield number, None if too_long else bytes(held).removesuffix(b"\r")
