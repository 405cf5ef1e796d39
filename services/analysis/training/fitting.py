"""Trains one network: examples with whatever targets they have, one loss for each head, a fixed seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from services.analysis.encoder import TextTokeniser, TokenisedText
from services.analysis.network import pad, token_batches
from services.analysis.training.dataset import AREAS, THEME_NAMES, Comment
from services.analysis.training.injection import Tagged
from services.analysis.training.network import SENTIMENTS, Network, parameter_groups

T = TypeVar("T")
Array = NDArray[np.float32]
NEIGHBOURS = 0.1
"""Share of a sentiment label that its neighbours get."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run, apart from the data."""

    seed: int = 0
    epochs: int = 8
    batch: int = 32
    rate: float = 2e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.9
    warm_up: float = 0.06
    longest: int = 128
    """Tokens of a training text; few comments are longer."""
    criticality_share: float = 0.4
    """Part of the criticality comments seen in each epoch."""
    name_share: float = 0.4
    """Chance that a feedback comment is shown with injected names or hard negatives (its labels may then not count)."""
    extra_name_share: float = 0.6
    """The same for a criticality comment."""
    weights: dict[str, float] = field(
        default_factory=lambda: {
            "themes": 1.0,
            "sentiment": 0.7,
            "severity": 0.5,
            "criticality": 0.1,
            "areas": 0.1,
            "names": 10.0,
        }
    )


@dataclass(frozen=True, slots=True)
class Soft:
    """Targets of one comment from teachers; used instead of the hard ones where given."""

    themes: Array | None = None
    sentiment: Array | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A comment, whether names may be put into it, and the soft targets that replace its labels."""

    comment: Comment
    taggable: bool
    soft: Soft = Soft()


@dataclass(frozen=True, slots=True)
class Predictions:
    """Probabilities for a list of comments, one row each."""

    themes: Array
    sentiment: Array
    severity: Array


def _targets(examples: Sequence[Example], tagged: Sequence[Tagged]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Target and weight (0 where a comment has no such label) for each comment head."""
    count = len(examples)
    shapes = {"themes": len(THEME_NAMES), "sentiment": SENTIMENTS, "areas": len(AREAS), "severity": 1, "criticality": 1}
    values = {head: np.zeros((count, width), dtype=np.float32) for head, width in shapes.items()}
    held = {head: np.zeros(count, dtype=np.float32) for head in shapes}
    for row, (example, variant) in enumerate(zip(examples, tagged, strict=True)):
        if not variant.same_meaning:
            continue
        comment, soft = example.comment, example.soft
        if soft.themes is not None:
            values["themes"][row], held["themes"][row] = soft.themes, 1
        elif comment.themes is not None:
            values["themes"][row, list(comment.themes)], held["themes"][row] = 1, 1
        if soft.sentiment is not None:
            values["sentiment"][row], held["sentiment"][row] = soft.sentiment, 1
        elif comment.sentiment is not None:
            values["sentiment"][row], held["sentiment"][row] = graded(comment.sentiment), 1
        if comment.criticality is not None and comment.area is not None:
            values["criticality"][row], held["criticality"][row] = comment.criticality / 5, 1
            values["severity"][row], held["severity"][row] = float(bool(comment.severe)), 1
            values["areas"][row, comment.area], held["areas"][row] = 1, 1
    return {head: (torch.from_numpy(values[head]), torch.from_numpy(held[head])) for head in shapes}


def graded(sentiment: int) -> Array:
    """A sentiment label as probabilities: a part goes to the neighbouring classes, since people differ by one class."""
    target = np.zeros(SENTIMENTS, dtype=np.float32)
    target[sentiment] = 1 - NEIGHBOURS
    beside = [other for other in (sentiment - 1, sentiment + 1) if 0 <= other < SENTIMENTS]
    target[beside] = NEIGHBOURS / len(beside)
    return target


def name_targets(item: TokenisedText, variant: Tagged) -> list[float]:
    """1 for each text token whose word overlaps a name span, else 0."""
    words = [float(any(start < b and a < end for a, b in variant.spans)) for start, end in item.words]
    return [words[owner] if owner >= 0 else 0.0 for owner in item.token_words]


