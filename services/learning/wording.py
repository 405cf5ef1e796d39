"""The fixed sentences of a page. Nothing on a page is written by a model: words are chosen, never generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import period_names

if TYPE_CHECKING:
    from datetime import date

    from services.learning.chart_rules import Signal
    from services.learning.charts import Chart
    from services.learning.periods import PeriodKind
    from shared.summaries import Amount, ChartStep, Commitment, ThemeChart

TOO_FEW = "Too few comments to see a pattern yet. The stories still count."
COMMON_CAUSE = (
    "Nothing unusual this {period}: ups and downs like these are what the current system produces. "
    "Explaining one {period} will not help; changing the system might."
)
HELPED = "Something has helped. What was it, and how do we keep it?"
MAY_HAVE_CHANGED = "Something in the system may have changed; worth looking at together."
CHANNELS_MOVED = (
    "The numbers moved, and so did the ways people reached us. "
    "Until each way is looked at apart, this page makes no claim about change."
)
_SIGNAL = "Since {since} {more} people than usual {verb} {theme} ({rule}). {told}"
_RULES = {
    "outside": "this {period} lies outside what chance explains",
    "trend": "seven {period}s or more in one direction",
    "two_in_three": "two of three {period}s near a limit",
    "shift": "seven {period}s or more on one side of the usual level",
}
_ASSURANCES = {
    "consistent_pass": "As things are, your own target for {theme} is always met.",
    "consistent_fail": "As things are, your own target for {theme} is never met; changing the system might.",
    "inconsistent": "As things are, chance decides whether your own target for {theme} is met.",
}
_STEPS = {
    "model": "A new version of the model reads the comments since {since}; a step there may come from it.",
    "channels": "People reach us in other ways since {since}; a step there may come from it.",
    "rebase": "The charts start anew at {since}, as the team decided.",
}

_CHART_RULES = {
    ("outside", "high"): "The latest point lies above the upper limit",
    ("outside", "low"): "The latest point lies below the lower limit",
    ("trend", "high"): "Seven points or more in a row rise with every step",
    ("trend", "low"): "Seven points or more in a row fall with every step",
    ("two_in_three", "high"): "Of three points in a row above the mean, at least two lie beyond the near line",
    ("two_in_three", "low"): "Of three points in a row below the mean, at least two lie beyond the near line",
    ("shift", "high"): "Seven points or more in a row lie above the mean",
    ("shift", "low"): "Seven points or more in a row lie below the mean",
}
_CHART_STATES = {
    "few_points": "Too few to tell yet: limits need at least {points} points.",
    "few_expected": "Too few to tell: longer periods, such as quarters, would show more.",
    "no_reading": "No reading: the latest period is missing, or fewer than 10 responded.",
    "constant": "No variation seen: all points are the same.",
}
_TRIAL = " These limits rest on fewer than {points} points, so they may still move."

TOO_FEW_TO_DESCRIBE = (
    "With so few we do not say what they were about, so that nobody can be recognised. "
    "From {minimum} on, this page says more."
)
FEWER_THAN_MINIMUM = "We received fewer than {minimum} responses."
ABOUT_N = "We received about {responses} responses."
CONTACTS_UNKNOWN = "We do not know how many had care and stayed silent."
NO_PRAISE = "No praise was raised often enough to be shown this {period}."
EARLIER_PRAISE = "No praise was raised often enough to be shown this {period}; here is last quarter's."
NOTHING_BETTER = "Nothing was raised often enough to be shown this {period}."
NO_QUOTES = "No words could be quoted this {period}: we quote only with consent, and never when in doubt."
STILL_OPEN = "This {period} is still open: more may come in."
OTHER_WAYS = "People reached us in other ways than before."
QUIET = "Heard less than their share of care: {groups}."
IN_OUR_GIFT = "In our gift (what, role, by when):"
NEEDS_OTHERS = "Needs others (what, role, by when):"
NO_COMMITMENTS = "Nothing is recorded here yet."
READ_BY_MACHINE = "A computer model read the comments and it makes mistakes."
MODEL = "Model: {model}."
SEVERAL_MODELS = "More than one model version was used; the main one is {model}."
LIMITS = "Not everyone answers. A comment can raise several themes. Counts are rounded; small numbers are hidden."
WRONG_ONCE = "about 1 time in {once_in}"
CHARTS_REST = "We looked at {charts}, over {points} {period}s and about {responses} comments."
ICON_WRONG = "An icon is wrong {once}."
CHARTS_WAIT = "A chart needs {points} {period}s with enough comments; there are not so many yet."

HEADINGS = {
    "heard": "Who we heard, and who we didn't",
    "valued": "What people valued",
    "pattern": "What the pattern says",
    "told": "What people told us",
    "better": "What could be better:",
    "questions": "Questions to explore",
    "plans": "In our gift, or needs others",
    "commitments": "You said, together we did",
    "certainty": "How sure are we?",
}

MONTHS = frozenset(period_names.MONTHS)

OTHER_CHANNEL = "other ways"

_CHANNELS = {
    "survey": "surveys",
    "fft": "the Friends and Family Test",
    "fft-survey": "the Friends and Family Test",
    "friends-and-family-test": "the Friends and Family Test",
    "website": "the website",
    "web": "the website",
    "app": "an app",
    "kiosk": "a kiosk",
    "paper": "paper forms",
    "phone": "the phone",
    "telephone": "the phone",
    "sms": "text messages",
    "email": "e-mail",
    "care-opinion": "Care Opinion",
    "youtube": "YouTube",
    "x": "X",
    "twitter": "X",
    "bluesky": "Bluesky",
    "mastodon": "Mastodon",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "linkedin": "LinkedIn",
    "tiktok": "TikTok",
    "video": "video",
}

_AMOUNTS = {
    "none": "nobody",
    "few": "a few people",
    "some": "some people",
    "most": "nearly everyone",
    "all": "everyone",
}
_AMOUNTS_OF_CARE = {
    "none": "None",
    "few": "Very few",
    "some": "Few",
    "most": "Nearly all",
    "all": "All",
}
_AMOUNTS_OF_RESPONSES = {
    "none": "no responses",
    "few": "a few responses",
    "some": "some responses",
    "most": "nearly all responses",
    "all": "all responses",
}


_AGES = {
    "under_16": "children under sixteen",
    "16_24": "people aged sixteen to twenty-four",
    "25_34": "people aged twenty-five to thirty-four",
    "35_44": "people aged thirty-five to forty-four",
    "45_54": "people aged forty-five to fifty-four",
    "55_64": "people aged fifty-five to sixty-four",
    "65_74": "people aged sixty-five to seventy-four",
    "75_84": "people aged seventy-five to eighty-four",
    "85_over": "people aged eighty-five and over",
}
_ROLES = {"patient": "patients", "carer": "carers", "relative": "relatives", "staff": "staff", "other": "others"}

_STATES = {
    "heard": "heard",
    "looking": "looking into it",
    "testing": "testing a change",
    "changed": "changed",
    "cannot_change": "cannot change",
}

_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def chart_sentence(chart: Chart, minimum_points: int) -> str:
    """What a chart says, for a reader who sees nothing but the chart; never more than its latest point allows."""
    if chart.state != "read":
        return _CHART_STATES[chart.state].format(points=minimum_points)
    told = COMMON_CAUSE.format(period="month")
    if chart.latest is not None:
        improved = (chart.variation_icon or "").startswith("improvement")
        told = f"{_reason(chart.latest)}. {HELPED if improved else MAY_HAVE_CHANGED}"
    return told + (_TRIAL.format(points=minimum_points) if chart.trial else "")


def _reason(signal: Signal) -> str:
    return _CHART_RULES[signal.rule, signal.direction]


def since(period: date, kind: PeriodKind) -> str:
    """When something began, after "since": a quarter begins with its first month."""
    return period_names.month(period) if kind == "quarter" else period_names.span(period, kind)


def group(measure: str, value: str) -> str:
    """A group of people in plain words; one that is not known here is told as "others"."""
    return (_AGES if measure == "age" else _ROLES).get(value, "others")


def signal_sentence(chart: ThemeChart, kind: PeriodKind) -> str:
    """The fixed sentence of a chart whose latest point is special cause, by its icon alone."""
    if chart.since is None or chart.rule is None:
        return COMMON_CAUSE.format(period=kind)
    return _SIGNAL.format(
        since=since(chart.since, kind),
        more="more" if chart.icon.endswith("high") else "fewer",
        verb="value" if chart.tone == "valued" else "raise",
        theme=chart.label,
        rule=_RULES[chart.rule].format(period=kind),
        told=HELPED if chart.icon.startswith("improvement") else MAY_HAVE_CHANGED,
    )


def assurance(chart: ThemeChart) -> str | None:
    """What the team's own target means, where it set one."""
    return _ASSURANCES[chart.assurance].format(theme=chart.label) if chart.assurance else None


