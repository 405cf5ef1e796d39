"""The checker says nothing of a run in which all is well, and names each thing that is not."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from shared.dead_letters import dead_letter
from shared.events import AnalysedSegment, FeedbackAnalysed, FeedbackSummarised, Sentiment, feedback_id
from shared.publisher import Record
from shared.topics import DEAD_LETTERS, FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, FEEDBACK_SUMMARISED, LEARNING_SUMMARIES
from tests.chaos.burst import NOW, version_of
from tests.chaos.calm import Calm
from tests.chaos.checker import check, final_state
from tests.chaos.ledger import Item, Ledger
from tests.chaos.observed import Accepted, Observed, Page, Reading
from tests.chaos.submissions import SAID, content, planted
from tests.chaos.verdict import Wrong
from tests.doubles import consumed, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aiokafka import ConsumerRecord

    from shared.events import FeedbackSubmitted
    from tests.chaos.verdict import Verdict

TEAM, MAY = "harbour-maternity", date(2026, 5, 1)
EDITED, DIRECT, TAKEN_BACK = (feedback_id("test", name) for name in ("edited", "direct", "taken-back"))
UNREADABLE = b'{"feedback_id": "'
PAGE = {"team_id": TEAM, "period": "2026-05-01", "described": True, "text": "About 10 responses."}


@dataclass
class Run:
    """A run in which all is well, until a test spoils it."""

    ledger: Ledger
    observed: Observed
    logs: list[Path]

    def verdict(self, *, forgetful: bool = False) -> Verdict:
        calm = Calm(deepcopy(self._calm.readings), {}, deepcopy(self._calm.pages))
        return check(self.ledger, self.observed, calm, self.logs, forgetful=forgetful)

    def __post_init__(self) -> None:
        self._calm = deepcopy(self.observed)

    def records(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        return self.observed.records[topic]


def item(source: str, versions: int, receipt: str | None) -> Item:
    made = Item(feedback_id("test", source), source, receipt=receipt)
    for number in range(1, versions + 1):
        text = content(hash_of(source) + number, source, Random(number))  # noqa: S311 - no secret
        made.sent[number] = version_of(text, "test", number)
        made.accepted.add(number)
    return made


def hash_of(source: str) -> int:
    return {"edited": 0, "direct": 10, "taken-back": 20}[source]


def analysed(event: FeedbackSubmitted, words: str = "Kind.", **fields: Any) -> FeedbackAnalysed:
    sentiment = Sentiment(label=1, probabilities=(1, 0, 0, 0, 0))
    given = {name: getattr(event, name) for name in ("feedback_id", "version", "kind", "source", "about")}
    return FeedbackAnalysed(
        **given,
        occurred_at=event.occurred_at,
        received_at=NOW,
        analysed_at=NOW,
        segments=(AnalysedSegment(text=words, sentiment=sentiment),),
        themes=(),
        severity=0,
        urgent=False,
        quote_ok=True,
        redactions={},
        model_version="1",
        **fields,
    )


def sent(revision: int, said: Mapping[str, object] = PAGE) -> dict[str, list[ConsumerRecord[bytes, bytes]]]:
    """A page on the topic of all pages, and on its team's own."""
    value = json.dumps({**said, "revision": revision}).encode()
    keys = {LEARNING_SUMMARIES.name: f"{TEAM}:2026-05-01", f"team-{TEAM}-summaries": "2026-05-01"}
    return {topic: [consumed(Record(topic, key.encode(), value))] for topic, key in keys.items()}


def taken_back(run: Run) -> None:
    records = run.records(LEARNING_SUMMARIES.name)
    records.append(replace(records[-1], value=None))


