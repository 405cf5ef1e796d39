"""Deliveries on PostgreSQL: one for each revision, in their time, to who may read them, through every fault."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.portal.channels import Channel
from services.portal.deliveries import Frequency, Retries
from services.portal.deliveries_store import DeliveryStore
from services.portal.people import Grant, Person
from services.portal.sessions import SessionStore
from shared.errors import TransientFault
from tests.integration.delivery_stage import (
    SAM,
    TEAM,
    Deliveries,
    MailServer,
    deliveries,
    directory,
    mail,
    receiver,
)
from tests.integration.webhook_receiver import Receiver
from tests.unit.subscription_samples import WORDS, page

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID


__all__ = ["deliveries", "mail", "receiver"]

pytestmark = pytest.mark.integration

JUNE = date(2026, 6, 1)
MONDAY = datetime(2026, 6, 15, 7, tzinfo=UTC)


async def test_a_page_is_delivered_once_however_often_it_arrives(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    for _ in range(3):
        await deliveries.publish(page(), page())
        await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 1)]


async def test_two_members_deliver_each_page_once(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.subscribe(f"{receiver.url}/other")
    await deliveries.publish(*(page(period=date(2026, month, 1)) for month in range(1, 6)))
    await asyncio.gather(*(deliveries.sender().turn() for _ in range(4)))
    assert sorted(receiver.pages) == sorted([(f"2026-0{month}-01", 1) for month in range(1, 6)] * 2)
    identities = [each.headers["heed-delivery"] for each in receiver.received]
    assert len(set(identities)) == len(identities) == 10


async def test_pages_of_one_subscription_come_in_order(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    for month in (3, 1, 2):
        await deliveries.publish(page(period=date(2026, month, 1)))
        deliveries.clock.forward(seconds=1)
    await deliveries.sender().turn()
    assert [period for period, _ in receiver.pages] == ["2026-03-01", "2026-01-01", "2026-02-01"]


async def test_what_was_written_before_somebody_subscribed_is_not_sent(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page(generated_at=deliveries.clock.now - timedelta(hours=2)))
    assert await deliveries.states() == []


async def test_a_revision_that_was_not_sent_gives_way_to_a_newer_one(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page(revision=1))
    await deliveries.publish(page(revision=3))
    await deliveries.publish(page(revision=2))
    await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 3)]
    assert await deliveries.states() == [("2026-05-01", 1, "superseded", None), ("2026-05-01", 3, "sent", None)]


async def test_a_page_that_was_taken_back_is_not_sent(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    await deliveries.take_back(page())
    await deliveries.sender().turn()
    assert receiver.pages == []
    assert await deliveries.states() == [("2026-05-01", 1, "dropped", "taken_back")]


async def test_a_program_that_got_a_page_is_told_to_forget_it(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL)
    for revision in (1, 2):
        await deliveries.publish(page(revision=revision))
        await deliveries.sender().turn()
    deliveries.directory = directory()  # also where nobody may read it any more
    for _ in range(2):
        await deliveries.take_back(page())
        await deliveries.sender().turn()
    assert len(receiver.received) == 3
    told = json.loads(receiver.received[-1].body)
    assert told == {"team_id": TEAM, "period": "2026-05-01", "revision": 2, "taken_back": True}
    identities = {each.headers["heed-delivery"] for each in receiver.received}
    assert len(identities) == 3


async def test_a_program_that_is_to_forget_a_page_gets_a_newer_one_instead(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    await deliveries.sender().turn()
    await deliveries.take_back(page())
    await deliveries.publish(page(revision=2))
    await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 1), ("2026-05-01", 2)]


async def test_a_page_that_is_taken_back_on_its_way_is_to_be_forgotten(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    class Slow(DeliveryStore):
        async def sent(self, ids: Collection[UUID], now: datetime) -> None:
            await deliveries.take_back(page())
            await super().sent(ids, now)

    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    await deliveries.sender(Slow(deliveries.database)).turn()
    assert [b"taken_back" in each.body for each in receiver.received] == [False, True]


async def test_a_muted_subscription_sends_nothing_of_its_time(deliveries: Deliveries, receiver: Receiver) -> None:
    subscription = await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    now = deliveries.clock.now
    await deliveries.subscriptions.change(SAM, subscription, Frequency.REVISION, now, muted=True)
    await deliveries.publish(page(revision=2))
    await deliveries.sender().turn()
    await deliveries.subscriptions.change(SAM, subscription, Frequency.REVISION, now, muted=False)
    await deliveries.sender().turn()
    assert receiver.pages == []
    await deliveries.publish(page(revision=3))
    await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 3)]


async def test_who_was_taken_out_of_the_catalogue_gets_nothing_more(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    deliveries.directory = directory()
    await deliveries.sender().turn()
    assert receiver.pages == []
    assert await deliveries.states() == [("2026-05-01", 1, "dropped", "not_permitted")]


async def test_what_a_sign_in_said_counts_until_the_next_one_or_for_some_weeks(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    deliveries.directory = directory()
    ends = datetime.now(UTC) + timedelta(hours=1)
    sessions = SessionStore(deliveries.database)
    for subject, teams in (("stays", {TEAM}), ("left", {TEAM}), ("left", set[str]()), ("old", {TEAM})):
        await sessions.begin(Grant(subject, frozenset(teams)), ends)
    async with deliveries.database.begin() as connection:
        await connection.execute(text("UPDATE reader SET seen_at = '2026-01-01' WHERE subject = 'old'"))
    for subject in ("stays", "left", "old", "never"):
        person = Person(subject, frozenset({TEAM}), frozenset())
        await deliveries.subscribe(f"{receiver.url}/{subject}", person=person)
    await deliveries.publish(page())
    await deliveries.sender().turn()
    sent = await deliveries.rows(
        "SELECT owner FROM subscription s JOIN delivery d ON d.subscription_id = s.id WHERE d.state = 'sent'"
    )
    assert [row.owner for row in sent] == ["stays"]


async def test_a_crash_between_sending_and_marking_sends_again_under_the_same_id(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    class Crashing(DeliveryStore):
        async def sent(self, ids: Collection[UUID], now: datetime) -> None:
            raise TransientFault("the member died; this is a test")

    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    with pytest.raises(TransientFault):
        await deliveries.sender(Crashing(deliveries.database)).turn()
    await deliveries.sender().turn()
    assert len(receiver.pages) == 1  # until the dead member's claim is over, nobody else's it is
    deliveries.clock.forward(minutes=11)
    await deliveries.sender().turn()
    await deliveries.sender().turn()
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["heed-delivery"] == second.headers["heed-delivery"]


async def test_a_member_that_is_told_to_stop_leaves_nothing_to_wait_for(deliveries: Deliveries) -> None:
    met = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        met.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    await deliveries.subscribe(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await deliveries.publish(page())
    turn = asyncio.create_task(deliveries.sender().turn())
    await met.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    server.close()
    assert await deliveries.rows("SELECT id FROM subscription WHERE busy_until IS NOT NULL") == []
    assert await deliveries.states() == [("2026-05-01", 1, "waiting", None)]


async def test_what_is_refused_does_not_hold_up_what_comes_after(deliveries: Deliveries, receiver: Receiver) -> None:
    receiver.stop()
    receiver.start(refuse='"period":"2026-05-01"')
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page(), page(period=JUNE))
    await deliveries.sender().turn()
    assert receiver.pages == [("2026-06-01", 1)]
    assert await deliveries.states() == [("2026-05-01", 1, "waiting", "http_422"), ("2026-06-01", 1, "sent", None)]


async def test_a_delivery_is_dead_after_its_last_attempt_and_can_be_replayed(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    receiver.stop()
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    steward = Person("steward", frozenset(), frozenset({"steward"}))
    for pause in (10, 20, 30):
        await deliveries.sender().turn()
        assert await deliveries.states() == [("2026-05-01", 1, "waiting", "not_connected")]
        deliveries.clock.forward(seconds=pause - 1)
        await deliveries.sender().turn()  # too early: no attempt
        deliveries.clock.forward(seconds=1)
    await deliveries.sender().turn()
    (dead,) = await deliveries.store.dead()
    assert (dead.attempts, dead.reason, dead.shown) == (4, "not_connected", "127.0.0.1/…")
    deliveries.clock.forward(days=1)
    await deliveries.sender().turn()
    receiver.start()
    assert await deliveries.store.replay([dead.id], deliveries.clock.now, steward) == 1
    await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 1)]
    assert await deliveries.store.replay(None, deliveries.clock.now, steward) == 0
    noted = await deliveries.rows("SELECT subject, action FROM audit WHERE action = 'replayed'")
    assert noted == [("steward", "replayed")]


async def test_a_receiver_that_is_gone_mutes_its_subscription(deliveries: Deliveries, receiver: Receiver) -> None:
    receiver.stop()
    receiver.start(status=410)
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page(), page(period=JUNE))
    await deliveries.sender().turn()
    assert len(receiver.received) == 1
    assert {state for _, _, state, _ in await deliveries.states()} == {"dead"}
    await deliveries.publish(page(revision=2))
    assert len(await deliveries.states()) == 2


async def test_an_email_holds_a_link_and_nothing_that_was_said(deliveries: Deliveries, mail: MailServer) -> None:
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL)
    await deliveries.publish(page())
    deliveries.clock.forward(minutes=10)
    await deliveries.sender().turn()
    (message,) = mail.messages
    assert mail.recipients == ["ward.9@example.nhs.uk"]
    assert message["Subject"] == "Riverside emergency team: May 2026"
    body = message.get_content()
    assert f"http://portal/teams/{TEAM}/2026-05-01" in body
    assert WORDS not in str(message)
    link = message["List-Unsubscribe"]
    assert link.startswith("<http://portal/unsubscribe/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.strip("<>") in body
    token = link.strip("<>").rpartition("/")[2]
    assert await deliveries.subscriptions.unsubscribe(token, deliveries.clock.now)
    await deliveries.publish(page(revision=2))
    deliveries.clock.forward(minutes=10)
    await deliveries.sender().turn()
    assert len(mail.messages) == 1


async def test_a_person_is_told_of_a_page_at_most_every_ten_minutes(deliveries: Deliveries, mail: MailServer) -> None:
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL)
    for revision in range(1, 13):  # a new revision every two minutes
        await deliveries.publish(page(revision=revision))
        await deliveries.sender().turn()
        deliveries.clock.forward(minutes=2)
    assert len(mail.messages) == 2


async def test_a_digest_is_one_message_with_what_came_since(deliveries: Deliveries, mail: MailServer) -> None:
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL, Frequency.WEEK)
    await deliveries.publish(page())
    deliveries.clock.forward(days=1)
    await deliveries.publish(page(period=JUNE))
    deliveries.clock.forward(days=1)
    await deliveries.publish(page(period=JUNE, revision=2))
    deliveries.clock.now = MONDAY - timedelta(seconds=1)
    await deliveries.sender().turn()
    assert mail.messages == []
    deliveries.clock.now = MONDAY
    await deliveries.sender().turn()
    (message,) = mail.messages
    assert message["Subject"] == "Riverside emergency team: 2 pages"
    deliveries.clock.forward(days=7)
    await deliveries.sender().turn()
    assert len(mail.messages) == 1  # nothing came since: nothing is sent


async def test_a_page_that_changes_all_the_time_is_in_every_digest(deliveries: Deliveries, mail: MailServer) -> None:
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL, Frequency.WEEK)
    await deliveries.publish(page())
    deliveries.clock.now = MONDAY + timedelta(minutes=1)  # nothing was sent in time, and then it changes
    await deliveries.publish(page(revision=2))
    await deliveries.sender().turn()
    assert len(mail.messages) == 1


async def test_a_monthly_digest_comes_on_the_eighth(deliveries: Deliveries, mail: MailServer) -> None:
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL, Frequency.MONTH)
    await deliveries.publish(page())
    deliveries.clock.now = datetime(2026, 7, 8, 6, 59, tzinfo=UTC)
    await deliveries.sender().turn()
    assert mail.messages == []
    deliveries.clock.forward(minutes=1)
    await deliveries.sender().turn()
    assert len(mail.messages) == 1


async def test_a_mail_server_that_is_away_is_tried_again_and_names_nobody_in_the_log(
    deliveries: Deliveries, mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    own, deliveries.mail = deliveries.mail, SecretStr("mailto://127.0.0.1:9?from=heed@example.nhs.uk")
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL)
    await deliveries.publish(page())
    deliveries.clock.forward(minutes=10)
    await deliveries.sender().turn()
    assert await deliveries.states() == [("2026-05-01", 1, "waiting", "not_accepted")]
    deliveries.mail = own
    deliveries.clock.forward(seconds=10)
    await deliveries.sender().turn()
    assert len(mail.messages) == 1
    assert "ward.9" not in caplog.text
    assert WORDS not in caplog.text


async def test_another_service_of_apprise_gets_the_same_message(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url.replace("http://", "json://"), Channel.APPRISE)
    await deliveries.publish(page())
    deliveries.clock.forward(minutes=10)
    await deliveries.sender().turn()
    (received,) = receiver.received
    assert b"/teams/riverside-emergency/2026-05-01" in received.body
    assert b"hurried" not in received.body


async def test_a_key_that_was_changed_is_told_and_reaches_nobody(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    async with deliveries.database.begin() as connection:
        await connection.execute(text("UPDATE subscription SET target = decode(repeat('00', 60), 'hex')"))
    await deliveries.publish(page())
    await deliveries.sender(retries=Retries(1, 1, 1)).turn()
    assert await deliveries.states() == [("2026-05-01", 1, "dead", "key_changed")]


async def test_nothing_that_opens_a_target_is_kept_as_it_is(deliveries: Deliveries) -> None:
    await deliveries.subscribe("https://8.8.8.8/private-path")
    ((kept,),) = await deliveries.rows(
        "SELECT s::text || encode(target, 'escape') || encode(secret, 'escape') FROM subscription s"
    )
    assert "private-path" not in kept
    assert "heedwh_" not in kept


async def test_what_was_settled_long_ago_is_forgotten(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url)
    await deliveries.publish(page())
    await deliveries.sender().turn()
    await deliveries.publish(page(period=JUNE))
    await deliveries.store.purge(deliveries.clock.now + timedelta(days=1))
    assert await deliveries.states() == [("2026-06-01", 1, "waiting", None)]
