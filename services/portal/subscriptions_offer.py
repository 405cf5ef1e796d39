"""What may be subscribed to, and how a form becomes a subscription: every target is looked at before it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from services.portal import sessions, webhook
from services.portal.channels import Channel, apprise_target, email_target, slack_target, teams_target
from services.portal.deliveries import Frequency
from services.portal.subscriptions import Wanted
from services.portal.webhook_targets import parsed
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from services.portal.channels_apprise import AppriseChannels
    from services.portal.deliveries_store import DeliveryStore
    from services.portal.protection import Limit
    from services.portal.subscriptions import SubscriptionStore
    from services.portal.subscriptions_membership import Membership
    from services.portal.subscriptions_settings import SubscriptionSettings
    from services.portal.webhook import Webhooks

    T = TypeVar("T", bound=StrEnum)

CHANNEL_NAMES = {
    Channel.EMAIL: "E-mail",
    Channel.TEAMS: "Microsoft Teams",
    Channel.SLACK: "Slack",
    Channel.APPRISE: "Another service (Apprise)",
    Channel.WEBHOOK: "Webhook, for a program",
    Channel.FEED: "Feed, for a feed reader",
}

FREQUENCY_NAMES = {
    Frequency.REVISION: "Every time a page changes",
    Frequency.WEEK: "Once a week, on Monday",
    Frequency.MONTH: "Once a month, on the 8th",
}


REASONS = {
    "timeout": "the receiver did not answer in time",
    "not_connected": "the receiver could not be reached",
    "name_not_known": "the receiver's name is not known",
    "broken_answer": "the receiver hung up",
    "not_accepted": "the service did not accept the message",
    "target_not_allowed": "its address may not be reached from here",
    "target_not_usable": "its address is not complete",
    "key_changed": "its address can no longer be opened; end this one and subscribe again",
    "http_3": "the receiver has moved",
    "http_4": "the receiver refused it",
    "http_5": "the receiver is in trouble",
}


def in_words(reason: str | None) -> str:
    """Why an attempt failed, for people; codes of HTTP by their first digit."""
    code = reason or ""
    return REASONS.get(code[:6] if code.startswith("http_") else code, "something went wrong here")


@dataclass(frozen=True, slots=True)
class Subscribing:
    """The collaborators of the subscriptions' routes.

    Attributes:
        limit: on links and feeds that are not there, by address.
    """

    store: SubscriptionStore
    deliveries: DeliveryStore
    membership: Membership
    offer: Offer
    limit: Limit


class Offer:
    """The channels of this installation.

    Args:
        settings: what the operator allows.
        webhooks: sees whether a webhook may be reached.
        channels: sees whether Apprise knows a target.
    """

    def __init__(self, settings: SubscriptionSettings, webhooks: Webhooks, channels: AppriseChannels) -> None:
        self._settings = settings
        self._webhooks = webhooks
        self._channels = channels
        missing = set() if settings.portal_mail else {Channel.EMAIL}
        missing |= set() if settings.apprise_services else {Channel.APPRISE}
        self.channels = [channel for channel in Channel if channel not in missing]

    async def wanted(self, about: str, fields: Mapping[str, str]) -> Wanted:
        """What a form asks for, about a team or a theme that is this person's to read.

        Raises:
            UsageError: it cannot be had; one line for the person says why.
        """
        channel = _one_of(Channel, fields.get("channel", ""), "choose how you want to get it")
        frequency = _one_of(Frequency, fields.get("frequency", ""), "choose how often you want to get it")
        if channel not in self.channels:
            raise UsageError("choose how you want to get it")
        if channel is Channel.FEED:
            return Wanted(about, channel, Frequency.REVISION, feed_token=sessions.token())
        target = await self._target(channel, fields.get("target", ""))
        secret = webhook.new_secret() if channel is Channel.WEBHOOK else None
        return Wanted(about, channel, frequency, target, secret)

    async def _target(self, channel: Channel, given: str) -> str:
        if not given.strip():
            raise UsageError("write where to send it")
        if channel is Channel.WEBHOOK:
            await self._webhooks.check(given)
            return parsed(given).url
        if channel is Channel.EMAIL:
            target = email_target(given, self._settings.mail_domains)
        elif channel is Channel.TEAMS:
            target = teams_target(given)
        elif channel is Channel.SLACK:
            target = slack_target(given)
        else:
            target = apprise_target(given, self._settings.apprise_services)
        await self._channels.check(channel, target)
        return target


def frequency_of(fields: Mapping[str, str]) -> Frequency:
    """How often, by a form.

    Raises:
        UsageError: it does not say.
    """
    return _one_of(Frequency, fields.get("frequency", ""), "choose how often you want to get it")


def _one_of(kind: type[T], given: str, problem: str) -> T:
    try:
        return kind(given)
    except ValueError:
        raise UsageError(problem) from None