def reading(version: int) -> Reading:
    return Reading(version, False, TEAM, MAY, (("responses", ""),), "[true, []]")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    items = [item("edited", 2, "receipt-1"), item("direct", 1, None), item("taken-back", 1, "receipt-2")]
    ledger = Ledger({each.feedback_id: each for each in items}, {UNREADABLE: True})
    items[2].withdrawn = items[2].withdrawal_sent = True
    events = [items[0].sent[1].event, items[0].sent[2].event, items[1].sent[1].event]
    submitted = [replace(raw(event, "submitted"), offset=place) for place, event in enumerate(events)]
    poison = consumed(Record("submitted", b"key", UNREADABLE, [("ce_type", b"heed.feedback.submitted.v1")]), offset=3)
    told = FeedbackSummarised(team_id=TEAM, period=MAY, revision=1, feedback_ids=(EDITED, DIRECT), summarised_at=NOW)
    observed = Observed(
        records={
            FEEDBACK_SUBMITTED.name: [*submitted, poison],
            FEEDBACK_ANALYSED.name: [raw(analysed(event), "analysed") for event in events],
            DEAD_LETTERS["analysis"].name: [
                consumed(dead_letter("analysis", FEEDBACK_SUBMITTED, poison, "invalid_json"))
            ],
            FEEDBACK_SUMMARISED.name: [raw(told, "summarised")],
            **sent(1),
        },
        accepted={EDITED: Accepted(2, 2, "receipt-1", False), TAKEN_BACK: Accepted(1, 0, "receipt-2", True)},
        queued={(EDITED, 1): True, (EDITED, 2): True},
        readings={EDITED: reading(2), DIRECT: reading(1), TAKEN_BACK: Reading(0, True, None, None, (), "[false, []]")},
        counters={(TEAM, MAY, "responses", ""): 2},
        pages={(TEAM, MAY): Page(PAGE, 1, held=False, published=True)},
        tables={"learning.reading": ["{}"], "gateway.feedback": ["{}"]},
    )
    log = tmp_path / "gateway.log"
    log.write_text('{"message": "ready"}\n')
    return Run(ledger, observed, [log])


@pytest.mark.parametrize("forgetful", [False, True])
def test_nothing_is_found_where_all_is_well(run: Run, forgetful: bool) -> None:
    verdict = run.verdict(forgetful=forgetful)
    assert verdict.findings == []
    assert verdict.sums() == {
        "accepted": 4 if forgetful else 5,
        "effects": 4,
        "dead_lettered": 0 if forgetful else 1,
        "lost": 0,
        "doubled": 0,
        "leaked": 0,
    }


def test_repeats_are_harmless(run: Run) -> None:
    for records in run.observed.records.values():
        records.extend(records[:2])
    assert run.verdict().findings == []


def test_a_calm_day_is_made_of_the_newest_versions_and_of_withdrawals(run: Run) -> None:
    submitted, withdrawn = final_state(run.ledger, run.observed)
    assert {(event.feedback_id, event.version) for event in submitted} == {(EDITED, 2), (DIRECT, 1)}
    assert withdrawn == [TAKEN_BACK]


def no_row(run: Run) -> None:
    del run.observed.accepted[EDITED]


def never_published(run: Run) -> None:
    run.observed.queued[EDITED, 2] = False


def a_version_of_nobody(run: Run) -> None:
    run.observed.accepted[EDITED] = Accepted(3, 3, "receipt-1", False)


def no_reading(run: Run) -> None:
    del run.observed.readings[DIRECT]


def an_older_reading(run: Run) -> None:
    run.observed.readings[EDITED] = reading(1)


def a_reading_of_nobody(run: Run) -> None:
    run.observed.readings[feedback_id("test", "nobody")] = reading(1)


def withdrawn_and_read(run: Run) -> None:
    run.observed.readings[TAKEN_BACK] = reading(1)


def other_words(run: Run) -> None:
    run.observed.readings[DIRECT] = replace(reading(1), told="[false, []]")


def a_counter_too_high(run: Run) -> None:
    run.observed.counters[TEAM, MAY, "responses", ""] = 3


def a_counter_too_low(run: Run) -> None:
    run.observed.counters[TEAM, MAY, "responses", ""] = 1


def another_page(run: Run) -> None:
    run.observed.pages[TEAM, MAY] = Page({**PAGE, "text": "About 20 responses."}, 1, held=False, published=True)


def a_page_unsent(run: Run) -> None:
    run.observed.pages[TEAM, MAY] = Page(PAGE, 2, held=False, published=False)


def not_on_the_topic(run: Run) -> None:
    del run.records(FEEDBACK_SUBMITTED.name)[1]


def never_read(run: Run) -> None:
    del run.records(FEEDBACK_ANALYSED.name)[2]


def read_in_two_ways(run: Run) -> None:
    event = run.ledger.items[DIRECT].sent[1].event
    run.records(FEEDBACK_ANALYSED.name).append(raw(analysed(event, "Cold."), "analysed"))


def read_backwards(run: Run) -> None:
    records = run.records(FEEDBACK_ANALYSED.name)
    records[0], records[1] = records[1], records[0]


def not_dead_lettered(run: Run) -> None:
    run.records(DEAD_LETTERS["analysis"].name).clear()


