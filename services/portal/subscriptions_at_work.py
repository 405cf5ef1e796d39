"""Wires subscriptions: what their routes work with, and the sender in the background."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.portal.channels_apprise import AppriseChannels
from services.portal.deliveries_sender import Sender
from services.portal.deliveries_store import DeliveryStore
from services.portal.protection import Limit
from services.portal.subscriptions import SubscriptionStore
from services.portal.subscriptions_membership import Membership
from services.portal.subscriptions_offer import Offer, Subscribing
from services.portal.subscriptions_sealing import Seals
from services.portal.webhook import Webhooks, webhook_client
from services.portal.webhook_targets import Targets
from shared.repeating import repeating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.portal.directory import DirectoryFile
    from services.portal.settings import PortalSettings


@asynccontextmanager
async def delivering(
    settings: PortalSettings, database: AsyncEngine, directory: DirectoryFile
) -> AsyncIterator[Subscribing | None]:
    """Send what is due while inside; None, and nothing sent, where the settings hold no key to seal targets with."""
    store = DeliveryStore(database)
    trusted_for = timedelta(days=settings.portal_membership_days)
    membership = Membership(database, lambda: directory.current, trusted_for)

    async def purge() -> None:
        now = datetime.now(UTC)
        await store.purge(now - timedelta(days=settings.portal_delivery_retention_days))
        await membership.forget(now)

    async with repeating(purge, settings.purge_interval, "portal-delivery-purge"), webhook_client() as client:
        if settings.portal_subscription_key is None:
            yield None
            return
        targets = Targets(settings.private_targets)
        seals = Seals(settings.portal_subscription_key)
        channels = AppriseChannels(settings.portal_mail, targets)
        webhooks = Webhooks(targets, client)
        sender = Sender(
            store,
            membership,
            seals,
            webhooks,
            channels,
            portal=settings.portal_url,
            retries=settings.retries,
        )
        async with repeating(sender.turn, settings.portal_delivery_poll, "portal-deliveries"):
            yield Subscribing(
                store=SubscriptionStore(database, seals),
                deliveries=store,
                membership=membership,
                offer=Offer(settings, webhooks, channels),
                limit=Limit(settings.portal_sign_ins),
            )