def step(found: ChartStep, kind: PeriodKind) -> str:
    """What could move a chart by itself."""
    return _STEPS[found.kind].format(since=since(found.period, kind))


def commitment(made: Commitment) -> str:
    """What came of what people said; in the team's words only where it says why something cannot change."""
    told = f"{made.label}: {_STATES[made.state]}"
    if made.because:
        told += f", because {made.because}"
    who = f" ({made.role}, {period_names.day(made.since)})" if made.role else f" ({period_names.day(made.since)})"
    return told + who + ("; people told" if made.people_told else "")


def charts(count: int) -> str:
    """As "four charts"."""
    word = _COUNTS[count] if count < len(_COUNTS) else str(count)
    return f"{word} chart{'' if count == 1 else 's'}"


def of_those_who_had_care(size: Amount) -> str:
    """A voice rate as a sentence."""
    if size.size == "share":
        return f"{size.percent}% of those who had care answered."
    return f"{_AMOUNTS_OF_CARE[size.size]} of those who had care answered."


def channel(name: str) -> str:
    """A channel in plain words.

    An integration may name its channels as it likes, a person's name included; one that is not known here is told as
    "other ways".
    """
    return _CHANNELS.get("-".join(name.replace("_", " ").casefold().split()), OTHER_CHANNEL)


def amount(size: Amount) -> str:
    """How many, in words: for a theme's bullet or a channel."""
    if size.size == "share":
        return f"{size.percent}%"
    return _AMOUNTS[size.size]


def of_responses(size: Amount) -> str:
    """How many, at the start of a clause about responses."""
    if size.size == "share":
        return f"{size.percent}% of responses"
    return _AMOUNTS_OF_RESPONSES[size.size]
