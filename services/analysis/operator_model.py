"""A sequence-classification model of the operator's own beside ours (extra `torch`).

It decides themes, sentiment or both, as its labels say; names, severity and whatever it has no labels for stay our
model's, so redaction, the urgent route and the quote gate do not change.

Texts go through `transformers.pipeline` one by one: in batches of one length it is about twice as fast, but the last
digits then depend on the company, and up to 4 texts in a hundred had another published probability. A replayed record
must get the same reading.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.analysis.encoder import Encoded, Encoder, TextTokeniser
from services.analysis.labels import LabelFile, Labels
from services.analysis.segments import cut, weighted_mean
from shared.errors import UsageError

log = logging.getLogger(__name__)

SETTING = "HEED_ANALYSIS_MODEL"
WINDOW = 512
"""Tokens, where neither the tokenizer nor the network says."""
LEAST_ROOM = 16
"""Tokens of text that must fit in the window."""


class Classifier:
    """A Hugging Face sequence-classification model on the CPU, in f32. One thread at a time."""

    def __init__(self, name: str, threads: int | None = None) -> None:
        """Load it; a folder is read without the network, any other name comes from the hub or its cache.

        Args:
            name: a folder, or a name on the hub.
            threads: CPU threads of torch; its own choice by default.

        Raises:
            UsageError: the extra is not installed, or there is no such model, or it is not fit for this.
        """
        torch, transformers = _modules()
        if threads is not None:
            torch.set_num_threads(threads)
        model, tokenizer = _load(name, torch, transformers)
        special = tokenizer.num_special_tokens_to_add()
        self._room = _window(tokenizer, model.config) - special
        self._tokenizer = tokenizer
        self._pipeline = transformers.pipeline(
            "text-classification",
            model=model,
            tokenizer=tokenizer,
            device="cpu",
            top_k=None,
            truncation=True,
            max_length=self._room + special,
        )
        self.labels: tuple[str, ...] = tuple(model.config.id2label[number] for number in range(model.config.num_labels))
        self.name = re.sub(r"[^\w.-]+", "-", Path(name).expanduser().resolve().name)
        """Without its folder or its owner."""
        self.digest = _digest(model)
        """Of its weights and labels."""

    def stretches(self, text: str) -> list[tuple[int, int]]:
        """Half-open stretches of the text that fit its window; none of white space."""
        return cut(text, self._room, self._offsets)

    def scores(self, text: str) -> NDArray[np.float32]:
        """One score for each label, 0 to 1, in the order of `labels`; a text over the window is cut to it."""
        found = {entry["label"]: entry["score"] for entry in self._pipeline([text])[0]}
        return np.array([found[label] for label in self.labels], dtype=np.float32)

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]


class OperatorEncoder:
    """Our encoder with the themes and the sentiment of the operator's model, as far as that has labels for them."""

    def __init__(self, ours: Encoder, theirs: Classifier, file: LabelFile) -> None:
        """Join them.

        Raises:
            UsageError: a label has no meaning; see `Labels.resolve`.
        """
        self._ours = ours
        self._theirs = theirs
        self._labels = Labels.resolve(theirs.labels, ours.theme_names, file)
        self.name_threshold = ours.name_threshold
        self.severity_threshold = ours.severity_threshold
        self.known_names = ours.known_names
        mark = hashlib.blake2b(theirs.digest + file.model_dump_json().encode(), digest_size=4).hexdigest()
        self.version = f"{theirs.name}-{mark}+{ours.version}"
        """The operator's, marked with its weights and what its labels are taken for, and ours, which reads the rest."""
        self.theme_names = self._labels.theme_names or ours.theme_names
        self.theme_thresholds = (
            np.full(len(self.theme_names), self._labels.threshold, dtype=np.float32)
            if self._labels.theme_names
            else ours.theme_thresholds
        )
        log.info("themes and sentiment by %s: %s", self.version, self._labels.told(theirs.labels))

    @property
    def tokeniser(self) -> TextTokeniser:
        """Ours: long texts are cut for our model first."""
        return self._ours.tokeniser

    def begin(self, texts: Sequence[str], question_types: Sequence[str]) -> Iterator[tuple[list[int], list[Encoded]]]:
        """Starts ours; what it returns asks theirs, too. The operator's model is not told the question type."""
        ours = self._ours.begin(texts, question_types)
        return (
            (rows, [self._joined(one, texts[row]) for row, one in zip(rows, encoded, strict=True)])
            for rows, encoded in ours
        )

    def _joined(self, encoded: Encoded, text: str) -> Encoded:
        """Of several stretches: mean sentiment by length, highest probability of each theme, as of segments."""
        stretches = self._theirs.stretches(text) or [(0, len(text))]
        scores = [self._theirs.scores(text[start:end]) for start, end in stretches]
        if self._labels.theme_names:
            themes = np.max([self._labels.themes(one) for one in scores], axis=0)
            encoded = replace(encoded, theme_probabilities=themes)
        if self._labels.sentiment_of:
            lengths = [end - start for start, end in stretches]
            sentiment = weighted_mean([self._labels.sentiment(one).tolist() for one in scores], lengths)
            encoded = replace(encoded, sentiment_probabilities=np.array(sentiment, dtype=np.float32))
        return encoded


