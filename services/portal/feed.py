"""A subscription as an Atom feed (RFC 4287): one entry for each page, the newest first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from services.portal.deliveries_message import period_name
from services.portal.subscriptions_subject import heading, identity, path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from services.portal.subscriptions_subject import Published

ATOM = "http://www.w3.org/2005/Atom"

MEDIA_TYPE = "application/atom+xml; charset=utf-8"

MOST_ENTRIES = 24
"""Two years of monthly pages."""


@dataclass(frozen=True, slots=True)
class FeedSource:
    """What a feed is made of.

    Attributes:
        subscription: names the feed for ever.
        since: when it was made; what an empty feed was last changed at.
        address: its own URL.
        portal: the portal's address.
        pages: the newest revision of each.
    """

    subscription: UUID
    since: datetime
    title: str
    address: str
    portal: str
    pages: Sequence[Published]


def document(source: FeedSource) -> bytes:
    """The feed as XML in UTF-8; the same bytes as long as the pages stay the same."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(_name("feed"), {"{http://www.w3.org/XML/1998/namespace}lang": "en-GB"})
    pages = sorted(source.pages, key=lambda page: page.period, reverse=True)[:MOST_ENTRIES]
    _add(feed, "id", f"urn:uuid:{source.subscription}")
    _add(feed, "title", source.title)
    _add(feed, "updated", _moment(max((page.generated_at for page in pages), default=source.since)))
    _add(_add(feed, "author"), "name", "Heed")
    _add(feed, "generator", "Heed")
    _add(feed, "link", rel="self", type="application/atom+xml", href=source.address)
    _add(feed, "link", rel="alternate", type="text/html", href=f"{source.portal}/")
    for page in pages:
        feed.append(_entry(page, source.portal))
    written: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return written


def entity_tag(body: bytes) -> str:
    """A strong entity tag of what is answered."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether the reader has this already, by its `If-None-Match` (RFC 9110, section 13.1.2)."""
    if if_none_match is None:
        return False
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return tag in given or given == ["*"]


def _entry(page: Published, portal: str) -> ET.Element:
    entry = ET.Element(_name("entry"))
    # Of the page, not of its revision: a reader replaces the entry that it has.
    _add(entry, "id", f"urn:uuid:{identity(page)}")
    so_far = " (so far)" if page.provisional else ""
    _add(entry, "title", _plain(f"{heading(page)}: {period_name(page)}{so_far}"))
    _add(entry, "updated", _moment(page.generated_at))
    _add(entry, "link", rel="alternate", type="text/html", href=f"{portal}{path(page)}")
    _add(entry, "content", _plain(page.text), type="text")
    return entry


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, _name(name), attributes)
    child.text = text
    return child


def _name(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _plain(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )
