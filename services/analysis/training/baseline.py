"""The yardstick beside every figure: TF-IDF with a linear SVC, one classifier a theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from services.analysis.training.dataset import Comment
from services.analysis.training.measures import theme_matrix


def _worded(comments: Sequence[Comment]) -> list[str]:
    """Texts with the question type as one more word, as pxtextmining gives it to its classifiers."""
    return [f"{comment.question_type} {comment.text}" for comment in comments]


@dataclass(slots=True)
class Baseline:
    """Fitted once; gives theme flags and sentiment classes."""

    vectoriser: TfidfVectorizer
    themes: list[LinearSVC | None]
    sentiment: LinearSVC

    @classmethod
    def fit(cls, comments: Sequence[Comment]) -> Baseline:
        """Word uni- and bigrams; class weights balanced."""
        vectoriser = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, strip_accents="unicode")
        features = vectoriser.fit_transform(_worded(comments))
        labels = theme_matrix(comments)
        themes = [
            LinearSVC(class_weight="balanced", random_state=0).fit(features, column) if column.sum() > 1 else None
            for column in labels.T
        ]
        rated = [row for row, comment in enumerate(comments) if comment.sentiment is not None]
        classes = [comments[row].sentiment for row in rated]
        return cls(vectoriser, themes, LinearSVC(class_weight="balanced", random_state=0).fit(features[rated], classes))

    def given_themes(self, comments: Sequence[Comment]) -> NDArray[np.bool_]:
        """(comments, 31) flags."""
        features = self.vectoriser.transform(_worded(comments))
        columns = [
            model.predict(features).astype(bool) if model is not None else np.zeros(len(comments), dtype=bool)
            for model in self.themes
        ]
        return np.stack(columns, axis=1)

    def given_sentiment(self, comments: Sequence[Comment]) -> NDArray[np.int64]:
        """Class 0..4 of each comment."""
        return np.asarray(self.sentiment.predict(self.vectoriser.transform(_worded(comments))), dtype=np.int64)