def _modules() -> tuple[Any, Any]:
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        raise UsageError(
            f"{SETTING} needs {error.name or 'torch and transformers'}, which is not installed: install the extra "
            "`torch` (pip install 'heed[analysis,torch]'), or unset it to use the bundled model"
        ) from None


def _load(name: str, torch: Any, transformers: Any) -> tuple[Any, Any]:
    """The network and its tokenizer; code that comes with a model is never run."""
    folder = Path(name).expanduser()
    local = folder.is_dir()
    if not local and (folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1):
        raise UsageError(f"{SETTING}: there is no folder {name}; name one, or a model on the Hugging Face hub")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(folder) if local else name, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source, local_files_only=local)
        model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
            **source, local_files_only=local, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # noqa: BLE001 - transformers raises whatever the file, the network or the hub made it
        raise UsageError(
            f"{SETTING}: cannot load {name} ({type(error).__name__}); it must be a folder with config.json, weights "
            "and tokenizer.json, or a model on the Hugging Face hub that this machine can reach"
        ) from None
    if unfit := _unfit(model.config, tokenizer, report["missing_keys"]):
        raise UsageError(f"{SETTING}: {name} {unfit}; name a sequence-classification model that is trained for this")
    return model, tokenizer


def _unfit(config: Any, tokenizer: Any, missing: Sequence[str]) -> str | None:
    """Why such a model cannot be used; None where it can."""
    if missing:
        return "lacks weights of its classifier, so that its answers would be chance"
    if config.problem_type == "regression":
        return "gives measures, not labels"
    if len(set(config.id2label.values())) < config.num_labels:
        return "gives two labels one name"
    if not tokenizer.is_fast:
        return "has no fast tokenizer (tokenizer.json), so that long texts cannot be cut for it"
    if _window(tokenizer, config) - tokenizer.num_special_tokens_to_add() < LEAST_ROOM:
        return f"has room for fewer than {LEAST_ROOM} tokens"
    return None


def _window(tokenizer: Any, config: Any) -> int:
    """Tokens that the model reads at once, special tokens included."""
    # Of the positions that a network of RoBERTa's kind has, it never uses two.
    positions = int(getattr(config, "max_position_embeddings", None) or WINDOW + 2) - 2
    return min(int(tokenizer.model_max_length), positions)


def _digest(model: Any) -> bytes:
    made_of = hashlib.blake2b(repr(sorted(model.config.id2label.items())).encode(), digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        made_of.update(name.encode())
        made_of.update(tensor.contiguous().numpy())
    return made_of.digest()
