"""Two teachers for each fold, blind to it: a large and a small network; what they say is kept in the work folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from services.analysis.training import large
from services.analysis.training.distillation import Material, Note, Plan, with_words
from services.analysis.training.fitting import Example, Predictions, Trainer, predict
from services.analysis.training.injection import Tagged
from services.analysis.training.words import fit_words


class Teachers:
    """What the teachers say of all comments, the feedback first and then those with a criticality.

    Args:
        material: all comments.
        prefixes: the word that stands for each question type.
        plan: how the teachers are trained and how much the word model counts beside them.
        work: folder for what they say; a run that was stopped goes on.
        note: told of the progress.
    """

    def __init__(self, material: Material, prefixes: dict[str, str], plan: Plan, work: Path, note: Note) -> None:
        self._material, self._prefixes, self._plan, self.work, self.note = material, prefixes, plan, work, note
        self._feedback = [example.comment for example in material.feedback]
        self._comments = [*self._feedback, *(example.comment for example in material.extra)]

    def blind_to(self, fold: int) -> Predictions:
        """The mean of both teachers of a fold, with the share of a word model that is as blind."""
        comments = [example.comment for example in self._rest(fold)]
        words = fit_words(self._material.tokeniser, comments, self._plan.word_share)
        said = mean([self.said_by_large(fold), self.said_by_small(fold)])
        return with_words(said, words, self._material.tokeniser, self._comments)

    def said_by_large(self, fold: int) -> Predictions:
        """What the large teacher of a fold says."""

        def make() -> Predictions:
            comments = [example.comment for example in self._rest(fold)]
            network = large.fit(self._lower, comments, self._plan.large, self.note)
            said: Predictions = large.predict(self._lower, network, self._comments)
            return said

        return self._kept(f"large-{fold}", make)

    def said_by_small(self, fold: int) -> Predictions:
        """The same of the small one: a network like the student's, trained on themes and sentiment alone."""

        def make() -> Predictions:
            examples = [replace(example, taggable=False) for example in self._rest(fold)]
            network = Trainer(self._material.tokeniser, Tagged, self._plan.small).fit(examples, [], self.note)
            said: Predictions = predict(network, self._material.tokeniser, self._comments)
            return said

        return self._kept(f"small-{fold}", make)

    def _rest(self, fold: int) -> list[Example]:
        return [example for example in self._material.feedback if example.comment.fold != fold]

    @cached_property
    def _lower(self) -> large.Lower:
        lower = large.Lower(large.weights_folder(self.work), self._prefixes, self._plan.large)
        lower(self._feedback)
        return lower

    def _kept(self, name: str, make: Callable[[], Predictions]) -> Predictions:
        path = self.work / f"{name}.npz"
        if not path.exists():
            made, unfinished = make(), path.with_suffix(".part.npz")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(unfinished, themes=made.themes, sentiment=made.sentiment)
            unfinished.rename(path)
        with np.load(path) as arrays:
            themes, sentiment = arrays["themes"], arrays["sentiment"]
        return Predictions(themes, sentiment, np.zeros(len(themes), dtype=np.float32))


def mean(said: Sequence[Predictions]) -> Predictions:
    """The mean of what several say of the same comments."""
    return Predictions(
        np.mean([one.themes for one in said], axis=0, dtype=np.float32),
        np.mean([one.sentiment for one in said], axis=0, dtype=np.float32),
        np.mean([one.severity for one in said], axis=0, dtype=np.float32),
    )