def _losses(
    logits: dict[str, torch.Tensor],
    targets: dict[str, tuple[torch.Tensor, torch.Tensor]],
    names: tuple[torch.Tensor, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Mean loss of each head over the comments (or tokens) that have its label."""

    def mean(head: str, each: torch.Tensor) -> torch.Tensor:
        held = targets[head][1]
        return (each * held).sum() / held.sum().clamp_min(1)

    def binary(head: str) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(logits[head], targets[head][0], reduction="none").sum(dim=1)

    def classes(head: str) -> torch.Tensor:
        return -(targets[head][0] * functional.log_softmax(logits[head], dim=1)).sum(dim=1)

    wanted, held = names
    tokens = functional.binary_cross_entropy_with_logits(logits["names"], wanted, reduction="none")
    return {
        "themes": mean("themes", binary("themes")),
        "sentiment": mean("sentiment", classes("sentiment")),
        "severity": mean("severity", binary("severity")),
        "criticality": mean("criticality", (logits["criticality"] - targets["criticality"][0]).square().sum(dim=1)),
        "areas": mean("areas", classes("areas")),
        "names": (tokens * held).sum() / held.sum().clamp_min(1),
    }


def warm_up(steps: int, share: float) -> Callable[[int], float]:
    """Factor of the learning rate at a step: linear warm-up over a share of all steps, then linear decay to zero."""
    warm = max(1, round(steps * share))
    return lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def length_sorted(shown: Sequence[T], size: int, length: Callable[[T], int], rng: random.Random) -> list[list[T]]:
    """Batches of `size`, of about one length each, in random order."""
    block = size * 50
    batches = []
    for at in range(0, len(shown), block):
        part = sorted(shown[at : at + block], key=length)
        batches += [part[first : first + size] for first in range(0, len(part), size)]
    rng.shuffle(batches)
    return batches


class Trainer:
    """One training run; `fit` returns the trained network."""

    def __init__(self, tokeniser: TextTokeniser, injector: Callable[[str], Tagged], recipe: Recipe) -> None:
        self._tokeniser, self._injector, self._recipe = tokeniser, injector, recipe
        self._rng = random.Random(recipe.seed)

    def fit(
        self, feedback: Sequence[Example], extra: Sequence[Example], note: Callable[[str], None] = print
    ) -> Network:
        """Trains on all feedback and a part of the extra comments in each epoch."""
        recipe = self._recipe
        torch.manual_seed(recipe.seed)
        network = Network()
        groups = list(parameter_groups(network, recipe.rate, recipe.layer_decay, recipe.head_rate))
        optimiser = torch.optim.AdamW(groups, fused=True)
        size = len(feedback) + round(len(extra) * recipe.criticality_share)
        steps = recipe.epochs * -(-size // recipe.batch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up(steps, recipe.warm_up))
        network.train()
        began = time.monotonic()
        for epoch in range(recipe.epochs):
            sums: dict[str, float] = {}
            batches = self._epoch(feedback, extra)
            for batch in batches:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    losses = self._step(network, batch)
                    total = sum(recipe.weights[head] * loss for head, loss in losses.items())
                optimiser.zero_grad(set_to_none=True)
                total.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                for head, loss in losses.items():
                    sums[head] = sums.get(head, 0.0) + float(loss.detach()) / len(batches)
            shown = " ".join(f"{head} {value:.3f}" for head, value in sums.items())
            note(f"epoch {epoch + 1}/{recipe.epochs}, {time.monotonic() - began:.0f} s: {shown}")
        network.eval()
        return network

    def _epoch(self, feedback: Sequence[Example], extra: Sequence[Example]) -> list[list[tuple[Example, Tagged]]]:
        """The batches of one epoch: texts of about one length together, batches in random order."""
        rng, recipe = self._rng, self._recipe
        chosen = [*feedback, *rng.sample(list(extra), round(len(extra) * recipe.criticality_share))]
        rng.shuffle(chosen)
        shown = [(example, self._variant(example)) for example in chosen]
        return length_sorted(shown, recipe.batch, lambda pair: len(pair[1].text), rng)

    def _variant(self, example: Example) -> Tagged:
        recipe = self._recipe
        share = recipe.extra_name_share if example.comment.themes is None else recipe.name_share
        if example.taggable and self._rng.random() < share:
            return self._injector(example.comment.text)
        return Tagged(example.comment.text)

    def _step(self, network: Network, batch: Sequence[tuple[Example, Tagged]]) -> dict[str, torch.Tensor]:
        """Losses of one batch."""
        examples, variants = [example for example, _ in batch], [variant for _, variant in batch]
        items = self._tokeniser([v.text for v in variants], [example.comment.question_type for example in examples])
        ids, mask, cases = (torch.from_numpy(array) for array in pad(items))
        wanted, held = torch.zeros(ids.shape), torch.zeros(ids.shape)
        for row, (item, example, variant) in enumerate(zip(items, examples, variants, strict=True)):
            tags = name_targets(item, variant)
            wanted[row, item.lead : item.lead + len(tags)] = torch.tensor(tags)
            held[row, item.lead : item.lead + len(tags)] = float(example.taggable)
        logits = {head: value.float() for head, value in network(ids, mask, cases).items()}
        return _losses(logits, _targets(examples, variants), (wanted, held))


@torch.inference_mode()  # type: ignore[untyped-decorator]
def predict(network: Network, tokeniser: TextTokeniser, comments: Sequence[Comment]) -> Predictions:
    """Probabilities in 32-bit, in the order of the comments."""
    items = tokeniser([comment.text for comment in comments], [comment.question_type for comment in comments])
    themes = np.zeros((len(items), len(THEME_NAMES)), dtype=np.float32)
    sentiment = np.zeros((len(items), SENTIMENTS), dtype=np.float32)
    severity = np.zeros(len(items), dtype=np.float32)
    for batch in token_batches([len(item.ids) for item in items], 2048):
        ids, mask, cases = (torch.from_numpy(array) for array in pad([items[index] for index in batch]))
        logits = network(ids, mask, cases)
        themes[batch] = torch.sigmoid(logits["themes"]).numpy()
        sentiment[batch] = torch.softmax(logits["sentiment"], dim=1).numpy()
        severity[batch] = torch.sigmoid(logits["severity"]).squeeze(1).numpy()
    return Predictions(themes, sentiment, severity)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def name_probabilities(network: Network, inputs: tuple[NDArray[np.int64], ...]) -> Array:
    """P(name) of each token of one padded batch, in 32-bit."""
    result: Array = torch.sigmoid(network(*(torch.from_numpy(array) for array in inputs))["names"]).numpy()
    return result
