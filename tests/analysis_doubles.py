"""A tiny deterministic stand-in for the encoder: proves the rules around the model, never the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analysis.given_names import CERTAIN_NAMES
from services.analysis.reader import Reader, Reading, Submission

WORD = re.compile(r"[^\W_]+(?:['-](?![sS]\b)[^\W_]+)*")
THEMES = ("Staff manner", "Waiting", "Food")


@dataclass(frozen=True, slots=True)
class FakeEncoded:
    """As `services.analysis.encoder.Encoded`."""

    theme_probabilities: NDArray[np.float32]
    sentiment_probabilities: NDArray[np.float32]
    severity: float
    name_tokens: list[tuple[int, int, float]]


class FakeTokeniser:
    """One token for each word or mark."""

    def __init__(self, room: int) -> None:
        self._room = room

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def room(self) -> int:
        return self._room


class FakeEncoder:
    """Knows a few names and words; raises on a text that holds `crash`."""

    version = "fake-1"
    theme_names = THEMES
    theme_thresholds = np.array([0.5, 0.5, 0.5], dtype=np.float32)
    name_threshold = 0.3
    severity_threshold = 0.9
    known_names = CERTAIN_NAMES

    def __init__(self, room: int = 64, crash: str | None = None) -> None:
        self.tokeniser = FakeTokeniser(room)
        self.names = {"Bronwen": 0.99, "Okafor": 0.95, "Gethin": 0.97, "Hexham": 0.8, "Rose": 0.1, "name": 0.9}
        self.passes: list[int] = []
        """Texts in each pass."""
        self._crash = crash

    def begin(
        self, texts: Sequence[str], question_types: Sequence[str]
    ) -> Iterator[tuple[Sequence[int], list[FakeEncoded]]]:
        yield range(len(texts)), self.run(texts, question_types)

    def run(self, texts: Sequence[str], question_types: Sequence[str]) -> list[FakeEncoded]:
        assert len(texts) == len(question_types)
        self.passes.append(len(texts))
        if self._crash is not None and any(self._crash in text for text in texts):
            raise RuntimeError("this text crashes the model")
        return [self._encoded(text, kind) for text, kind in zip(texts, question_types, strict=True)]

    def _encoded(self, text: str, kind: str) -> FakeEncoded:
        lower = text.lower()
        themes = [0.9 if word in lower else 0.1 for word in ("kind", "wait", "food")]
        good = "kind" in lower or (kind == "could_improve" and "nothing" in lower)
        sentiment = [0.6, 0.2, 0.1, 0.05, 0.05] if good else [0.05, 0.05, 0.1, 0.2, 0.6]
        words = [(match.span(), match.group().split("-")) for match in WORD.finditer(text)]
        names = [
            (*span, max(self.names.get(part, 0.0) for part in parts))
            for span, parts in words
            if not self.names.keys().isdisjoint(parts)
        ]
        return FakeEncoded(
            np.array(themes, dtype=np.float32),
            np.array(sentiment, dtype=np.float32),
            0.95 if "disgraceful" in lower else 0.05,
            names,
        )


def read(text: str, encoder: FakeEncoder | None = None, **fields: object) -> Reading:
    """One comment through a reader."""
    (result,) = Reader(encoder or FakeEncoder(), ("Hexham",)).read([Submission("1", text, **fields)])  # type: ignore[arg-type]
    assert isinstance(result, Reading)
    return result
