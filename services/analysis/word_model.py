"""The linear model on words that stands beside the network; `services.analysis.training.words` fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from services.analysis.encoder import TokenisedText

SENTIMENTS = 5


def gram_keys(items: Sequence[TokenisedText]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One number for each token and each pair of neighbours between the outer special tokens, the prefix included.

    Returns:
        For each of them the index of its text, and its number; the tokens of all texts come before all pairs.
    """
    lengths = [len(item.ids) - 2 for item in items]
    rows = np.repeat(np.arange(len(items)), lengths)
    ids = np.fromiter(chain.from_iterable(item.ids[1:-1] for item in items), dtype=np.int64) + 1
    within = rows[:-1] == rows[1:]
    pairs = ids[:-1] * PAIR + ids[1:]
    return np.concatenate([rows, rows[:-1][within]]), np.concatenate([ids, pairs[within]])


PAIR = 1 << 20
"""More than there are token ids, so that pairs and single tokens never share a number."""


@dataclass(frozen=True, slots=True)
class WordModel:
    """Linear classifiers on tokens and pairs of tokens (tf-idf): weaker than the network, but wrong in other places.

    Their probabilities are mixed into the network's; that costs microseconds and gains what a second network would.
    """

    keys: NDArray[np.int64]
    """Known `gram_keys`, ascending."""
    rarity: NDArray[np.float32]
    """Inverse document frequency of each key."""
    weights: NDArray[np.float32]
    """(keys, themes + 5): log odds of the themes, then scores of the sentiment classes."""
    bias: NDArray[np.float32]
    share: float
    """Weight against the network, 0..1."""

    @classmethod
    def load(cls, path: Path) -> WordModel:
        """Reads the arrays that the training code saved."""
        with np.load(path, allow_pickle=False) as arrays:
            weights = arrays["weights"].astype(np.float32)
            return cls(arrays["keys"], arrays["rarity"], weights, arrays["bias"], float(arrays["share"]))

    def __call__(self, items: Sequence[TokenisedText]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities of the themes and of the sentiment classes, one row for each text, whatever the others are."""
        rows, wanted = gram_keys(items)
        columns = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        known = self.keys[columns] == wanted
        cells, counts = np.unique(rows[known] * len(self.keys) + columns[known], return_counts=True)
        rows, columns = cells // len(self.keys), cells % len(self.keys)
        values = (1 + np.log(counts)) * self.rarity[columns]
        norms = np.sqrt(np.bincount(rows, values**2, minlength=len(items)))
        scores = np.tile(self.bias, (len(items), 1))
        present, starts = np.unique(rows, return_index=True)
        if present.size:
            terms = self.weights[columns] * (values / norms[rows])[:, None].astype(np.float32)
            scores[present] += np.add.reduceat(terms, starts, axis=0)
        themes, sentiment = scores[:, :-SENTIMENTS], scores[:, -SENTIMENTS:]
        powers = np.exp(sentiment - sentiment.max(axis=1, keepdims=True, initial=-np.inf))
        chances: NDArray[np.float32] = (1 / (1 + np.exp(-themes))).astype(np.float32)
        return chances, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    def mixed(self, network: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's probabilities with this model's share in them."""
        return (1 - self.share) * network + self.share * own
