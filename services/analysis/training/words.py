"""Fits the word model that runs beside the network (`services.analysis.word_model`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from services.analysis.encoder import TextTokeniser, TokenisedText
from services.analysis.training.dataset import FOLDS, Comment
from services.analysis.training.measures import Array, Flags, theme_matrix
from services.analysis.word_model import SENTIMENTS, WordModel, gram_keys

NEVER = -8.0
"""Log odds of a theme that has too few comments to learn from."""


def fit_words(tokeniser: TextTokeniser, comments: Sequence[Comment], share: float) -> WordModel:
    """Balanced linear SVCs for the themes, on one common scale of log odds; a logistic regression for sentiment."""
    items = tokeniser([comment.text for comment in comments], [comment.question_type for comment in comments])
    vectoriser = TfidfVectorizer(analyzer=_grams, min_df=2, sublinear_tf=True)
    features = vectoriser.fit_transform(items)
    labels = theme_matrix(comments)
    weights, bias = _themes(features, labels)
    slope, offset = _scale(features, labels, np.array([comment.fold for comment in comments]))
    learnt = labels.sum(axis=0) > 1
    weights, bias = weights * slope, np.where(learnt, bias * slope + offset, NEVER)
    rated = [row for row, comment in enumerate(comments) if comment.sentiment is not None]
    classes = [comments[row].sentiment for row in rated]
    sentiment = LogisticRegression(C=5.0, max_iter=500).fit(features[rated], classes)
    if len(sentiment.classes_) != SENTIMENTS:
        message = "the comments lack a sentiment class: all five are needed"
        raise ValueError(message)
    keys = np.array(list(vectoriser.vocabulary_), dtype=np.int64)
    columns = np.array(list(vectoriser.vocabulary_.values()))[np.argsort(keys)]
    together = np.concatenate([weights, sentiment.coef_.T], axis=1)[columns]
    return WordModel(
        np.sort(keys),
        vectoriser.idf_[columns].astype(np.float32),
        together.astype(np.float16).astype(np.float32),
        np.concatenate([bias, sentiment.intercept_]).astype(np.float32),
        share,
    )


def save_words(model: WordModel, path: Path) -> None:
    """The arrays in one file, weights in 16 bits."""
    np.savez_compressed(
        path,
        keys=model.keys,
        rarity=model.rarity,
        weights=model.weights.astype(np.float16),
        bias=model.bias,
        share=np.float32(model.share),
    )


def _grams(item: TokenisedText) -> list[int]:
    found: list[int] = gram_keys([item])[1].tolist()
    return found


def _themes(features: Array, labels: Flags) -> tuple[Array, Array]:
    """(features, themes) weights and (themes,) offsets; zero weights for a theme with one positive or none."""
    weights = np.zeros((features.shape[1], labels.shape[1]), dtype=np.float32)
    bias = np.full(labels.shape[1], -1.0, dtype=np.float32)
    for theme, column in enumerate(labels.T):
        if column.sum() > 1:
            model = LinearSVC(class_weight="balanced", C=1.0, random_state=0).fit(features, column)
            weights[:, theme], bias[theme] = model.coef_[0], model.intercept_[0]
    return weights, bias


def _scale(features: Array, labels: Flags, folds: Array) -> tuple[float, float]:
    """Slope and offset that turn SVC margins into log odds, the same for all themes, fitted out of fold."""
    margins = np.zeros(labels.shape, dtype=np.float32)
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any():
            weights, bias = _themes(features[~inside], labels[~inside])
            margins[inside] = features[inside] @ weights + bias
    fitted = LogisticRegression(C=1e6).fit(margins.reshape(-1, 1), labels.reshape(-1))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
