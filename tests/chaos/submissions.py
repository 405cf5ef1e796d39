"""What is submitted: invented feedback, seeded, with things planted in it that can be searched for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any

PLACES = (
    ("Riverside Hospitals", "Emergency department"),
    ("Riverside Hospitals", "Maternity"),
    ("Moorland Community", "Community mental health"),
    ("Moorland Community", "Podiatry"),
)
"""Three teams of the sample's catalogue, and one service that it does not know."""

SAID = (
    "The nurses were kind and explained everything.",
    "We waited three hours before anyone saw us.",
    "Lovely friendly staff, nothing was too much trouble.",
    "The waiting room was cold and there was nowhere to sit.",
    "Nobody told us what would happen next.",
    "The food was hot and came on time.",
    "I was listened to and my pain was taken seriously.",
    "Parking took longer than the appointment.",
)

IDENTIFYING = {
    "Kowalczyk": "Sister Bernadette Kowalczyk was kind to my mother.",
    "Adeyemi": "Dr Anthony Adeyemi explained the scan.",
    "Gallagher": "A nurse called Siobhan Gallagher sat with us.",
    "Pemberton": "Mrs Harriet Pemberton at reception found the notes.",
    "07700 900123": "You can ring me on 07700 900123.",
    "943 476 5919": "My NHS number is 943 476 5919.",
    "planted.person": "Write to planted.person@example.org about it.",
}
"""A sentence by the part of it that must not get past the analysis service."""

SEVERE = "I want to kill myself."

_LOOKS = ("quiet", "yellow", "broken", "wooden", "silver", "purple", "narrow", "wet", "heavy", "empty", "plain")
_THINGS = ("kettle", "ladder", "window", "basket", "lantern", "cushion", "bucket", "saucepan", "wardrobe", "trumpet")
_DEEDS = ("leaned against", "rolled under", "waited behind", "floated above", "rested on", "stood beside", "hung near")

_SIZES = (len(_LOOKS), len(_THINGS), len(_DEEDS), len(_LOOKS), len(_THINGS))
_STRIDE = 100_003
"""Prime, so that neighbours share no words and none comes twice."""

_SOME = f"(?:{'|'.join(_LOOKS)}) (?:{'|'.join(_THINGS)})"
PLANTED = re.compile(f"the {_SOME} (?:{'|'.join(_DEEDS)}) the {_SOME}", re.IGNORECASE)
"""Any planted sentence; nothing else in the house speaks like that."""

TRACES = re.compile(_SOME, re.IGNORECASE)
"""A piece of one, for where there must be none at all."""

IDENTIFIERS = re.compile("|".join(map(re.escape, IDENTIFYING)), re.IGNORECASE)


def planted(number: int) -> str:
    """A sentence that no other number has; 84,700 of them."""
    rest = number * _STRIDE
    words = []
    for size, pool in zip(_SIZES, (_LOOKS, _THINGS, _DEEDS, _LOOKS, _THINGS), strict=True):
        rest, place = divmod(rest, size)
        words.append(pool[place])
    return "the {} {} {} the {} {}".format(*words)


@dataclass(frozen=True, slots=True)
class Content:
    """One version of a piece of feedback.

    Attributes:
        sentence: the one planted in it.
        body: as `POST /v1/feedback` takes it.
    """

    sentence: str
    body: dict[str, Any]


def content(number: int, source_id: str, chance: Random) -> Content:
    """The `number`th text of a run; a version of the feedback that its integration calls `source_id`."""
    sentence = planted(number)
    said = [chance.choice(SAID), f"{sentence[0].upper()}{sentence[1:]}."]
    if chance.random() < 0.3:
        said.append(chance.choice(list(IDENTIFYING.values())))
    if chance.random() < 0.02:
        said.append(SEVERE)
    chance.shuffle(said)
    organisation, service = chance.choice(PLACES)
    body = {
        "kind": "comment",
        "source_id": source_id,
        "channel": chance.choice(("survey", "website")),
        "text": " ".join(said),
        "question_type": chance.choice(("what_good", "could_improve", "nonspecific")),
        "rating": chance.randint(1, 5),
        "occurred_at": chance.choice(("2026-03-12", "2026-04-09", "2026-05-21")),
        "about": {"organisation": organisation, "service": service},
        "consent": {"quote": chance.random() < 0.5},
    }
    return Content(sentence, body)
