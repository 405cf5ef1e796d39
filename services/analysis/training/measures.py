"""The figures of the model card: F1, calibration, severity ranking, name recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from services.analysis.normalised import normalise
from services.analysis.patterns import Kind, Span
from services.analysis.redaction import NameToken, Redactor
from services.analysis.training.dataset import THEME_NAMES, Comment, NameCase
from services.analysis.words import words_of

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]
LEAST_POSITIVES = 5
"""Macro F1 counts the categories with at least so many positives."""


@dataclass(frozen=True, slots=True)
class F1:
    """Macro and micro F1 of the themes, and F1 by theme (all 31, in order)."""

    macro: float
    micro: float
    each: Array
    positives: NDArray[np.int64]


def theme_matrix(comments: Sequence[Comment]) -> Flags:
    """(comments, 31) labels."""
    labels = np.zeros((len(comments), len(THEME_NAMES)), dtype=bool)
    for row, comment in enumerate(comments):
        labels[row, list(comment.themes or ())] = True
    return labels


def theme_f1(labels: Flags, given: Flags) -> F1:
    """F1 of given themes against labels; macro over the categories with enough positives in `labels`."""
    each = f1_score(labels, given, average=None, zero_division=0)
    positives = labels.sum(axis=0)
    macro = float(each[positives >= LEAST_POSITIVES].mean())
    return F1(macro, float(f1_score(labels, given, average="micro", zero_division=0)), each, positives)


def theme_thresholds(level: float, slope: float, shares: NDArray[np.float64]) -> Array:
    """One threshold for each theme: `level` for a theme of one comment in twenty, lower for rarer ones.

    Args:
        level: the threshold at a share of .05.
        slope: change of the threshold when the share grows by a factor e.
        shares: part of the comments that have the theme.
    """
    thresholds = level + slope * np.log(np.maximum(shares, 0.001) / 0.05)
    return np.clip(thresholds, 0.1, 0.6).astype(np.float32)


def best_thresholds(labels: Flags, probabilities: Array) -> Array:
    """The thresholds of two numbers, level and slope, with the best mean of macro and micro F1."""
    shares = labels.mean(axis=0)

    def score(thresholds: Array) -> float:
        result = theme_f1(labels, probabilities >= thresholds)
        return result.macro + result.micro

    grid = (
        theme_thresholds(level, slope, shares)
        for level in np.arange(0.26, 0.45, 0.02)
        for slope in np.arange(0, 0.13, 0.01)
    )
    return max(grid, key=score)


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Five-class accuracy and macro F1, three-class accuracy, F1 by class."""

    accuracy: float
    macro: float
    three: float
    each: Array


def sentiment_scores(labels: NDArray[np.int64], probabilities: Array) -> Sentiment:
    """Scores of the most probable class."""
    given = probabilities.argmax(axis=1)
    coarse = np.array([0, 0, 1, 2, 2])
    each = f1_score(labels, given, average=None, labels=list(range(5)), zero_division=0)
    return Sentiment(
        float((labels == given).mean()), float(each.mean()), float((coarse[labels] == coarse[given]).mean()), each
    )


def severity_scores(comments: Sequence[Comment], severity: Array) -> tuple[float, float, float]:
    """AUROC, average precision and base rate of criticality <= -4."""
    labels = np.array([bool(comment.severe) for comment in comments])
    return (
        float(roc_auc_score(labels, severity)),
        float(average_precision_score(labels, severity)),
        float(labels.mean()),
    )


def calibration_error(labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error: the gap between stated and seen frequency, weighted by how many fall in each bin."""
    edges = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        abs(float(labels[edges == bin_].mean()) - float(probabilities[edges == bin_].mean()))
        * float((edges == bin_).mean())
        for bin_ in range(bins)
        if bool((edges == bin_).any())
    ]
    return float(sum(gaps))


@dataclass(frozen=True, slots=True)
class Found:
    """One name, and whether every letter of it was taken out."""

    taken_out: bool
    written: str
    about: dict[str, Any]


def found_names(redactor: Redactor, cases: Sequence[NameCase], words: Sequence[Sequence[NameToken]]) -> list[Found]:
    """Every NAME span of the cases; `words` are those of the normalised texts."""
    results = []
    for case, tokens in zip(cases, words, strict=True):
        covered = {at for span in _redacted(redactor, case.text, tokens) for at in range(span.start, span.end)}
        for start, end, kind, about in case.spans:
            if kind == "NAME":
                letters = {at for at in range(start, end) if case.text[at].isalnum()}
                results.append(Found(letters <= covered, case.text[start:end], about))
    return results


def touched(redactor: Redactor, said: Sequence[tuple[str, Sequence[NameToken]]]) -> float:
    """Share of comments (that hold no name) in which a name was taken out."""
    return float(np.mean([any(span.kind is Kind.NAME for span in _redacted(redactor, *comment)) for comment in said]))


def _redacted(redactor: Redactor, text: str, tokens: Sequence[NameToken]) -> tuple[Span, ...]:
    normal = normalise(text)
    return redactor.redact(normal, words_of(normal.text), tokens).spans
