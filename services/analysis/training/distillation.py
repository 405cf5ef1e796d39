"""The model (a network and a word model), trained on the labels and on what teachers say.

Their opinion is mixed with the labels of the feedback, and stands alone for the themes and the sentiment of the
criticality comments, which nobody labelled with these.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from services.analysis.encoder import TextTokeniser
from services.analysis.training.dataset import THEME_NAMES, Comment
from services.analysis.training.fitting import Array, Example, Predictions, Recipe, Soft, Trainer, graded, predict
from services.analysis.training.injection import Injector
from services.analysis.training.large import LargeRecipe
from services.analysis.training.names import NamePool
from services.analysis.training.network import SENTIMENTS, Network
from services.analysis.training.words import fit_words
from services.analysis.word_model import WordModel

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is trained, and how much its parts and its teachers count."""

    word_share: float = 0.35
    """Weight of the word model beside the network."""
    soft_share: float = 0.6
    """Weight of the teachers against the labels, on labelled comments."""
    prior_weight: float = 0.3
    """How far the odds of a rare class of sentiment are raised: 0 as learnt, 1 as if all classes were as frequent."""
    recipe: Recipe = field(default_factory=Recipe)
    """Of the model that is exported."""
    large: LargeRecipe = field(default_factory=LargeRecipe)
    small: Recipe = field(default_factory=lambda: Recipe(seed=1, criticality_share=0))
    """Of the teachers."""


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
        return with_words(predict(self.network, tokeniser, comments), self.words, tokeniser, comments)


def with_words(
    said: Predictions, words: WordModel, tokeniser: TextTokeniser, comments: Sequence[Comment]
) -> Predictions:
    """What a network, or several, say of the comments, with the word model's share in it."""
    items = tokeniser([comment.text for comment in comments], [comment.question_type for comment in comments])
    themes, sentiment = words(items)
    return Predictions(words.mixed(said.themes, themes), words.mixed(said.sentiment, sentiment), said.severity)


def train(material: Material, plan: Plan, seed: int, note: Note, opinions: Predictions) -> Model:
    """One model; `opinions` are the teachers', on the feedback and then on the extra comments."""
    words = fit_words(material.tokeniser, [example.comment for example in material.feedback], plan.word_share)
    feedback, extra = soften(material.feedback, material.extra, opinions, plan.soft_share)
    injector = Injector(material.pool, random.Random(f"names {seed}"))
    return Model(
        Trainer(material.tokeniser, injector, replace(plan.recipe, seed=seed)).fit(feedback, extra, note), words
    )


def raised(model: Model, comments: Sequence[Comment], weight: float) -> Model:
    """A model whose sentiment leans less towards the classes that are frequent in `comments`.

    Log odds are shifted by -weight * log(share of the class) (logit adjustment; Menon et al., ICLR 2021), in the
    network and in the word model.
    """
    seen = np.bincount([one.sentiment for one in comments if one.sentiment is not None], minlength=SENTIMENTS)
    shift = (-weight * np.log(seen / seen.sum())).astype(np.float32)
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        network.heads["sentiment"].bias += torch.from_numpy(shift)
    bias = model.words.bias.copy()
    bias[-SENTIMENTS:] += shift
    return Model(network, replace(model.words, bias=bias))


def kept(path: Path, material: Material, plan: Plan, make: Callable[[], Model]) -> Model:
    """A model whose network an earlier run left at `path`; made and left there if none did."""
    if path.exists():
        network = Network()
        network.load_state_dict(torch.load(path, weights_only=True))
        comments = [example.comment for example in material.feedback]
        return Model(network.eval(), fit_words(material.tokeniser, comments, plan.word_share))
    model = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    torch.save(model.network.state_dict(), unfinished)
    unfinished.rename(path)
    return model


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
