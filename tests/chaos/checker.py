"""Compares what was sent with what came of it. Pure.

Proven of the rows, on both stages: a 202 has a durable row; what was accepted has its effect, and that once; counters
equal a recount of the readings; readings and pages equal those of a calm day. `topics` proves what only a broker that
forgets nothing can show: every version published, read in order, or dead-lettered.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.chaos.leaks import check_leaks
from tests.chaos.topics import check_topics
from tests.chaos.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from uuid import UUID

    from shared.events import FeedbackSubmitted
    from tests.chaos.calm import Calm
    from tests.chaos.ledger import Item, Ledger
    from tests.chaos.observed import Observed, Reading


def check(ledger: Ledger, observed: Observed, calm: Calm, logs: Iterable[Path], *, forgetful: bool) -> Verdict:
    """Judge a run.

    Args:
        ledger: what was sent.
        observed: what became of it.
        calm: what had to become of it.
        logs: of every process.
        forgetful: the broker lost its records on the way, so that rows alone can tell.
    """
    verdict = Verdict()
    for item in ledger.items.values():
        _check_durable(item, observed, verdict)
        _check_effect(item, observed, verdict)
    for identity in observed.readings.keys() - ledger.items.keys():
        verdict.doubled(f"{identity}: a reading of what nobody sent")
    for surprise in ledger.surprises:
        verdict.lost(f"an answer that no client should get: {surprise}")
    _check_counters(observed, verdict)
    _check_readings(observed, calm, verdict)
    _check_pages(observed, calm, verdict)
    if not forgetful:
        check_topics(ledger, observed, verdict)
    check_leaks(ledger, observed, logs, verdict)
    return verdict


def final_state(ledger: Ledger, observed: Observed) -> tuple[list[FeedbackSubmitted], list[UUID]]:
    """What a calm day is to be made of: the newest version of each piece as accepted, or else as it arrived; and ids
    that were withdrawn.

    Of a version that was lost, the checks of effects tell; here it is expected as if it had arrived.
    """
    submitted, withdrawn = [], []
    for identity, item in sorted(ledger.items.items()):
        reading = observed.readings.get(identity)
        if item.withdrawn or (item.withdrawal_sent and reading is not None and reading.withdrawn):
            withdrawn.append(identity)
            continue
        newest = max(item.newest, reading.version if reading is not None else 0)
        if newest in item.sent:
            submitted.append(item.sent[newest].event)
    return submitted, withdrawn


def _check_durable(item: Item, observed: Observed, verdict: Verdict) -> None:
    if item.receipt is None:
        return
    row = observed.accepted.get(item.feedback_id)
    if row is None or row.receipt != item.receipt:
        verdict.lost(f"{item.feedback_id}: 202 without a durable row")
        return
    if row.version < item.newest:
        verdict.lost(f"{item.feedback_id}: 202 for version {item.newest}, the row is of {row.version}")
    if row.version > max(item.sent):
        verdict.doubled(f"{item.feedback_id}: version {row.version}, which nobody sent")
    if item.withdrawn and not row.withdrawn:
        verdict.lost(f"{item.feedback_id}: 202 for a withdrawal, the row is not withdrawn")
    if row.withdrawn:
        return
    for version in item.accepted:
        if not observed.queued.get((item.feedback_id, version), False):
            verdict.lost(f"{item.feedback_id}: version {version} never left the outbox")


def _check_effect(item: Item, observed: Observed, verdict: Verdict) -> None:
    reading = observed.readings.get(item.feedback_id)
    arrived = reading.version if reading is not None else 0
    accepted = item.accepted | {arrived} & item.sent.keys()
    verdict.accepted += len(accepted)
    if reading is None:
        if accepted or item.withdrawn:
            verdict.lost(f"{item.feedback_id}: no reading of {len(accepted)} accepted versions")
        return
    if reading.withdrawn:
        verdict.effects += len(accepted)
        if not item.withdrawal_sent:
            verdict.lost(f"{item.feedback_id}: forgotten, and nobody withdrew it")
        return
    row = observed.accepted.get(item.feedback_id)
    if item.withdrawn or (row is not None and row.withdrawn):
        verdict.lost(f"{item.feedback_id}: withdrawn, and still read")
    if arrived not in item.sent:
        verdict.doubled(f"{item.feedback_id}: version {arrived} was read, and nobody sent it")
    done = {version for version in accepted if version <= arrived}
    verdict.effects += len(done)
    for version in sorted(accepted - done):
        verdict.lost(f"{item.feedback_id}: version {version} was accepted, version {arrived} stands")


def _check_counters(observed: Observed, verdict: Verdict) -> None:
    recount = Counter(
        (reading.team, reading.period, measure, value)
        for reading in observed.readings.values()
        if reading.team is not None and reading.period is not None
        for measure, value in reading.measures
    )
    for key in sorted(recount.keys() | observed.counters.keys(), key=str):
        counted, there = observed.counters.get(key, 0), recount[key]
        told = f"counter {key[0]} {key[1]} {key[2]}: {counted}, a recount gives {there}"
        if counted > there:
            verdict.doubled(told)
        elif counted < there:
            verdict.lost(told)


def _check_readings(observed: Observed, calm: Calm, verdict: Verdict) -> None:
    for identity, expected in calm.readings.items():
        reading = observed.readings.get(identity)
        if reading is not None and _told(reading) != _told(expected):
            verdict.lost(f"{identity}: the reading of version {reading.version} is not that of what was sent")


def _told(reading: Reading) -> tuple[object, ...]:
    """All but the version of a tombstone, which says nothing."""
    return (reading.withdrawn, reading.team, reading.period, reading.measures, reading.told)


def _check_pages(observed: Observed, calm: Calm, verdict: Verdict) -> None:
    for place in sorted(observed.pages.keys() | calm.pages.keys()):
        page, expected = observed.pages.get(place), calm.pages.get(place)
        told = f"page {place[0]} {place[1]}"
        if page is None:
            verdict.lost(f"{told}: not written")
            continue
        if expected is None:
            # All that it was made of has moved or was withdrawn; on a calm day there was never anything to tell.
            if page.said["described"]:
                verdict.doubled(f"{told}: tells of what is no longer there")
        elif (page.said, page.held) != (expected.said, expected.held):
            fields = [name for name, value in expected.said.items() if page.said.get(name) != value]
            verdict.lost(f"{told}: differs from one computed from scratch in {', '.join(fields) or 'being held'}")
        if not page.held and not page.published:
            verdict.lost(f"{told}: revision {page.revision} was never published")