def both_done_and_dead(run: Run) -> None:
    good = run.records(FEEDBACK_SUBMITTED.name)[0]
    letter = consumed(dead_letter("analysis", FEEDBACK_SUBMITTED, good, "effect_failed:ValueError"))
    run.records(DEAD_LETTERS["analysis"].name).append(letter)


def an_older_page_last(run: Run) -> None:
    run.records(LEARNING_SUMMARIES.name).insert(0, *sent(2)[LEARNING_SUMMARIES.name])


def never_told_back(run: Run) -> None:
    run.records(FEEDBACK_SUMMARISED.name).clear()


def an_answer_that_no_client_should_get(run: Run) -> None:
    run.ledger.surprises.append("POST /v1/feedback: 500")


def words_in_a_log(run: Run) -> None:
    run.logs[0].write_text(f'{{"message": "it was said that {planted(7)}"}}\n')


def a_name_in_a_table(run: Run) -> None:
    run.observed.tables["learning.reading"] = ['{"segments": "Sister Bernadette Kowalczyk"}']


def words_at_the_gateway(run: Run) -> None:
    run.observed.tables["gateway.feedback"] = [planted(7)]


def what_was_withdrawn_in_a_table(run: Run) -> None:
    run.observed.tables["learning.reading"] = [run.ledger.items[TAKEN_BACK].sent[1].sentence.capitalize()]


def what_was_withdrawn_on_a_page(run: Run) -> None:
    text = run.ledger.items[TAKEN_BACK].sent[1].sentence
    said = {**PAGE, "text": text}
    run.observed.pages[TEAM, MAY] = Page(said, 1, held=False, published=True)
    run.observed.records |= sent(1, said)


def a_name_on_a_topic(run: Run) -> None:
    event = run.ledger.items[DIRECT].sent[1].event
    run.records(FEEDBACK_ANALYSED.name)[2] = raw(analysed(event, "Dr Anthony Adeyemi"), "analysed")


def words_in_a_header(run: Run) -> None:
    record = run.records(FEEDBACK_SUBMITTED.name)[0]
    run.records(FEEDBACK_SUBMITTED.name)[0] = replace(record, headers=(*record.headers, ("note", planted(7).encode())))


@pytest.mark.parametrize(("severity", "kinds"), [(0.0001, []), (0.001, [Wrong.DOUBLED])])
def test_another_last_digit_is_no_other_reading(severity: float, kinds: list[Wrong], run: Run) -> None:
    again = analysed(run.ledger.items[DIRECT].sent[1].event).model_copy(update={"severity": severity})
    run.records(FEEDBACK_ANALYSED.name).append(raw(again, "analysed"))
    assert [kind for kind, _ in run.verdict().findings] == kinds


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (no_row, Wrong.LOST),
        (never_published, Wrong.LOST),
        (a_version_of_nobody, Wrong.DOUBLED),
        (no_reading, Wrong.LOST),
        (an_older_reading, Wrong.LOST),
        (a_reading_of_nobody, Wrong.DOUBLED),
        (withdrawn_and_read, Wrong.LOST),
        (other_words, Wrong.LOST),
        (a_counter_too_high, Wrong.DOUBLED),
        (a_counter_too_low, Wrong.LOST),
        (another_page, Wrong.LOST),
        (a_page_unsent, Wrong.LOST),
        (not_on_the_topic, Wrong.LOST),
        (never_read, Wrong.LOST),
        (read_in_two_ways, Wrong.DOUBLED),
        (read_backwards, Wrong.LOST),
        (not_dead_lettered, Wrong.LOST),
        (both_done_and_dead, Wrong.DOUBLED),
        (an_older_page_last, Wrong.LOST),
        (taken_back, Wrong.LOST),
        (never_told_back, Wrong.LOST),
        (an_answer_that_no_client_should_get, Wrong.LOST),
        (words_in_a_log, Wrong.LEAKED),
        (a_name_in_a_table, Wrong.LEAKED),
        (words_at_the_gateway, Wrong.LEAKED),
        (what_was_withdrawn_in_a_table, Wrong.LEAKED),
        (what_was_withdrawn_on_a_page, Wrong.LEAKED),
        (a_name_on_a_topic, Wrong.LEAKED),
        (words_in_a_header, Wrong.LEAKED),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_what_is_wrong_is_found(spoil: Callable[[Run], None], kind: Wrong, run: Run) -> None:
    spoil(run)
    findings = run.verdict().findings
    assert kind in {each for each, _ in findings}
    assert not any(said in told for _, told in findings for said in (*SAID, planted(7)))
