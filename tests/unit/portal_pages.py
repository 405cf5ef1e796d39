"""Any page that the learning service could send, its Markdown rendered as it does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from services.learning import rendering
from shared.summaries import (
    Amount,
    Certainty,
    ChannelHeard,
    ChartPoint,
    ChartStep,
    Heard,
    LearningSummary,
    Pattern,
    Quote,
    ThemeChart,
    ThemeShare,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

WORDS = st.text("abc <>&\"'*_`#[]()|~\\éß-+!", min_size=1, max_size=30).filter(lambda text: text.strip())
SENTENCES = WORDS.map("So {}.".format)
"""Sentences of a page are fixed: none of them begins like Markdown."""
PERCENTS = st.integers(0, 100)
ROUNDED = st.integers(2, 400).map(lambda n: n * 5)
RULES = st.sampled_from(["outside", "trend", "two_in_three", "shift"])
AMOUNTS = st.one_of(
    st.sampled_from(["none", "few", "some", "most", "all"]).map(lambda size: Amount(size=size)),
    st.integers(8, 92).map(lambda percent: Amount(size="share", percent=percent)),
)
KINDS = st.sampled_from(["month", "quarter", "week"])
SHARES = st.builds(ThemeShare, theme=WORDS, label=WORDS, group=WORDS, amount=AMOUNTS)
QUOTES = st.builds(Quote, text=WORDS)


def months(count: int) -> list[date]:
    """The first days of so many months, the oldest first."""
    return [date(2024 + index // 12, index % 12 + 1, 1) for index in range(count)]


@st.composite
def points(draw: DrawFn) -> tuple[ChartPoint, ...]:
    """A chart's points: some of them gaps, some of them special."""
    found = []
    for period in months(draw(st.integers(1, 20))):
        if draw(st.integers(0, 5)) == 0:
            found.append(ChartPoint(period=period))
            continue
        limits = sorted((draw(PERCENTS), draw(PERCENTS))) if draw(st.booleans()) else (None, None)
        rule = draw(st.none() | RULES)
        found.append(
            ChartPoint(
                period=period,
                percent=draw(PERCENTS),
                responses=draw(st.none() | ROUNDED),
                lower=limits[0],
                upper=limits[1],
                rule=rule,
                direction=draw(st.sampled_from(["high", "low"])) if rule else None,
            )
        )
    return tuple(found)


CHARTS = st.builds(
    ThemeChart,
    theme=WORDS,
    label=WORDS,
    tone=st.sampled_from(["valued", "better"]),
    icon=st.sampled_from(
        [
            "none",
            "common_cause",
            "improvement_high",
            "improvement_low",
            "concern_high",
            "concern_low",
            "neutral_high",
            "neutral_low",
        ]
    ),
    rule=st.none() | RULES,
    sentence=SENTENCES,
    mean=PERCENTS,
    assurance=st.sampled_from([None, "consistent_pass", "consistent_fail", "inconsistent"]),
    target=st.none() | PERCENTS,
    points=points(),
)
STEPS = st.builds(
    ChartStep,
    period=st.sampled_from(months(20)),
    kind=st.sampled_from(["model", "channels", "rebase"]),
    reason=st.none() | WORDS,
)
HEARD = st.builds(
    Heard,
    responses=st.none() | ROUNDED,
    channels=st.lists(st.builds(ChannelHeard, label=WORDS, amount=st.none() | AMOUNTS), min_size=1, max_size=4).map(
        tuple
    ),
    age_unknown=st.none() | AMOUNTS,
    without_words=st.none() | AMOUNTS,
    voice_rate=st.none() | AMOUNTS,
    quiet=st.lists(WORDS, max_size=2).map(tuple),
    channels_moved=st.booleans(),
)


@st.composite
def pages(draw: DrawFn) -> LearningSummary:
    """A page with whatever content."""
    made = LearningSummary(
        team_id="riverside-emergency",
        team_name=draw(WORDS),
        organisation=draw(WORDS),
        period=draw(st.sampled_from([date(2026, 1, 1), date(2026, 4, 1), date(2026, 10, 1)])),
        period_kind=draw(KINDS),
        revision=1,
        generated_at=datetime(2026, 6, 1, tzinfo=UTC),
        provisional=draw(st.booleans()),
        described=draw(st.booleans()),
        heard=draw(HEARD),
        valued=draw(st.lists(SHARES, max_size=3).map(tuple)),
        valued_earlier=draw(st.booleans()),
        valued_quote=draw(st.none() | QUOTES),
        pattern=Pattern(
            icon=draw(st.sampled_from(["none", "common_cause"])),
            sentence=draw(SENTENCES),
            points_needed=draw(st.none() | st.just(13)),
            charts=draw(st.lists(CHARTS, max_size=3).map(tuple)),
            steps=draw(st.lists(STEPS, max_size=3).map(tuple)),
        ),
        told=draw(st.lists(QUOTES, max_size=2).map(tuple)),
        better=draw(st.lists(SHARES, max_size=3).map(tuple)),
        questions=draw(st.lists(WORDS, max_size=3).map(tuple)),
        certainty=Certainty(
            model_version=draw(st.none() | WORDS),
            points=draw(st.none() | st.integers(13, 40)),
            responses=draw(ROUNDED),
            charts_read=draw(st.integers(0, 20)),
            icon_wrong_once_in=draw(st.none() | st.integers(20, 90)),
        ),
        text="",
        markdown="",
    )
    return made.model_copy(update={"markdown": rendering.markdown(made), "text": rendering.plain(made)})
