"""What is fed through every part: real comments where they are at hand, else those of the bundled sample."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from deploy.sample import CATALOGUE, sample
from shared.events import (
    About,
    Consent,
    FeedbackSubmitted,
    Kind,
    QuestionType,
    Source,
    feedback_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = Path(__file__).parents[3] / "shared" / "data"
SEED = 20_260_101
CHANNEL = "fft-survey"
SAMPLE_DAY = date(2026, 1, 31)
"""The bundled sample ends here, so that every run reads the same texts."""


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment, without an id."""

    text: str
    question_type: str
    rating: int | None
    day: date
    organisation: str
    service: str | None
    unit: str | None

    def body(self, source_id: str) -> dict[str, Any]:
        """As the gateway takes it."""
        about = {"organisation": self.organisation, "service": self.service, "unit": self.unit}
        return {
            "kind": "comment",
            "source_id": source_id,
            "channel": CHANNEL,
            "text": self.text,
            "question_type": self.question_type,
            "rating": self.rating,
            "occurred_at": self.day.isoformat(),
            "about": {part: value for part, value in about.items() if value},
            "consent": {"quote": True},
        }

    def line(self, source_id: str) -> bytes:
        """As a line of a batch."""
        return json.dumps(self.body(source_id), ensure_ascii=False).encode() + b"\n"

    def event(self, integration: str, source_id: str) -> FeedbackSubmitted:
        """As the gateway publishes it."""
        return FeedbackSubmitted(
            feedback_id=feedback_id(integration, source_id),
            kind=Kind.COMMENT,
            source=Source(integration=integration, channel=CHANNEL),
            text=self.text,
            question_type=QuestionType(self.question_type),
            rating=self.rating,
            occurred_at=datetime.combine(self.day, time(12), UTC),
            received_at=datetime.now(UTC),
            about=About(organisation=self.organisation, service=self.service, unit=self.unit),
            consent=Consent(quote=True),
        )


@dataclass(frozen=True, slots=True)
class Corpus:
    """Comments in random order, no text twice under the same question type: a batch must not gain from repeats.

    Attributes:
        source: where they come from, in words.
        catalogue: of the teams that they are for.
    """

    source: str
    comments: tuple[Comment, ...]
    catalogue: Path


def corpus(most: int) -> Corpus:
    """At most so many comments; the same ones every time."""
    real = DATA / "fft_train.csv"
    if real.is_file():
        comments, source, catalogue = _real(real), "fft_train.csv", DATA / "catalogue-fft.yaml"
    else:
        comments, source, catalogue = _bundled(), "bundled sample", CATALOGUE
    distinct = list({(comment.text, comment.question_type): comment for comment in comments}.values())
    Random(SEED).shuffle(distinct)  # noqa: S311 - an order, not a secret
    return Corpus(source, tuple(distinct[:most]), catalogue)


def _real(path: Path) -> Iterator[Comment]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Comment(
                text=row["text"],
                question_type=row["question_type"],
                rating=int(row["fft"]) if row["fft"] in {"1", "2", "3", "4", "5"} else None,
                day=date.fromisoformat(row["date"]),
                organisation=row["trust"],
                service=row["service_type_1"] or None,
                unit=row["service_type_2"] or None,
            )


def _bundled() -> Iterator[Comment]:
    bodies: Iterable[dict[str, Any]] = sample(SAMPLE_DAY)
    for body in bodies:
        if body.get("text"):
            yield Comment(
                text=body["text"],
                question_type=body.get("question_type", "nonspecific"),
                rating=body.get("rating"),
                day=datetime.fromisoformat(body["occurred_at"]).date(),
                organisation=body["about"]["organisation"],
                service=body["about"].get("service"),
                unit=body["about"].get("unit"),
            )
