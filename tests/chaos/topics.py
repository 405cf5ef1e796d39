"""What the records on Kafka must show, read from the beginning of every topic. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from services.learning.catalogue import UNROUTED
from shared import dead_letters
from shared.cloudevents import decode, header
from shared.errors import InvalidRecord
from shared.events import FeedbackAnalysed, FeedbackSubmitted, FeedbackSummarised, FeedbackUrgent
from shared.topics import (
    DEAD_LETTERS,
    FEEDBACK_ANALYSED,
    FEEDBACK_SUBMITTED,
    FEEDBACK_SUMMARISED,
    FEEDBACK_URGENT,
    LEARNING_SUMMARIES,
    TEAM_SUMMARIES,
)
from tests.chaos.observed import said_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from aiokafka import ConsumerRecord

    from shared.events import Event
    from tests.chaos.ledger import Ledger
    from tests.chaos.observed import Observed
    from tests.chaos.verdict import Verdict

    Record: TypeAlias = ConsumerRecord[bytes, bytes]

E = TypeVar("E", bound="Event")

LAST_DIGIT = 1.5e-4
"""Probabilities have four decimals, of which what stands beside a text may move the last (decision 7: AVX2)."""


def check_topics(ledger: Ledger, observed: Observed, verdict: Verdict) -> None:
    """Every accepted version was published and read, in order; what could not be read, and that alone, is dead."""
    submitted, poison = _sorted_out(FeedbackSubmitted, observed.records.get(FEEDBACK_SUBMITTED.name, ()))
    analysed, unreadable = _sorted_out(FeedbackAnalysed, observed.records.get(FEEDBACK_ANALYSED.name, ()))
    for record in unreadable:
        verdict.lost(f"{FEEDBACK_ANALYSED.name}/{record.partition}/{record.offset}: nobody can read it")
    _check_published(ledger, observed, submitted, verdict)
    _check_read(ledger, observed, submitted, analysed, verdict)
    _check_order(submitted, analysed, verdict)
    _check_urgent(observed, analysed, verdict)
    _check_dead(ledger, observed, poison, verdict)
    _check_pages_sent(observed, verdict)
    _check_told_back(ledger, observed, verdict)


def _sorted_out(model: type[E], records: Iterable[Record]) -> tuple[list[E], list[Record]]:
    """What a service can read, and what it cannot."""
    good: list[E] = []
    bad: list[Record] = []
    for record in records:
        try:
            event = decode(model, record.value, record.headers)
        except InvalidRecord:
            bad.append(record)
            continue
        if record.key == event.key().encode():
            good.append(event)
        else:
            bad.append(record)
    return good, bad


def _check_published(
    ledger: Ledger, observed: Observed, submitted: Sequence[FeedbackSubmitted], verdict: Verdict
) -> None:
    there = {(event.feedback_id, event.version): event for event in submitted}
    for item, version in ledger.accepted():
        row = observed.accepted.get(item.feedback_id)
        if row is not None and row.withdrawn:
            continue  # taken out of the outbox, before or after it was published
        event = there.get((item.feedback_id, version))
        if event is None:
            verdict.lost(f"{item.feedback_id}: version {version} is not on {FEEDBACK_SUBMITTED.name}")
        elif event.text != item.sent[version].event.text:
            verdict.lost(f"{item.feedback_id}: version {version} was published with other words")
    for identity, version in there:
        if identity not in ledger.items or version not in ledger.items[identity].sent:
            verdict.doubled(f"{identity}: version {version} was published, and nobody sent it")


def _check_read(
    ledger: Ledger,
    observed: Observed,
    submitted: Sequence[FeedbackSubmitted],
    analysed: Sequence[FeedbackAnalysed],
    verdict: Verdict,
) -> None:
    told: dict[tuple[UUID, int], list[dict[str, Any]]] = defaultdict(list)
    for event in analysed:
        reading, ways = event.model_dump(mode="json", exclude={"analysed_at"}), told[event.feedback_id, event.version]
        if not any(_alike(reading, way) for way in ways):
            ways.append(reading)
    sent = {(event.feedback_id, event.version) for event in submitted}
    for identity, version in sorted(sent - told.keys()):
        verdict.lost(f"{identity}: version {version} was published and never read")
    for identity, version in sorted(told.keys() - sent):
        verdict.doubled(f"{identity}: version {version} was read, and nobody published it")
    for (identity, version), ways in told.items():
        if len(ways) > 1:
            verdict.doubled(f"{identity}: version {version} was read in {len(ways)} ways")
    for identity, item in ledger.items.items():
        row = observed.accepted.get(identity)
        if row is not None and not row.withdrawn and row.read < item.newest:
            verdict.lost(f"{identity}: the receipt says version {row.read} was read, {item.newest} was")


def _alike(one: Any, other: Any) -> bool:
    """Equal, but for the last digit of a probability."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= LAST_DIGIT
    return bool(one == other)


def _check_order(
    submitted: Sequence[FeedbackSubmitted], analysed: Sequence[FeedbackAnalysed], verdict: Verdict
) -> None:
    """Versions are read in the order in which they were published; repeats aside, as those are harmless."""
    published, read = _first_seen(submitted), _first_seen(analysed)
    for identity, versions in read.items():
        if versions != [version for version in published.get(identity, []) if version in versions]:
            verdict.lost(f"{identity}: published as versions {published.get(identity)}, read as {versions}")


