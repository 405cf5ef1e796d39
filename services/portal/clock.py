"""The clock on a ward's wall: moments as people at work read them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from markupsafe import Markup

from shared import period_names

if TYPE_CHECKING:
    from datetime import datetime

LONDON = ZoneInfo("Europe/London")


def told_day(moment: datetime) -> str:
    """As "8 June 2026"."""
    return period_names.day(moment.astimezone(LONDON))


def told_moment(moment: datetime) -> Markup:
    """As "8 June 2026, 14:05", with the moment itself for machines."""
    local = moment.astimezone(LONDON)
    return Markup('<time datetime="{}">{}, {:%H:%M}</time>').format(local.isoformat(), told_day(local), local)
