"""What the labels of an operator's own model mean here: a theme, a class of sentiment, or nothing.

A label is known by its name (a theme's, "positive", "2 stars") or by a mapping file. One that is neither is refused: a
guess would be wrong on every page, and nobody would see it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.analysis.word_model import SENTIMENTS
from shared.errors import UsageError

SETTING = "HEED_ANALYSIS_MODEL_LABELS"

_STARS = re.compile(r"([1-5]) stars?")
_SENTIMENTS = {
    **{str(number): number for number in range(1, SENTIMENTS + 1)},
    "very positive": 1,
    "positive": 2,
    "neutral": 3,
    "mixed": 3,
    "neutral or mixed": 3,
    "negative": 4,
    "very negative": 5,
}


class LabelFile(BaseModel):
    """The mapping file, YAML or JSON. What it says of a label stands above the label's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    themes: Mapping[str, Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=dict)
    """Label to theme; a theme that the pages have no plain words for is told by its name."""
    sentiment: Mapping[str, Annotated[int, Field(ge=1, le=SENTIMENTS)]] = Field(default_factory=dict)
    """Label to class, 1 very positive … 5 very negative."""
    ignore: tuple[str, ...] = ()
    """Labels that mean nothing here."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Score from which a theme is given."""

    @classmethod
    def load(cls, path: Path | None) -> LabelFile:
        """Read it; without a path, nothing is mapped.

        Raises:
            UsageError: it cannot be read, or is not such a mapping.
        """
        if path is None:
            return cls()
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            places = (".".join(map(str, item["loc"])) or "the whole" for item in error.errors(include_url=False))
            raise UsageError(
                f"{SETTING}: {path} is not a mapping of `themes`, `sentiment` (1 to 5), `ignore` and `threshold`: "
                f"see {', '.join(dict.fromkeys(places))}"
            ) from None
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UsageError(f"{SETTING}: cannot read {path} as YAML or JSON ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class Labels:
    """Turns scores of labels into themes and sentiment."""

    theme_names: tuple[str, ...]
    """Empty where the model says nothing of themes."""
    threshold: float
    themes_of: tuple[tuple[int, ...], ...]
    """For each theme the positions of its labels."""
    sentiment_of: tuple[tuple[int, ...], ...]
    """For each class of sentiment the positions of its labels; empty where the model says nothing of sentiment."""

    @classmethod
    def resolve(cls, labels: Sequence[str], known_themes: Sequence[str], file: LabelFile) -> Labels:
        """Give each label its meaning.

        Args:
            labels: of the model, in the order of its scores.
            known_themes: names by which a label is known as a theme, in whatever case.
            file: what the operator says.

        Raises:
            UsageError: a label has no meaning, the file speaks of a label that the model does not have, or nothing
                of the model is of use.
        """
        named = [*file.themes, *file.sentiment, *file.ignore]
        if absent := [label for label in named if label not in labels]:
            raise UsageError(f"{SETTING}: the model has no label {_listed(absent)}; it has {_listed(labels)}")
        if twice := [label for label in dict.fromkeys(named) if named.count(label) > 1]:
            raise UsageError(f"{SETTING}: {_listed(twice)} stands there more than once; say one meaning for each label")
        by_name = {_plain(theme): theme for theme in known_themes}
        themes: dict[str, list[int]] = {}
        sentiment: list[list[int]] = [[] for _ in range(SENTIMENTS)]
        unknown = []
        for position, label in enumerate(labels):
            meaning = _meaning(label, file, by_name)
            if meaning is None:
                unknown.append(label)
            elif isinstance(meaning, int):
                sentiment[meaning - 1].append(position)
            elif meaning:
                themes.setdefault(meaning, []).append(position)
        if unknown:
            raise UsageError(
                f"HEED_ANALYSIS_MODEL: it is not known what the label {_listed(unknown)} means; say it in a file that "
                f"{SETTING} names, under `themes`, `sentiment` or `ignore`"
            )
        if not themes and not any(sentiment):
            raise UsageError("HEED_ANALYSIS_MODEL: no label of the model is a theme or a sentiment; unset it")
        return cls(
            theme_names=tuple(themes),
            threshold=file.threshold,
            themes_of=tuple(map(tuple, themes.values())),
            sentiment_of=tuple(map(tuple, sentiment)) if any(sentiment) else (),
        )

    def told(self, labels: Sequence[str]) -> str:
        """What each label was taken for, in one line for the log."""
        taken = [
            f"{labels[position]} is {meaning}"
            for meaning, columns in [
                *zip(self.theme_names, self.themes_of, strict=True),
                *((f"sentiment {number}", columns) for number, columns in enumerate(self.sentiment_of, start=1)),
            ]
            for position in columns
        ]
        return "; ".join(taken)

    def themes(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each theme the highest score of its labels.

        Args:
            scores: one for each label, 0 to 1.
        """
        return np.array([max(scores[position] for position in columns) for columns in self.themes_of], dtype=np.float32)

    def sentiment(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Five probabilities that sum to 1; a class that no label stands for has none."""
        totals = np.array([sum(scores[position] for position in columns) for columns in self.sentiment_of])
        shares: NDArray[np.float32] = (totals / totals.sum()).astype(np.float32)
        return shares


def _meaning(label: str, file: LabelFile, themes: Mapping[str, str]) -> str | int | None:
    """A theme, a class of sentiment, "" for nothing, or None where it is not known."""
    if label in file.ignore:
        return ""
    if label in file.themes:
        return file.themes[label]
    if label in file.sentiment:
        return file.sentiment[label]
    plain = _plain(label)
    if stars := _STARS.fullmatch(plain):
        return SENTIMENTS + 1 - int(stars[1])
    return themes.get(plain, _SENTIMENTS.get(plain))


def _plain(label: str) -> str:
    return " ".join(re.split(r"[\s_-]+", label.strip())).casefold()


def _listed(labels: Sequence[str], most: int = 8) -> str:
    told = ", ".join(f"“{label}”" for label in labels[:most])
    return told if len(labels) <= most else f"{told} and {len(labels) - most} more"
