"""The fixed sentences of a page. Nothing on a page is written by a model: words are chosen, never generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from services.learning.chart_rules import Signal
    from services.learning.charts import Chart
    from shared.summaries import Amount

TOO_FEW = "Too few comments to see a pattern yet. The stories still count."
NO_CHARTS = (
    "One month alone cannot show a pattern. Charts start at {points} months, so this page makes no claim about change."
)
COMMON_CAUSE = (
    "Nothing unusual this month: ups and downs like these are what the current system produces. "
    "Explaining one month will not help; changing the system might."
)
HELPED = "Something has helped. What was it, and how do we keep it?"
MAY_HAVE_CHANGED = "Something in the system may have changed; worth looking at together."

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
    "few_points": "Too few points to tell yet: limits need at least {points}.",
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
CONTACTS_UNKNOWN = "We do not know how many people had care, so we cannot say how many stayed silent."
NO_PRAISE = "No praise was raised often enough to be shown this month."
NOTHING_BETTER = "Nothing was raised often enough to be shown this month."
NO_QUOTES = "No words could be quoted this month: we quote only with consent, and never when in doubt."
READ_BY_MACHINE = "A computer model read the comments and it makes mistakes."
MODEL = "Model: {model}."
SEVERAL_MODELS = "More than one model version was used; the main one is {model}."
LIMITS = (
    "Those who answer are not everyone who had care. A comment can raise several themes. "
    "Counts are rounded and small numbers hidden."
)

HEADINGS = {
    "heard": "Who we heard, and who we didn't",
    "valued": "What people valued",
    "pattern": "What the pattern says",
    "told": "What people told us",
    "better": "What could be better:",
    "questions": "Questions to explore",
    "certainty": "How sure are we?",
}

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

MONTHS = frozenset(_MONTHS)

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
_AMOUNTS_OF_RESPONSES = {
    "none": "no responses",
    "few": "a few responses",
    "some": "some responses",
    "most": "nearly all responses",
    "all": "all responses",
}


def chart_sentence(chart: Chart, minimum_points: int) -> str:
    """What a chart says, for a reader who sees nothing but the chart; never more than its latest point allows."""
    if chart.state != "read":
        return _CHART_STATES[chart.state].format(points=minimum_points)
    told = COMMON_CAUSE
    if chart.latest is not None:
        improved = (chart.variation_icon or "").startswith("improvement")
        told = f"{_reason(chart.latest)}. {HELPED if improved else MAY_HAVE_CHANGED}"
    return told + (_TRIAL.format(points=minimum_points) if chart.trial else "")


def _reason(signal: Signal) -> str:
    return _CHART_RULES[signal.rule, signal.direction]


def month(period: date) -> str:
    """As "May 2024", in English whatever the server speaks."""
    return f"{_MONTHS[period.month - 1]} {period.year}"


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
