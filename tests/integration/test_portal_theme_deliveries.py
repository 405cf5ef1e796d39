"""What a theme's subscribers are sent: each revision once, as of a team's pages, and nothing by an older version."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from services.portal.channels import Channel
from services.portal.people import Grant, Person
from services.portal.sessions import SessionStore
from services.portal.subscriptions_subject import of_theme
from tests.integration.delivery_stage import (
    PORTAL,
    TEAM,
    Deliveries,
    MailServer,
    deliveries,
    directory,
    mail,
    receiver,
)
from tests.integration.webhook_receiver import Receiver
from tests.unit.digest_samples import MAY, PARKING, WAITING, theme_digest
from tests.unit.subscription_samples import page

if TYPE_CHECKING:
    pass

__all__ = ["deliveries", "mail", "receiver"]

pytestmark = pytest.mark.integration

THEME = of_theme(WAITING)
GUEST = Person("guest@example.nhs.uk", frozenset(), frozenset())

CLAIM_OF_THE_VERSION_BEFORE = """
    WITH waiting AS (
        SELECT subscription_id, min(due_at) AS first FROM delivery
         WHERE state = 'waiting' AND due_at <= now() GROUP BY subscription_id
    ), chosen AS (
        SELECT s.id FROM subscription s JOIN waiting w ON w.subscription_id = s.id
         WHERE s.busy_until IS NULL OR s.busy_until <= now()
         ORDER BY w.first, s.id LIMIT 8 FOR UPDATE OF s SKIP LOCKED
    )
    UPDATE subscription s SET busy_until = now() FROM chosen WHERE s.id = chosen.id RETURNING s.team_id
"""


async def test_each_revision_of_a_digest_is_delivered_once_and_of_no_other_theme(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    await deliveries.subscribe(receiver.url, about=THEME)
    for revision in (1, 1, 2, 1):
        await deliveries.publish_digests(theme_digest(revision=revision), theme_digest(PARKING, revision=revision))
        await deliveries.publish(page(revision=revision))
        await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 1), ("2026-05-01", 2)]
    assert json.loads(receiver.received[1].body) == theme_digest(revision=2).model_dump(mode="json")


async def test_a_receiver_that_was_down_gets_the_newest_revision_once(
    deliveries: Deliveries, receiver: Receiver
) -> None:
    await deliveries.subscribe(receiver.url, about=THEME)
    receiver.stop()
    for revision in (1, 2):
        await deliveries.publish_digests(theme_digest(revision=revision))
        await deliveries.sender().turn()
        deliveries.clock.forward(seconds=60)
    receiver.start()
    for _ in range(2):
        await deliveries.sender().turn()
    assert receiver.pages == [("2026-05-01", 2)]
    assert [(state, reason) for _, _, state, reason in await deliveries.states()] == [
        ("superseded", "not_connected"),
        ("sent", None),
    ]


async def test_a_program_that_got_a_digest_is_told_to_forget_it(deliveries: Deliveries, receiver: Receiver) -> None:
    await deliveries.subscribe(receiver.url, about=THEME)
    await deliveries.publish_digests(theme_digest())
    await deliveries.sender().turn()
    await deliveries.take_back(theme_digest(PARKING))
    await deliveries.take_back(theme_digest())
    await deliveries.sender().turn()
    (_, told) = receiver.received
    assert json.loads(told.body) == {"slug": WAITING, "period": "2026-05-01", "revision": 1, "taken_back": True}


async def test_a_person_is_told_where_to_look_and_nothing_else(deliveries: Deliveries, mail: MailServer) -> None:
    await deliveries.subscribe("ward.9@example.nhs.uk", Channel.EMAIL, about=THEME)
    await deliveries.publish_digests(theme_digest())
    deliveries.clock.forward(minutes=11)
    await deliveries.sender().turn()
    (sent,) = mail.messages
    assert sent["Subject"] == "How long people waited: May 2026"
    assert f"{PORTAL}/themes/{WAITING}/{MAY}" in sent.get_content()
    assert "150" not in sent.get_content()


async def test_who_can_sign_in_no_more_gets_no_digest(deliveries: Deliveries, receiver: Receiver) -> None:
    """A theme is for everybody who is signed in: for who was let in not long ago, or stands in the catalogue."""

    revisions = itertools.count(1)

    async def sent() -> int:
        await deliveries.publish_digests(theme_digest(revision=next(revisions)))
        await deliveries.sender().turn()
        return len(receiver.received)

    await deliveries.subscribe(receiver.url, person=GUEST, about=THEME)
    assert await sent() == 0, "neither"
    await SessionStore(deliveries.database).begin(Grant(GUEST.subject), deliveries.clock.now + timedelta(hours=1))
    deliveries.clock.now = (await deliveries.rows("SELECT now()"))[0][0]
    assert await sent() == 1, "somebody of no team signed in"
    deliveries.clock.forward(days=91)
    assert await sent() == 1, "and not again for a quarter of a year"
    deliveries.directory = directory(GUEST.subject)
    assert await sent() == 2, "the catalogue names them"


async def test_a_member_of_the_version_before_leaves_themes_alone(deliveries: Deliveries, receiver: Receiver) -> None:
    """It knows no digests, and would drop what waits as if it had been taken back."""
    await deliveries.subscribe(receiver.url, about=THEME)
    await deliveries.subscribe(receiver.url)
    await deliveries.publish_digests(theme_digest())
    await deliveries.publish(page())
    async with deliveries.database.begin() as connection:
        claimed = (await connection.execute(text(CLAIM_OF_THE_VERSION_BEFORE))).scalars().all()
    assert claimed == [TEAM]

    now, until = deliveries.clock.now, deliveries.clock.now + timedelta(minutes=10)
    (claim,) = await deliveries.store.claim(now, until, 8)
    assert claim.about == THEME, "and the team's is the other member's for now"
    assert await deliveries.store.claim(now, until, 8) == []
    await deliveries.store.release(claim.subscription, until)
    assert [each.about for each in await deliveries.store.claim(now, until, 8)] == [THEME]
    assert [each.about for each in await deliveries.store.claim(until, until, 8)] == [THEME], "a lease ends by itself"
