"""Lines from chunks: the same as splitting the whole, and never more memory than a line."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.lines import lines


async def stream(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def split(chunks: list[bytes], longest: int = 10) -> list[tuple[int, bytes | None]]:
    return [line async for line in lines(stream(chunks), longest)]


async def test_lines_are_numbered_and_blank_ones_are_too() -> None:
    assert await split([b"a\n\nb\n"]) == [(1, b"a"), (2, b""), (3, b"b")]


async def test_the_last_line_may_lack_its_end() -> None:
    assert await split([b"a\nb"]) == [(1, b"a"), (2, b"b")]


async def test_a_carriage_return_is_part_of_the_end() -> None:
    assert await split([b"a\r", b"\nb\r\n"]) == [(1, b"a"), (2, b"b")]


async def test_a_line_that_is_too_long_harms_no_neighbour() -> None:
    assert await split([b"a\n0123456", b"789x\nb\n"]) == [(1, b"a"), (2, None), (3, b"b")]


async def test_a_line_may_have_its_full_length() -> None:
    assert await split([b"0123456789\n"]) == [(1, b"0123456789")]


async def test_a_long_last_line_without_end_is_told() -> None:
    assert await split([b"0123456789", b"x"]) == [(1, None)]


async def test_nothing_has_no_lines() -> None:
    assert await split([b"", b""]) == []


@given(st.lists(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"bcd", b"0123456789ab"]), max_size=6).map(b"".join)))
async def test_chunks_do_not_matter(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    parts = whole.split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    expected = [
        (number, None if len(part) > 10 else part.removesuffix(b"\r")) for number, part in enumerate(parts, start=1)
    ]
    assert await split(chunks) == expected
