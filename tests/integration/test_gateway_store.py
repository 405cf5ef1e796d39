"""The store on PostgreSQL: one event for one version whoever else writes, withdrawal for good, nothing by halves."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from services.gateway.feedback import Prepared
from services.gateway.outbox import Outbox, requeue_unfinished
from services.gateway.store import Accepted, FeedbackStore, Refusal
from shared.database import engine
from shared.errors import TransientFault
from shared.events import FeedbackAnalysed, FeedbackSummarised, FeedbackWithdrawn, Sentiment
from shared.topics import FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN
from tests.doubles import submitted
from tests.integration.gateway_stage import NOW, database, gateway_url, rows, submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "gateway_url"]

pytestmark = pytest.mark.integration

SUBMITTED = f"SELECT count(*) FROM outbox WHERE topic = '{FEEDBACK_SUBMITTED.name}'"  # noqa: S608 - our own name


@pytest.fixture
def store(database: AsyncEngine) -> FeedbackStore:
    return FeedbackStore(database)


async def accept(store: FeedbackStore, *given: Prepared) -> list[Accepted]:
    answers = await store.accept("survey", given, NOW)
    taken = [answer for answer in answers if isinstance(answer, Accepted)]
    assert len(taken) == len(answers)
    return taken


def analysed(feedback_id: UUID, version: int = 1) -> FeedbackAnalysed:
    event = submitted()
    return FeedbackAnalysed(
        feedback_id=feedback_id,
        version=version,
        kind=event.kind,
        source=event.source,
        about=event.about,
        occurred_at=NOW,
        received_at=NOW,
        analysed_at=NOW + timedelta(minutes=version),
        segments=(),
        sentiment=Sentiment(label=1, probabilities=(1, 0, 0, 0, 0)),
        themes=(),
        severity=0,
        urgent=False,
        quote_ok=False,
        redactions={},
        model_version="test",
    )


def summarised(*ids: UUID, team: str = "maternity") -> FeedbackSummarised:
    return FeedbackSummarised(team_id=team, period=date(2026, 3, 1), revision=1, feedback_ids=ids, summarised_at=NOW)


async def test_a_submission_is_one_row_and_one_event(database: AsyncEngine, store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    assert (accepted.version, accepted.duplicate) == (1, False)
    ((feedback_id, version, topic, published),) = await rows(
        database, "SELECT feedback_id, event->>'version', topic, published_at FROM outbox"
    )
    assert (feedback_id, version, topic, published) == (accepted.feedback_id, "1", FEEDBACK_SUBMITTED.name, None)


async def test_the_same_again_is_a_duplicate(database: AsyncEngine, store: FeedbackStore) -> None:
    (first,) = await accept(store, submission())
    (second,) = await accept(store, submission())
    assert (second.receipt, second.version, second.duplicate) == (first.receipt, 1, True)
    assert await rows(database, SUBMITTED) == [(1,)]


async def test_a_change_is_the_next_version(database: AsyncEngine, store: FeedbackStore) -> None:
    (first,) = await accept(store, submission())
    (second,) = await accept(store, submission(words="And quick."))
    assert (second.receipt, second.feedback_id) == (first.receipt, first.feedback_id)
    assert (second.version, second.duplicate) == (2, False)
    versions = await rows(database, "SELECT version, event->>'version', event->>'text' FROM outbox ORDER BY id")
    assert versions == [(1, "1", "The nurses were kind."), (2, "2", "And quick.")]


async def test_the_same_id_many_times_in_one_batch(store: FeedbackStore) -> None:
    words = ["a", "a", "b", "b", "a"]
    answers = await accept(store, *(submission(words=word) for word in words))
    assert [(answer.version, answer.duplicate) for answer in answers] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
        (3, False),
    ]
    assert len({answer.receipt for answer in answers}) == 1


async def test_members_that_write_the_same_at_once_make_one_event(database: AsyncEngine, store: FeedbackStore) -> None:
    answers = await asyncio.gather(*(accept(store, submission()) for _ in range(20)))
    assert sorted(answer.duplicate for (answer,) in answers) == [False] + [True] * 19
    assert len({answer.receipt for (answer,) in answers}) == 1
    assert await rows(database, SUBMITTED) == [(1,)]


async def test_members_that_write_changes_at_once_make_one_version_each(
    database: AsyncEngine, store: FeedbackStore
) -> None:
    answers = await asyncio.gather(*(accept(store, submission(words=f"v{number}")) for number in range(20)))
    assert sorted(answer.version for (answer,) in answers) == list(range(1, 21))
    in_outbox = await rows(database, "SELECT version FROM outbox ORDER BY id")
    assert in_outbox == [(version,) for version in range(1, 21)]


async def test_batches_that_cross_do_not_deadlock(database: AsyncEngine, store: FeedbackStore) -> None:
    def crossing(turn: int) -> Sequence[Prepared]:
        batch = [submission(str(number), f"turn {turn}") for number in range(150)]
        return batch if turn % 2 else batch[::-1]

    ids = [submission(str(number)).feedback_id for number in range(150)]
    marking = [store.mark_read([analysed(one, version) for one in ids[::-1]]) for version in range(1, 4)]
    await asyncio.gather(*(accept(store, *crossing(turn)) for turn in range(6)), *marking)
    assert await rows(database, "SELECT DISTINCT version FROM feedback") == [(6,)]


async def test_a_transaction_that_fails_leaves_nothing(database: AsyncEngine, store: FeedbackStore) -> None:
    broken = Prepared(uuid4(), b"", "not JSON")
    with pytest.raises(DBAPIError) as caught:
        await store.accept("survey", [submission(), broken], NOW)
    assert "kind" not in str(caught.value)
    assert await rows(database, "SELECT feedback_id FROM feedback") == []
    assert await rows(database, "SELECT id FROM outbox") == []


async def test_a_database_away_is_a_transient_fault() -> None:
    nowhere = engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", "gateway")
    with pytest.raises(TransientFault):
        await FeedbackStore(nowhere).accept("survey", [submission()], NOW)
    await nowhere.dispose()


async def test_withdrawal_forgets_the_words_and_tells_everyone(database: AsyncEngine, store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    await accept(store, submission(words="And quick."))
    assert await store.withdraw("survey", accepted.receipt, NOW) == (accepted.feedback_id, NOW)
    ((topic, event),) = await rows(database, "SELECT topic, event::text FROM outbox")
    assert topic == FEEDBACK_WITHDRAWN.name
    assert FeedbackWithdrawn.model_validate_json(event).feedback_id == accepted.feedback_id
    assert await rows(database, "SELECT content_hash FROM feedback") == [(b"",)]


async def test_withdrawal_happens_once(database: AsyncEngine, store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    first = await store.withdraw("survey", accepted.receipt, NOW)
    assert await store.withdraw("survey", accepted.receipt, NOW + timedelta(days=1)) == first
    assert await rows(database, "SELECT count(*) FROM outbox") == [(1,)]


@pytest.mark.parametrize("words", ["The nurses were kind.", "Changed"])
async def test_withdrawn_stays_withdrawn(database: AsyncEngine, store: FeedbackStore, words: str) -> None:
    (accepted,) = await accept(store, submission())
    await store.withdraw("survey", accepted.receipt, NOW)
    neighbour = submission("2")
    answers = await store.accept("survey", [submission(words=words), neighbour], NOW)
    assert answers[0] is Refusal.WITHDRAWN
    assert isinstance(answers[1], Accepted)
    assert await rows(database, SUBMITTED) == [(1,)]


async def test_a_withdrawal_beside_a_change_leaves_no_words(database: AsyncEngine, store: FeedbackStore) -> None:
    for number in range(15):
        (accepted,) = await accept(store, submission(str(number)))
        changes = [submission(str(number), f"changed {turn}") for turn in range(3)]
        await asyncio.gather(
            *(store.accept("survey", [change], NOW) for change in changes),
            store.withdraw("survey", accepted.receipt, NOW),
        )
    assert await rows(database, SUBMITTED) == [(0,)]
    assert await rows(database, "SELECT count(*) FROM outbox") == [(15,)]


async def test_another_integration_sees_and_withdraws_nothing(store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    assert await store.journey("stranger", accepted.receipt) is None
    assert await store.withdraw("stranger", accepted.receipt, NOW) is None
    journey = await store.journey("survey", accepted.receipt)
    assert journey is not None
    assert journey.state == "received"


async def test_a_journey_goes_on_to_read_and_summarised(store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    await store.mark_read([analysed(accepted.feedback_id)])
    read = await store.journey("survey", accepted.receipt)
    assert read is not None
    assert (read.state, read.read_at) == ("read", NOW + timedelta(minutes=1))
    event = summarised(accepted.feedback_id)
    twice = [event, event, summarised(accepted.feedback_id, team="wards")]
    assert len(await store.mark_summarised(twice)) == 2
    assert await store.mark_summarised([event]) == []
    included = await store.journey("survey", accepted.receipt)
    assert included is not None
    assert included.state == "summarised"
    assert included.summarised == (("maternity", date(2026, 3, 1)), ("wards", date(2026, 3, 1)))


async def test_a_late_reading_of_an_older_version_changes_nothing(store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    one = accepted.feedback_id
    await store.mark_read([analysed(one, 2), analysed(one, 3), analysed(one, 1)])
    await store.mark_read([analysed(one, 2)])
    journey = await store.journey("survey", accepted.receipt)
    assert journey is not None
    assert journey.read_version == 3


async def test_ids_that_are_not_known_are_passed_over(database: AsyncEngine, store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    await store.mark_read([analysed(uuid4()), analysed(accepted.feedback_id)])
    await store.mark_summarised([summarised(uuid4(), accepted.feedback_id)])
    assert await rows(database, "SELECT feedback_id FROM summarised") == [(accepted.feedback_id,)]
    assert await rows(database, "SELECT read_version FROM feedback") == [(1,)]


async def test_a_summary_says_nothing_of_what_was_withdrawn(database: AsyncEngine, store: FeedbackStore) -> None:
    (accepted,) = await accept(store, submission())
    await store.mark_summarised([summarised(accepted.feedback_id)])
    await store.withdraw("survey", accepted.receipt, NOW)
    await store.mark_summarised([summarised(accepted.feedback_id)])
    assert await rows(database, "SELECT feedback_id FROM summarised") == []


async def execute(database: AsyncEngine, statement: str) -> None:
    async with database.begin() as connection:
        await connection.exec_driver_sql(statement)


async def test_a_purge_takes_what_is_old_and_waits_for_nobody(database: AsyncEngine, store: FeedbackStore) -> None:
    for number, age in enumerate([10, 9, 8, 6]):
        await store.accept("survey", [submission(str(number))], NOW - timedelta(days=age))
    (waiting,), _, _, (young,) = await rows(database, "SELECT id FROM outbox ORDER BY id")
    await execute(database, "UPDATE outbox SET published_at = created_at WHERE id >= (SELECT min(id) + 2 FROM outbox)")
    await execute(database, "UPDATE outbox SET set_aside = 'too_large' WHERE id = (SELECT min(id) + 1 FROM outbox)")
    purged = await Outbox(database).purge(timedelta(days=7), NOW)
    assert purged == {"purged published": 1, "purged set aside": 1}
    assert await rows(database, "SELECT id FROM outbox ORDER BY id") == [(waiting,), (young,)]


async def test_a_purge_proves_what_it_deleted_without_its_content(database: AsyncEngine, store: FeedbackStore) -> None:
    outbox, later = Outbox(database), NOW + timedelta(days=8)
    await store.accept("survey", [submission(str(number)) for number in range(3)], NOW)
    await execute(database, "UPDATE outbox SET published_at = created_at")
    await outbox.purge(timedelta(days=7), later)
    await outbox.purge(timedelta(days=7), later)
    assert await rows(database, "SELECT at, action, number, before FROM audit") == [
        (later, "purged published", 3, NOW + timedelta(days=1))
    ]
    await outbox.forget_audit(timedelta(days=730), later + timedelta(days=730))
    assert len(await rows(database, "SELECT id FROM audit")) == 1
    await outbox.forget_audit(timedelta(days=730), later + timedelta(days=731))
    assert await rows(database, "SELECT id FROM audit") == []


async def test_the_oldest_waiting_row_tells_its_age(database: AsyncEngine, store: FeedbackStore) -> None:
    outbox = Outbox(database)
    assert await outbox.oldest() is None
    await store.accept("survey", [submission("1")], NOW - timedelta(hours=1))
    await store.accept("survey", [submission("2")], NOW)
    assert await outbox.oldest() == NOW - timedelta(hours=1)
    await execute(database, "UPDATE outbox SET published_at = now()")
    assert await outbox.oldest() is None


async def test_what_was_not_finished_is_published_again(database: AsyncEngine, store: FeedbackStore) -> None:
    done, edited, gone = (
        accepted for accepted in await accept(store, submission("done"), submission("edited"), submission("gone"))
    )
    await accept(store, submission("edited", "Changed"))
    await store.withdraw("survey", gone.receipt, NOW)
    await execute(database, "UPDATE outbox SET published_at = now()")
    finished = {(done.feedback_id, 1), (edited.feedback_id, 1), (uuid4(), 1)}
    assert await requeue_unfinished(database, finished) == 2
    waiting = await rows(database, "SELECT feedback_id, version FROM outbox WHERE published_at IS NULL ORDER BY id")
    assert waiting == [(edited.feedback_id, 2), (gone.feedback_id, None)]


async def test_with_nothing_finished_everything_is_published_again(database: AsyncEngine, store: FeedbackStore) -> None:
    await accept(store, submission("1"), submission("2"))
    await execute(database, "UPDATE outbox SET published_at = now()")
    assert await requeue_unfinished(database, set()) == 2


BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), max_size=5), max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
async def test_the_same_content_always_has_the_same_receipt(
    database: AsyncEngine, batches: list[list[tuple[int, str]]]
) -> None:
    store, run = FeedbackStore(database), uuid4().hex
    receipts: dict[int, str] = {}
    content: dict[int, str] = {}
    versions: dict[int, int] = {}
    for batch in batches:
        answers = await accept(store, *(submission(f"{run}{number}", words) for number, words in batch))
        for (number, words), answer in zip(batch, answers, strict=True):
            changed = content.get(number) != words
            content[number] = words
            versions[number] = versions.get(number, 0) + changed
            assert answer.receipt == receipts.setdefault(number, answer.receipt)
            assert (answer.version, answer.duplicate) == (versions[number], not changed)
    assert len(set(receipts.values())) == len(receipts)
