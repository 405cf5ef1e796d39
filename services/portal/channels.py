"""The channels of a subscription: what a person may give as a target, how it is shown again, what came of sending."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST_TARGET = 2_000
"""Characters of an address or URL."""

HOSTED = frozenset({"discord", "gchat", "tgram", "wxteams", "zulip", "pover"})
"""Services of Apprise that cannot be made to call any host but their own; what a person may use by default."""

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]+\.)+[A-Za-z]{2,63}", re.ASCII)
_SLACK = re.compile(r"https://hooks\.slack\.com/services/[A-Z0-9]+/[A-Z0-9]+/[A-Za-z0-9]+", re.ASCII)
_TEAMS = re.compile(
    r"https://[a-z0-9.-]+\.(?:logic\.azure\.com|api\.powerplatform\.com)(?::443)?"
    r"(?:/powerautomate/automations/direct(?:/cu/[0-9]+)?)?/workflows/[A-Za-z0-9_-]+/triggers/manual/paths/invoke"
    r"\?(?:(?:api-version|sp|sv|sig)=[A-Za-z0-9%._~-]+&?)+",
    re.ASCII,
)
"""What Power Automate shows; only its own parameters, as Apprise would take others, a file's path among them."""


class Channel(StrEnum):
    """How a subscription reaches somebody."""

    EMAIL = "email"
    TEAMS = "teams"
    SLACK = "slack"
    APPRISE = "apprise"
    WEBHOOK = "webhook"
    FEED = "feed"

    @property
    def is_message(self) -> bool:
        """Whether a person reads it: a short message without any of the page's words."""
        return self not in {Channel.WEBHOOK, Channel.FEED}


class Verdict(StrEnum):
    """What came of one attempt to send."""

    TAKEN = "taken"
    REFUSED = "refused"
    """The receiver answered and did not want this one; another may pass."""
    AWAY = "away"
    """Nothing gets through just now."""
    GONE = "gone"
    """The receiver wants nothing of this subscription any more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, and why, as a code: never what the receiver wrote."""

    verdict: Verdict
    reason: str | None = None


TAKEN = Outcome(Verdict.TAKEN)


def email_target(address: str, domains: Collection[str]) -> str:
    """An e-mail address to send to.

    Args:
        address: as the person typed it.
        domains: those that may be written to, each with its subdomains; none means any.

    Raises:
        UsageError: it is none, or of another domain.
    """
    found = address.strip()
    if not _EMAIL.fullmatch(found):
        raise UsageError("this is not an e-mail address; write one such as ward.9@example.nhs.uk")
    domain = found.rpartition("@")[2].casefold()
    if domains and not any(domain == own or domain.endswith(f".{own}") for own in domains):
        raise UsageError(f"summaries are only sent to addresses at {', '.join(sorted(domains))}")
    return found


def slack_target(url: str) -> str:
    """An incoming webhook of Slack.

    Raises:
        UsageError: it is another URL.
    """
    if not _SLACK.fullmatch(url.strip()):
        raise UsageError("this is not Slack's webhook URL; it begins with https://hooks.slack.com/services/")
    return url.strip()


def teams_target(url: str) -> str:
    """A workflow of Microsoft Teams ("Post to a channel when a webhook request is received").

    Raises:
        UsageError: it is another URL.
    """
    if len(url) > LONGEST_TARGET or not _TEAMS.fullmatch(url.strip()):
        raise UsageError("this is not a workflow of Teams; its URL is on logic.azure.com or api.powerplatform.com")
    return url.strip()


def apprise_target(url: str, schemas: Collection[str]) -> str:
    """Another service that Apprise knows.

    Options after a question mark are refused: some of them make Apprise read files of this machine.

    Args:
        url: as Apprise writes it, such as `discord://id/token`.
        schemas: those that the operator allows.

    Raises:
        UsageError: it is no such URL.
    """
    found = url.strip()
    schema, separator, rest = found.partition("://")
    if not separator or not rest or len(found) > LONGEST_TARGET or not found.isprintable():
        raise UsageError("this is not an Apprise URL; it looks like discord://id/token")
    if schema.lower() not in schemas:
        raise UsageError(f"of Apprise's services these may be used here: {', '.join(sorted(schemas))}")
    if any(character in found for character in "?&# "):
        raise UsageError("leave the options after the question mark out of the Apprise URL")
    return found


def shown(channel: Channel, target: str) -> str:
    """What a person may see of a target once it is stored: enough to tell it from others, nothing that opens it."""
    if channel is Channel.EMAIL:
        name, _, domain = target.rpartition("@")
        return f"{name[:1]}…@{domain}"
    if channel is Channel.APPRISE:
        return f"{target.partition('://')[0].lower()}://…"
    if channel is Channel.FEED:
        return "private address"
    return f"{urlsplit(target).hostname or ''}/…"