def _first_seen(events: Iterable[FeedbackSubmitted | FeedbackAnalysed]) -> dict[UUID, list[int]]:
    seen: dict[UUID, list[int]] = defaultdict(list)
    for event in events:
        if event.version not in seen[event.feedback_id]:
            seen[event.feedback_id].append(event.version)
    return seen


def _check_urgent(observed: Observed, analysed: Sequence[FeedbackAnalysed], verdict: Verdict) -> None:
    flagged, _ = _sorted_out(FeedbackUrgent, observed.records.get(FEEDBACK_URGENT.name, ()))
    due = {(event.feedback_id, event.version) for event in analysed if event.urgent}
    told = {(event.feedback_id, event.version) for event in flagged}
    for identity, version in sorted(due - told):
        verdict.lost(f"{identity}: version {version} is urgent, and no person was told")
    for identity, version in sorted(told - due):
        verdict.doubled(f"{identity}: version {version} is not urgent, and a person was told")


def _check_dead(ledger: Ledger, observed: Observed, poison: Sequence[Record], verdict: Verdict) -> None:
    """A record that was dead-lettered again after a crash is the same dead letter: its origin names it."""
    for service in DEAD_LETTERS.keys() - {"analysis"}:
        for record in observed.records.get(DEAD_LETTERS[service].name, ()):
            verdict.lost(f"{service} could not read {_origin(record)}")
    letters: dict[str, list[Record]] = defaultdict(list)
    for letter in observed.records.get(DEAD_LETTERS["analysis"].name, ()):
        letters[_origin(letter)].append(letter)
    places = {f"{FEEDBACK_SUBMITTED.name}/{record.partition}/{record.offset}": record for record in poison}
    for place, record in places.items():
        if not any((letter.key, letter.value) == (record.key, record.value) for letter in letters.get(place, ())):
            verdict.lost(f"{place}: cannot be read, and is no dead letter as it was")
    for place in sorted(letters.keys() - places.keys()):
        verdict.doubled(f"{place}: can be read, and is a dead letter")
    arrived = {record.value for record in poison}
    for value, acknowledged in ledger.poison.items():
        if acknowledged and value not in arrived:
            verdict.lost("an acknowledged record that nobody can read is not on its topic")
        verdict.accepted += acknowledged or value in arrived
        verdict.dead_lettered += value in {record.value for place, record in places.items() if place in letters}


def _origin(letter: Record) -> str:
    names = (dead_letters.TOPIC, dead_letters.PARTITION, dead_letters.OFFSET)
    return "/".join(header(letter.headers, name) or "?" for name in names)


def _check_pages_sent(observed: Observed, verdict: Verdict) -> None:
    """The newest record of each page is its newest revision, and no revision follows a later one.

    A record without a value takes a page back.
    """
    newest: dict[tuple[str, bytes | None], dict[str, Any]] = {}
    teams = sorted({team for team, _ in observed.pages})
    for topic in (LEARNING_SUMMARIES.name, *(TEAM_SUMMARIES.named(team_id=team) for team in teams)):
        for record in observed.records.get(topic, ()):
            place, page = (topic, record.key), json.loads(record.value or b"{}")
            if page and page["revision"] < newest.get(place, {}).get("revision", 0):
                verdict.lost(f"{topic}: revision {page['revision']} of {page['period']} came after a later one")
            newest[place] = page
    for (team, period), written in observed.pages.items():
        day = period.isoformat()
        for topic, key in ((LEARNING_SUMMARIES.name, f"{team}:{day}"), (TEAM_SUMMARIES.named(team_id=team), day)):
            sent = newest.get((topic, key.encode()), {})
            if not written.held and said_by(sent) != _without_nulls(written.said):
                verdict.lost(f"{topic} {day}: its newest record is not the newest page")


def _without_nulls(value: Any) -> Any:
    """As events are sent."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _check_told_back(ledger: Ledger, observed: Observed, verdict: Verdict) -> None:
    """What a published page includes is announced: at least once, and no oftener than it changed."""
    lists, _ = _sorted_out(FeedbackSummarised, observed.records.get(FEEDBACK_SUMMARISED.name, ()))
    told: dict[UUID, set[tuple[str, str, int, int]]] = defaultdict(set)
    for each in lists:
        for identity in each.feedback_ids:
            told[identity].add((each.team_id, each.period.isoformat(), each.revision, each.part))
    for identity, item in ledger.items.items():
        reading = observed.readings.get(identity)
        if len(told[identity]) > max(1, len(item.sent)):
            verdict.doubled(f"{identity}: announced {len(told[identity])} times, sent {len(item.sent)} times")
        if reading is None or reading.withdrawn or reading.team in {None, UNROUTED} or reading.period is None:
            continue
        page = observed.pages.get((str(reading.team), reading.period))
        if page is not None and not page.held and not told[identity]:
            verdict.lost(f"{identity}: part of a page, and its receipt was never told")
