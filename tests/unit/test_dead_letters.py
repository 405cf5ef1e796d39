"""What a replay sends and leaves alone, without a broker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.dead_letters import (
    REPLAY_OF,
    REPLAY_REASON,
    REPLAYED,
    DeadLetter,
    Fate,
    Position,
    letter_of,
    marked_by,
    original_headers,
    planned,
    resend,
)
from shared.dead_letters import dead_letter
from shared.errors import InvalidRecord, UsageError
from shared.publisher import Record
from shared.topics import FEEDBACK_SUBMITTED
from tests.doubles import RememberingPublisher, consumed

HEADERS = [("ce_type", b"x"), ("traceparent", b"00-1"), ("odd", b"\xff\xfe")]


def died(
    reason: str = "invalid_json", value: bytes | None = b"{", key: bytes | None = b"k", extra: object = ()
) -> Record:
    original = Record(FEEDBACK_SUBMITTED.name, key, value, [*HEADERS, *extra])  # type: ignore[misc]
    return dead_letter("analysis", FEEDBACK_SUBMITTED, consumed(original, offset=7, partition=2), reason)


def letter(reason: str = "invalid_json", offset: int = 0, *, looping: bool = False) -> DeadLetter:
    return DeadLetter(
        id=Position("analysis-dlq", 0, offset),
        service="analysis",
        reason=reason,
        origin=Position("feedback-submitted", 2, 7),
        time=datetime(2026, 6, 1, tzinfo=UTC),
        size=1,
        replay_of=None,
        looping=looping,
    )


@given(st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True), st.integers(0, 1000), st.integers(0, 10**12))
def test_a_position_reads_what_it_writes(topic: str, partition: int, offset: int) -> None:
    position = Position(topic, partition, offset)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "analysis-dlq", "analysis-dlq/0", "analysis-dlq/0/x", "a/-1/2", "a/0/1/2"])
def test_a_wrong_id_says_where_the_right_ones_are(text: str) -> None:
    with pytest.raises(UsageError, match="heed dlq list"):
        Position.parse(text)


def test_a_dead_letter_is_read_as_it_was_written() -> None:
    found = letter_of(consumed(died(), offset=5), Position("analysis-dlq", 0, 5))
    assert found is not None
    assert (found.service, found.reason, str(found.origin), found.size) == (
        "analysis",
        "invalid_json",
        "feedback-submitted/2/7",
        1,
    )
    assert not found.looping


async def test_a_replay_sends_the_original_bytes_key_and_headers() -> None:
    publisher = RememberingPublisher()
    position = Position("analysis-dlq", 0, 5)
    fates = await resend(publisher, {position: consumed(died(), offset=5)})
    assert fates == {position: Fate.REPLAYED}
    sent = publisher.on("feedback-submitted")
    assert [(item.key, item.value) for item in sent] == [(b"k", b"{")]
    assert sent[0].headers == [*HEADERS, (REPLAY_OF, b"analysis-dlq/0/5"), (REPLAY_REASON, b"invalid_json")]


async def test_a_replay_marks_what_it_sent() -> None:
    publisher = RememberingPublisher()
    await resend(publisher, {Position("analysis-dlq", 0, 5): consumed(died(), offset=5)})
    (marker,) = publisher.on("analysis-dlq")
    assert marked_by(consumed(marker)) == Position("analysis-dlq", 0, 5)
    assert letter_of(consumed(marker), Position("analysis-dlq", 0, 6)) is None


async def test_nothing_is_marked_that_was_not_sent() -> None:
    publisher = RememberingPublisher(away=1)
    with pytest.raises(Exception, match="away"):
        await resend(publisher, {Position("analysis-dlq", 0, 5): consumed(died(), offset=5)})
    assert publisher.sent == []


def test_a_record_that_imitates_a_marker_stays_a_dead_letter() -> None:
    record = consumed(died(key=b"analysis-dlq/0/1", extra=[(REPLAYED, b"2026-06-01T00:00:00+00:00")]))
    assert marked_by(record) is None
    assert letter_of(record, Position("analysis-dlq", 0, 0)) is not None


@pytest.mark.parametrize(("again", "looping"), [("invalid_json", True), ("key_mismatch", False)])
def test_dying_of_the_same_again_is_a_loop(again: str, looping: bool) -> None:
    record = died(again, extra=[(REPLAY_OF, b"analysis-dlq/0/5"), (REPLAY_REASON, b"invalid_json")])
    found = letter_of(consumed(record), Position("analysis-dlq", 0, 6))
    assert found is not None
    assert found.looping is looping
    assert found.replay_of == "analysis-dlq/0/5"


async def test_a_second_replay_names_only_itself() -> None:
    publisher = RememberingPublisher()
    record = died("key_mismatch", extra=[(REPLAY_OF, b"analysis-dlq/0/5"), (REPLAY_REASON, b"invalid_json")])
    await resend(publisher, {Position("analysis-dlq", 0, 6): consumed(record, offset=6)})
    names = [name for name, _ in publisher.on("feedback-submitted")[0].headers]
    assert names.count(REPLAY_OF) == 1
    assert (REPLAY_OF, b"analysis-dlq/0/6") in publisher.on("feedback-submitted")[0].headers


def test_a_loop_needs_force() -> None:
    assert [fate for _, fate in planned([letter(looping=True)], set(), force=False)] == [Fate.LOOPING]
    assert [fate for _, fate in planned([letter(looping=True)], set(), force=True)] == [Fate.REPLAYED]


def test_what_was_replayed_is_left_alone_even_by_force() -> None:
    assert [fate for _, fate in planned([letter()], {letter().id}, force=True)] == [Fate.ALREADY_REPLAYED]


async def test_a_record_with_neither_key_nor_value_is_left_and_its_neighbour_sent() -> None:
    publisher = RememberingPublisher()
    empty, whole = Position("analysis-dlq", 0, 1), Position("analysis-dlq", 0, 2)
    fates = await resend(publisher, {empty: consumed(died(key=None, value=None)), whole: consumed(died())})
    assert fates == {empty: Fate.NOTHING_TO_SEND, whole: Fate.REPLAYED}
    assert len(publisher.on("feedback-submitted")) == 1
    assert len(publisher.on("analysis-dlq")) == 1


class SmallPublisher(RememberingPublisher):
    """Refuses a value of more than ten bytes, as Kafka refuses one beyond `max.message.bytes`."""

    async def send(self, records: object) -> None:
        if any(len(record.value or b"") > 10 for record in records):  # type: ignore[attr-defined]
            raise InvalidRecord("record_too_large")
        await super().send(records)  # type: ignore[arg-type]


async def test_a_record_that_is_too_large_does_not_hold_up_its_neighbours() -> None:
    publisher = SmallPublisher()
    batch = {
        Position("analysis-dlq", 0, number): consumed(died(value=b"x" * size), offset=number)
        for number, size in enumerate([1, 100, 2])
    }
    fates = await resend(publisher, batch)
    assert list(fates.values()) == [Fate.REPLAYED, Fate.TOO_LARGE, Fate.REPLAYED]
    assert {record.value for record in publisher.on("feedback-submitted")} == {b"x", b"xx"}


def test_the_headers_of_an_earlier_death_are_not_the_records_own() -> None:
    assert original_headers(consumed(died())) == HEADERS
