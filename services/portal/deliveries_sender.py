"""Sends what is due, in turns; at least once, one subscription at a time, and nobody's receiver in another's way.

A page goes to a webhook by itself; to a person all that is due of a subscription goes in one message. A receiver that
is away is left alone with all that waits for it; one that refuses a page gets the next one all the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.portal.channels import TAKEN, Channel, Outcome, Verdict
from services.portal.deliveries_message import message
from services.portal.subscriptions_sealing import Unreadable
from shared import telemetry
from shared.errors import TransientFault
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from services.portal.channels_apprise import AppriseChannels
    from services.portal.deliveries import Claim, Due, Retries
    from services.portal.deliveries_store import DeliveryStore
    from services.portal.subscriptions_membership import Membership
    from services.portal.subscriptions_sealing import Seals
    from services.portal.subscriptions_subject import Published
    from services.portal.webhook import Webhooks

log = logging.getLogger(__name__)

SUBSCRIPTIONS_AT_ONCE = 8
"""Served side by side by one member."""

LEASE = timedelta(minutes=10)
"""After which a claim of a member that died is another's; more than all its deliveries can take."""


def _now() -> datetime:
    return datetime.now(UTC)


class Sender:
    """One member's part of the sending.

    Args:
        store: where deliveries wait.
        membership: who may still read what.
        seals: opens targets.
        webhooks: for pages.
        channels: for messages.
        portal: its address, for links.
        retries: how long and how often.
        clock: now.
        draw: 0 to 1, at random.
    """

    def __init__(
        self,
        store: DeliveryStore,
        membership: Membership,
        seals: Seals,
        webhooks: Webhooks,
        channels: AppriseChannels,
        *,
        portal: str,
        retries: Retries,
        clock: Callable[[], datetime] = _now,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._membership = membership
        self._seals = seals
        self._webhooks = webhooks
        self._channels = channels
        self._portal = portal
        self._retries = retries
        self._clock = clock
        self._draw = draw

    async def turn(self) -> None:
        """Send until nothing is due that no other member is at.

        Raises:
            TransientFault: the database is away; what was not marked as sent is sent again.
        """
        while True:
            now = self._clock()
            until = now + LEASE
            claims = await self._store.claim(now, until, SUBSCRIPTIONS_AT_ONCE)
            if not claims:
                return
            permitted = await self._membership.permitted({(claim.owner, claim.about) for claim in claims}, now)
            served = await asyncio.gather(
                *(self._serve(claim, until, may_read=(claim.owner, claim.about) in permitted) for claim in claims),
                return_exceptions=True,
            )
            for fault in served:
                if fault is not None:
                    raise fault

    async def _serve(self, claim: Claim, until: datetime, *, may_read: bool) -> None:
        gone = [due.id for due in claim.deliveries if due.published is None and due.notice is None]
        pages = [due for due in claim.deliveries if due.published is not None]
        # Whoever got a page may be told to forget it, member or not.
        due = [
            each for each in claim.deliveries if each.notice is not None or (each.published is not None and may_read)
        ]
        if gone:
            await self._drop(claim, gone, "taken_back")
        if pages and not may_read:
            await self._drop(claim, [each.id for each in pages], "not_permitted")
        if due:
            try:
                with telemetry.deliver_spans(claim.channel.value, [each.traceparent for each in due]):
                    await self._deliver(claim, due)
            except TransientFault:
                raise
            except asyncio.CancelledError:
                # Told to stop: what is on its way may arrive, and is sent again; nobody need wait for the lease's end.
                await self._store.release(claim.subscription, until)
                raise
            except Exception as error:
                # One subscription's fault keeps no other's from being served; the cause is logged by class and place.
                log.exception("subscription %s could not be served", claim.subscription)
                await self._fail(claim, due, f"unexpected:{type(error).__name__}")
        await self._store.release(claim.subscription, until)

    async def _deliver(self, claim: Claim, due: Sequence[Due]) -> None:
        if claim.channel is not Channel.WEBHOOK:
            pages = [each.published for each in due if each.published is not None]
            await self._settle(claim, due, await self._told(claim, pages))
            return
        for position, each in enumerate(due):
            outcome = await self._posted(claim, each)
            if outcome.verdict in {Verdict.AWAY, Verdict.GONE}:
                await self._settle(claim, due[position:], outcome)
                return
            await self._settle(claim, [each], outcome)

    async def _told(self, claim: Claim, pages: Sequence[Published]) -> Outcome:
        try:
            target = self._seals.open(claim.target or b"", claim.subscription)
        except Unreadable:
            return Outcome(Verdict.REFUSED, "key_changed")
        unsubscribe = f"{self._portal}/unsubscribe/{self._seals.link_token(claim.subscription)}"
        return await self._channels.send(claim.channel, target, message(pages, self._portal, unsubscribe))

    async def _posted(self, claim: Claim, due: Due) -> Outcome:
        try:
            url = self._seals.open(claim.target or b"", claim.subscription)
            secret = self._seals.open(claim.secret or b"", claim.subscription)
        except Unreadable:
            return Outcome(Verdict.REFUSED, "key_changed")
        return await self._webhooks.send(url, secret, due.id, _body(due))

    async def _settle(self, claim: Claim, due: Sequence[Due], outcome: Outcome) -> None:
        if outcome == TAKEN:
            await self._store.sent([each.id for each in due], self._clock())
            _count(claim, "sent", len(due))
        elif outcome.verdict is Verdict.GONE:
            reason = outcome.reason or "gone"
            log.warning("subscription %s is muted: its receiver wants no more (%s)", claim.subscription, reason)
            _count(claim, "dead", await self._store.gone(claim.subscription, reason, self._clock()))
        else:
            await self._fail(claim, due, outcome.reason or outcome.verdict.value)

    async def _fail(self, claim: Claim, due: Sequence[Due], reason: str) -> None:
        now = self._clock()
        jitter = self._draw()  # one for all: what waits for the same receiver stays in order
        again = [
            (each.id, None if self._retries.are_over(failed) else now + self._retries.pause(failed, jitter))
            for each in due
            for failed in [each.attempts + 1]
        ]
        await self._store.failed(again, reason, now)
        dead = sum(moment is None for _, moment in again)
        _count(claim, "retried", len(again) - dead)
        _count(claim, "dead", dead)
        if dead:
            log.error("%d deliveries of subscription %s are dead: %s", dead, claim.subscription, reason)

    async def _drop(self, claim: Claim, ids: Sequence[UUID], reason: str) -> None:
        await self._store.drop(ids, reason, self._clock())
        _count(claim, "dropped", len(ids))


def _body(due: Due) -> bytes:
    content = due.notice or due.published
    assert content is not None, "a page that was taken back is never sent"
    return content.model_dump_json().encode()


def _count(claim: Claim, outcome: str, number: int) -> None:
    if number:
        telemetry.count(Metric.DELIVERIES, number, {"channel": claim.channel.value, "outcome": outcome})
