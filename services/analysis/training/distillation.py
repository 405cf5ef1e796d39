"""The model (a network and a word model), trained alone or by several teachers whose mean opinion it learns.

Teachers are networks of the same size with other seeds, trained on the feedback alone. Their opinions are mixed with
the labels for the feedback, and stand alone for the themes and the sentiment of the criticality comments, which nobody
labelled with these.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from services.analysis.encoder import TextTokeniser, WordModel
from services.analysis.training.dataset import THEME_NAMES, Comment
from services.analysis.training.fitting import Array, Example, Predictions, Recipe, Soft, Trainer, graded, predict
from services.analysis.training.injection import Injector
from services.analysis.training.names import NamePool
from services.analysis.training.network import Network
from services.analysis.training.words import fit_words

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many teachers, how much each counts, and how teachers and student are trained."""

    teachers: int = 0
    word_share: float = 0.35
    """Weight of the word model beside the network."""
    soft_share: float = 0.6
    """Weight of the teachers against the labels, on labelled comments."""
    teacher: Recipe = field(default_factory=lambda: Recipe(criticality_share=0.0, name_share=0.0))
    student: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, slots=True)
class Material:
    """What a model is trained on."""

    feedback: Sequence[Example]
    extra: Sequence[Example]
    """The criticality comments."""
    pool: NamePool
    tokeniser: TextTokeniser


@dataclass(frozen=True, slots=True)
class Model:
    """What the service runs, before it is exported."""

    network: Network
    words: WordModel

    def predict(self, tokeniser: TextTokeniser, comments: Sequence[Comment]) -> Predictions:
        """Probabilities with the word model's share in them, as `Encoder.run` gives them."""
        alone = predict(self.network, tokeniser, comments)
        items = tokeniser([comment.text for comment in comments], [comment.question_type for comment in comments])
        themes, sentiment = self.words(items)
        return Predictions(
            self.words.mixed(alone.themes, themes), self.words.mixed(alone.sentiment, sentiment), alone.severity
        )


def train(material: Material, plan: Plan, seed: int, note: Note) -> Model:
    """One model; its network learns from teachers where the plan has some."""
    words = fit_words(material.tokeniser, [example.comment for example in material.feedback], plan.word_share)
    feedback, extra = material.feedback, material.extra
    if plan.teachers:
        opinions = _opinions(material, plan, seed, note)
        feedback, extra = soften(feedback, extra, opinions, plan.soft_share)
    recipe = replace(plan.student, seed=seed)
    return Model(fit_one(replace(material, feedback=feedback, extra=extra), recipe, note), words)


def prefixed(note: Note, prefix: str) -> Note:
    """The same progress line with something before it."""
    return lambda text: note(prefix + text)


def fit_one(material: Material, recipe: Recipe, note: Note) -> Network:
    """One training run with its own random streams."""
    injector = Injector(material.pool, random.Random(f"names {recipe.seed}"))
    return Trainer(material.tokeniser, injector, recipe).fit(material.feedback, material.extra, note)


def _opinions(material: Material, plan: Plan, seed: int, note: Note) -> Predictions:
    """The teachers' mean on the feedback and then on the extra comments."""
    comments = [example.comment for example in [*material.feedback, *material.extra]]
    seen: list[Predictions] = []
    for number in range(plan.teachers):
        recipe = replace(plan.teacher, seed=1000 * (seed + 1) + number)
        network = fit_one(material, recipe, prefixed(note, f"teacher {number + 1}: "))
        seen.append(predict(network, material.tokeniser, comments))
    return Predictions(
        np.mean([one.themes for one in seen], axis=0, dtype=np.float32),
        np.mean([one.sentiment for one in seen], axis=0, dtype=np.float32),
        np.mean([one.severity for one in seen], axis=0, dtype=np.float32),
    )


def soften(
    feedback: Sequence[Example], extra: Sequence[Example], opinions: Predictions, share: float
) -> tuple[list[Example], list[Example]]:
    """The examples with soft targets; `opinions` has the feedback's rows first."""
    softened = [
        replace(example, soft=_mixed(example.comment, opinions.themes[row], opinions.sentiment[row], share))
        for row, example in enumerate(feedback)
    ]
    offset = len(feedback)
    pseudo = [
        replace(example, soft=Soft(opinions.themes[offset + row], opinions.sentiment[offset + row]))
        for row, example in enumerate(extra)
    ]
    return softened, pseudo


def _mixed(comment: Comment, themes: Array, sentiment: Array, share: float) -> Soft:
    """Labels and opinions of one comment."""
    hard_themes = np.zeros(len(THEME_NAMES), dtype=np.float32)
    hard_themes[list(comment.themes or ())] = 1
    hard_sentiment = sentiment.copy()
    if comment.sentiment is not None:
        hard_sentiment = graded(comment.sentiment)
    return Soft(share * themes + (1 - share) * hard_themes, share * sentiment + (1 - share) * hard_sentiment)
