"""Where the stretches of a stored reading come from, and how the whole of it was read: what goes beside a quote."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from services.learning.corrections import TONES
from services.learning.counting import parsed
from shared.events import CorrectedTheme
from shared.sources import LONGEST_RECORDING, MOST_THEMES, QuoteSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from services.learning.quotes import Origin

RECORDINGS = ("audio/", "video/")
"""Content types of what is heard from a moment on; a picture has none."""


def stretches(row: Any) -> Iterator[tuple[Mapping[str, Any], Origin]]:
    """Each stretch of a reading with its origin, which is made for the few that are quoted.

    Args:
        row: `feedback_id`, `version`, `segments`, `measures` and `media` of the table `reading`.
    """
    segments = parsed(row.segments)
    for segment in segments:
        yield segment, partial(source_of, row, segment, whole=len(segments) == 1)


def as_read(measures: Iterable[Sequence[str]]) -> tuple[int | None, tuple[CorrectedTheme, ...]]:
    """Sentiment and themes of the whole, as it counts; the same measures in any order give the same."""
    pairs = {(measure, value) for measure, value in measures}
    sentiment = next((int(value) for measure, value in pairs if measure == "sentiment"), None)
    themes = (
        CorrectedTheme(name=value, tone=tone)
        for measure, value in sorted(pairs)
        for tone in TONES
        if measure == f"theme_{tone}" and value.strip()
    )
    return sentiment, tuple(islice(themes, MOST_THEMES))


def source_of(row: Any, segment: Mapping[str, Any], *, whole: bool) -> QuoteSource:
    """Of one stretch of a reading: only what was spoken is to be found in a recording."""
    sentiment, themes = as_read(parsed(row.measures))
    recording = next((each for each in parsed(row.media) if each["content_type"].startswith(RECORDINGS)), None)
    start = segment.get("start_seconds")
    if start is not None and not 0 <= start <= LONGEST_RECORDING:
        start = None  # whoever analysed it was wrong about that; the words stand all the same
    spoken = recording if recording is not None and start is not None else {}
    return QuoteSource(
        feedback_id=row.feedback_id,
        version=row.version,
        sentiment=segment["sentiment"] if sentiment is None else sentiment,
        themes=themes,
        whole=whole,
        media_id=spoken.get("media_id"),
        content_type=spoken.get("content_type"),
        start_seconds=start,
    )
