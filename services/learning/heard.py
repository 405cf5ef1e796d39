"""Section 0 of a page: who we heard, and who we didn't. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from services.learning import wording
from services.learning.amounts import amount, rounded
from services.learning.voices import DEMOGRAPHIC_MINIMUM, Contacts, quiet_groups, voices
from shared.summaries import MINIMUM_RESPONSES, Amount, ChannelHeard, Heard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.learning.patterns import Counts

CHANNELS_SHOWN = 4

QUIET_SHOWN = 3


def heard(table: Counts, contacts: Contacts | None, *, channels_moved: bool) -> Heard:
    """Who was heard in a period, as far as a small number allows.

    Args:
        table: the period's counters.
        contacts: how many had care; None where nobody counted.
        channels_moved: whether people came another way than before.
    """
    responses = table.get("responses", {}).get("", 0)
    if responses < MINIMUM_RESPONSES:
        return Heard(responses=None)
    cared = contacts or Contacts()
    return Heard(
        responses=rounded(responses),
        channels=_channels(table.get("channel", {}), responses),
        age_unknown=amount(table.get("age", {}).get("unknown", 0), responses)
        if responses >= DEMOGRAPHIC_MINIMUM
        else None,
        without_words=amount(table.get("text", {}).get("without", 0), responses),
        other_language=amount(table.get("language", {}).get("other", 0), responses),
        voice_rate=_voice_rate(table, cared.total),
        quiet=tuple(wording.group(measure, value) for measure, value in quiet_groups(table, cared)[:QUIET_SHOWN]),
        channels_moved=channels_moved,
    )


def _voice_rate(table: Counts, contacts: int | None) -> Amount | None:
    """None where nobody counted, or counted fewer than answered: then the two are not of the same people."""
    spoke = voices(table)
    return amount(spoke, contacts) if contacts and spoke <= contacts else None


def _channels(counts: Mapping[str, int], responses: int) -> tuple[ChannelHeard, ...]:
    """Channels by how much came through them; shares only where none of them gives another's small number away."""
    by_label: dict[str, int] = defaultdict(int)
    for name, count in counts.items():
        by_label[wording.channel(name)] += count
    for label in sorted(by_label, key=lambda label: (-by_label[label], label))[CHANNELS_SHOWN:]:
        by_label[wording.OTHER_CHANNEL] += by_label.pop(label)
    ordered = sorted(by_label.items(), key=lambda item: (item[0] == wording.OTHER_CHANNEL, -item[1], item[0]))
    amounts = {label: amount(count, responses) for label, count in ordered}
    safe = all(size.size in {"share", "all"} for size in amounts.values())
    if not safe:
        # The order would still tell which channel is the small one.
        ordered.sort(key=lambda item: (item[0] == wording.OTHER_CHANNEL, item[0]))
    return tuple(ChannelHeard(label=label, amount=amounts[label] if safe else None) for label, _ in ordered)
