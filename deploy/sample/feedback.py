"""Eighteen months of invented feedback with something in it to find, the same for the same seed and month.

What is planted, so that charts and tests can look for it:

- Emergency department: waiting is raised as a concern by about 45 in 100 until month 10 and by about 18 in 100 from
  month 11 on, after (so the story goes) a new way of triage. Everything else there is steady.
- Maternity: nothing but common-cause variation.
- Community mental health: small; months 4, 5, 10 and 17 have fewer than 10 responses.
- Eight urgent items (self-harm, assault, abuse, a medicine mixed up), never with consent to quote.
- About 8 in 100 texts hold invented names, telephone or NHS numbers or addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from deploy.sample.sentences import CONCERN, NAMED_SHARE, PRAISE, Voice, authored
from shared.questions import question_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deploy.formats.rows import Body

CATALOGUE = Path(__file__).parents[1] / "catalogue" / "sample.yaml"
"""The team catalogue that routes the sample."""

MONTHS = 18
"""Full months, the newest of them the last one before `today`."""

SEED = 1948

IMPROVED_FROM = 10
"""The month, counted from 0, from which fewer people raise waiting in the emergency department."""

WHAT_WAS_GOOD = "What was good?"
WHAT_COULD_BE_BETTER = "What could we do better?"


@dataclass(frozen=True, slots=True)
class _Team:
    """How much a team hears, and of what kind.

    Attributes:
        sentences: its table in the file of sentences.
        volumes: fewest and most responses a month.
        ratings: shares of the FFT answers 1 very good … 5 very poor where nobody raises waiting.
        small: responses in the months, counted from 0, that have fewer.
        urgent: months, counted from 0, with an urgent item.
    """

    id: str
    organisation: str
    service: str
    units: tuple[str, ...]
    sentences: str
    volumes: tuple[int, int]
    ratings: tuple[int, ...]
    small: dict[int, int]
    urgent: tuple[int, ...]


_TEAMS = (
    _Team(
        id="riverside-emergency",
        organisation="Riverside Hospitals",
        service="Emergency department",
        units=("Majors", "Minors", "Children"),
        sentences="emergency",
        volumes=(37, 47),
        ratings=(52, 27, 11, 6, 4),
        small={},
        urgent=(3, 9, 15),
    ),
    _Team(
        id="harbour-maternity",
        organisation="Riverside Hospitals",
        service="Maternity",
        units=("Kingfisher ward", "Antenatal clinic", "Home visits"),
        sentences="maternity",
        volumes=(23, 31),
        ratings=(50, 25, 12, 8, 5),
        small={},
        urgent=(6, 13),
    ),
    _Team(
        id="moorland-community-mh",
        organisation="Moorland Community",
        service="Community mental health",
        units=("Lapwing team", "Heron team"),
        sentences="mentalhealth",
        volumes=(13, 20),
        ratings=(35, 25, 20, 12, 8),
        small={3: 6, 4: 5, 9: 7, 16: 8},
        urgent=(2, 8, 14),
    ),
)

_RATINGS_WHERE_WAITING = (2, 13, 35, 30, 20)


def sample(today: date, seed: int = SEED) -> Iterator[Body]:
    """Yield about 1,500 submissions for the gateway, oldest first.

    Args:
        today: the sample ends with the last full month before this day's month.
        seed: another one gives another sample of the same kind.

    The same seed and month of `today` give the same submissions with the same ids. In another month the same ids may
    hold other words, which the gateway takes as newer versions.
    """
    for index in range(MONTHS):
        first_day = _months_before(today, MONTHS - index)
        items = [item for team in _TEAMS for item in _month(team, first_day, index, seed)]
        yield from sorted(items, key=lambda item: (item["occurred_at"], item["source_id"]))


def newest_day(today: date) -> date:
    """The last day that the sample of this day speaks of; its film is of that day, too."""
    return today.replace(day=1) - timedelta(days=1)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _month(team: _Team, first_day: date, index: int, seed: int) -> Iterator[Body]:
    random = Random(f"{seed}:{team.id}:{index}")  # noqa: S311 - a sample, not a secret
    writer = _Writer(team, random, first_day, index)
    count = team.small.get(index) or random.randint(*team.volumes)
    for number in range(count):
        yield writer.item(number)
    if index in team.urgent:
        yield writer.urgent(count, authored()["urgent"][team.sentences][team.urgent.index(index)])


class _Writer:
    """Writes one team's items of one month."""

    def __init__(self, team: _Team, random: Random, first_day: date, index: int) -> None:
        self._team = team
        self._random = random
        self._first_day = first_day
        self._index = index
        self._voice = Voice(random, team.sentences)

    def item(self, number: int) -> Body:
        """An ordinary item: most are comments, some are posts, a few are films."""
        draw = self._random.random()
        waiting = self._team.sentences == "emergency" and self._random.random() < self._waiting_share()
        shares = _RATINGS_WHERE_WAITING if waiting else self._team.ratings
        rating = self._random.choices(range(1, 6), shares)[0]
        if draw < 0.04:
            return self._film(number, rating, waiting=waiting)
        if draw < 0.18:
            return self._post(number, rating, waiting=waiting)
        return self._comment(number, rating, waiting=waiting)

    def urgent(self, number: int, text: str) -> Body:
        """A comment that a person should see the same day."""
        body = self._base(number, "comment", "website")
        return body | {"text": text, "rating": 5, "consent": {"quote": False, "contact": True}}

    def _waiting_share(self) -> float:
        return 0.45 if self._index < IMPROVED_FROM else 0.18

    def _comment(self, number: int, rating: int, *, waiting: bool) -> Body:
        question = self._question(waiting=waiting)
        body = self._base(number, "comment", self._random.choice(["fft-survey", "fft-survey", "website"]))
        body |= {
            "text": self._answer(question, rating, waiting=waiting),
            "rating": rating,
            "consent": {"quote": self._random.random() < 0.85, "contact": self._random.random() < 0.2},
        }
        if question:
            body |= {"question": question, "question_type": question_type(question).value}
        if self._random.random() < 0.5:
            body["submitter"] = self._submitter(number)
        return body

    def _question(self, *, waiting: bool) -> str | None:
        if waiting:
            return self._random.choices([WHAT_COULD_BE_BETTER, None], [70, 30])[0]
        return self._random.choices([WHAT_WAS_GOOD, WHAT_COULD_BE_BETTER, None], [40, 35, 25])[0]

    def _answer(self, question: str | None, rating: int, *, waiting: bool) -> str:
        short = authored()["short"]
        if question == WHAT_COULD_BE_BETTER and rating <= 2 and not waiting and self._random.random() < 0.6:
            return str(self._random.choice(short["nothing_better"]))
        if question == WHAT_WAS_GOOD and rating == 5 and self._random.random() < 0.4:
            return str(self._random.choice(short["nothing_good"]))
        if question:
            tones = [PRAISE if question == WHAT_WAS_GOOD else CONCERN] * self._random.choice([1, 1, 2])
        else:
            tones = self._tones(rating)
        return self._text(tones, waiting=waiting)

    def _tones(self, rating: int) -> list[str]:
        """What somebody with this rating says without a question to guide them."""
        return {
            1: [PRAISE] * self._random.choice([1, 2, 2, 3]),
            2: [PRAISE, CONCERN] if self._random.random() < 0.4 else [PRAISE],
            3: self._random.choice([[PRAISE, CONCERN], [CONCERN, PRAISE]]),
            4: [CONCERN, PRAISE] if self._random.random() < 0.4 else [CONCERN],
            5: [CONCERN] * self._random.choice([1, 2, 2, 3]),
        }[rating]

    def _said(self, tones: Sequence[str], *, waiting: bool) -> list[str]:
        """One sentence for each tone; where waiting is raised, the first is a concern about it."""
        if not waiting:
            return self._voice.sentences(*tones)
        rest = list(tones)
        if CONCERN in rest:
            rest.remove(CONCERN)
        return self._voice.sentences(CONCERN, *rest, themes=("waiting",))

    def _text(self, tones: Sequence[str], *, waiting: bool) -> str:
        text = self._voice.typed(" ".join(self._said(tones, waiting=waiting)))
        if self._random.random() < NAMED_SHARE:
            text += f" {self._voice.identifying(tones[-1])}"
        return text

    def _post(self, number: int, rating: int, *, waiting: bool) -> Body:
        words = authored()["social"]
        handle = self._random.choice(words["handles"])
        tone = CONCERN if waiting or rating >= 3 else PRAISE
        opening = self._random.choice(words[f"{tone}_openings"])
        parts = [f"{opening} {self._team.organisation}.", self._text([tone], waiting=waiting)]
        if self._random.random() < 0.2:
            parts.append(f"@{self._random.choice(words['handles'])} you too?")
        if tag := self._random.choice(words["tags"]):
            parts.append(tag)
        body = self._base(number, "social_post", self._random.choice(["x", "bluesky", "mastodon", "facebook"]))
        return body | {
            "text": " ".join(parts),
            "author_id": f"@{handle}",
            "url": f"https://social.example/{handle}/{body['source_id']}",
            "consent": {"quote": False, "contact": False},
        }

    def _film(self, number: int, rating: int, *, waiting: bool) -> Body:
        words = authored()["video"]
        tones = self._tones(rating) + self._tones(rating)
        said = [self._random.choice(words["openings"]), *self._said(tones, waiting=waiting)]
        if self._random.random() < 0.4:
            said.append(self._voice.identifying(tones[-1]))
        said.append(self._random.choice(words["closings"]))
        body = self._base(number, "video", self._random.choice(["video-booth", "youtube"]))
        transcript = list(self._spoken(said))
        return body | {
            "transcript": transcript,
            "media": {"content_type": "video/mp4", "duration_seconds": transcript[-1]["end_seconds"] + 1.5},
            "rating": rating,
            "consent": {"quote": self._random.random() < 0.7, "contact": False},
        }

    def _spoken(self, sentences: Sequence[str]) -> Iterator[Body]:
        """Sentences as a transcript, at two to three words a second with pauses."""
        clock = round(self._random.uniform(0.2, 1.5), 1)
        for sentence in sentences:
            end = round(clock + len(sentence.split()) / self._random.uniform(2.0, 3.0) + 0.4, 1)
            yield {"start_seconds": clock, "end_seconds": end, "text": sentence}
            clock = round(end + self._random.uniform(0.1, 1.2), 1)

    def _base(self, number: int, kind: str, channel: str) -> Body:
        about = {"organisation": self._team.organisation, "service": self._team.service}
        if self._random.random() < 0.8:
            about["unit"] = self._random.choice(self._team.units)
        return {
            "kind": kind,
            "source_id": f"sample-{self._team.id}-{self._first_day:%Y-%m}-{number:03d}",
            "channel": channel,
            "language": "en",
            "occurred_at": self._moment(),
            "about": about,
        }

    def _moment(self) -> str:
        last_day = (self._first_day + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        day = self._first_day + timedelta(days=self._random.randrange(last_day.day))
        moment = datetime(
            day.year, day.month, day.day, self._random.randint(7, 22), self._random.randrange(60), tzinfo=UTC
        )
        return moment.isoformat()

    def _submitter(self, number: int) -> Body:
        submitter = {
            "id": f"person-{self._team.sentences}-{self._index}-{number}",
            "role": self._random.choice(["patient", "patient", "patient", "carer", "relative"]),
        }
        if self._random.random() < 0.5:
            submitter["age_band"] = self._random.choice(["16_24", "25_34", "35_44", "45_54", "65_74", "75_84"])
        return submitter
