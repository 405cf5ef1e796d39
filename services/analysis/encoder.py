"""The transformer, as the service runs it: one pass gives themes, sentiment, severity and name tokens.

The artefact in `services/analysis/model/` is written by `services.analysis.training`; this module only reads it. It
needs numpy, tokenizers and OpenVINO, no torch. The same text gets the same answers, whatever batch it came in, but for
a last digit with AVX2 alone (decision 7): nothing is quantised dynamically, and a text is always padded to the same
length (see tests/unit/test_encoder.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from services.analysis.given_names import CERTAIN_NAMES
from services.analysis.network import (
    ModelError,
    Network,
    computes_bf16,
    full_count,
    pad,
    padded_count,
    padded_length,
    token_batches,
)
from services.analysis.word_model import WordModel

MODEL_FOLDER = Path(__file__).parent / "model"
MODEL_FILES = ("tokenizer.json", "words.npz", "names.txt", "network.xml", "network.bin")
"""Beside `model.json`, which has the SHA-256 of each: a network with some wrong bits still computes, but nonsense."""

# A word is a run of letters, digits and marks, with inner apostrophes and hyphens ("O'Brien", "Anne-Marie") but without
# a possessive 's. Combining marks and zero-width characters stay inside, so that they cannot hide half of a name.
_LETTER = "[^\\W_\u0300-\u036f]"
_MARK = "[\u0300-\u036f\u200b-\u200d\u2060\ufeff\u00ad]"
WORD = re.compile(
    f"{_LETTER}(?:{_LETTER}|{_MARK})*(?:['\u2019\u02bc\u2010\u2011-](?![sS]\\b){_LETTER}(?:{_LETTER}|{_MARK})*)*"
)
_ASCII_WORD = re.compile("[A-Za-z0-9]+(?:['-](?![sS]\\b)[A-Za-z0-9]+)*")
"""The same in a text of ASCII alone, in half the time."""

# What the network is told about the case of a word, since its tokenizer lower-cases everything.
CASE_OTHER, CASE_LOWER, CASE_CAPITAL, CASE_UPPER = range(4)


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the network says about one text."""

    theme_probabilities: NDArray[np.float32]
    """One independent probability per theme, in the order of `Encoder.theme_names`."""
    sentiment_probabilities: NDArray[np.float32]
    """Five classes that sum to 1, from 1 (very positive) to 5 (very negative)."""
    severity: float
    """Probability 0..1 that people would rate the comment's criticality -4 or worse."""
    name_tokens: list[tuple[int, int, float]]
    """(start, end, P(name)) for each word with P >= `NAME_FLOOR`, as character offsets in the given text, in order."""


NAME_FLOOR = 0.005
LONGEST_WORD = 64
SHORTEST_POSSESSIVE = 4
"""Letters of a name that is known by its possessive without an apostrophe, too."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The part of `model.json` that callers decide with."""

    version: str
    theme_names: tuple[str, ...]
    theme_thresholds: NDArray[np.float32]
    name_threshold: float
    severity_threshold: float
    max_tokens: int
    prefixes: dict[str, str]
    sha256: dict[str, str]
    """Of each of `MODEL_FILES`, in hexadecimal."""

    @classmethod
    def load(cls, folder: Path) -> ModelInfo:
        """Reads `model.json`; raises `ModelError` with one line where it is absent or incomplete."""
        path = folder / "model.json"
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                version=str(raw["version"]),
                theme_names=tuple(raw["theme_names"]),
                theme_thresholds=np.asarray(raw["theme_thresholds"], dtype=np.float32),
                name_threshold=float(raw["name_threshold"]),
                severity_threshold=float(raw["severity_threshold"]),
                max_tokens=int(raw["max_tokens"]),
                prefixes=dict(raw["prefixes"]),
                sha256={name: raw["sha256"][name] for name in MODEL_FILES},
            )
        except FileNotFoundError as error:
            message = (
                f"no model in {folder}: {path.name} is missing; run `make train` or restore it from the repository"
            )
            raise ModelError(message) from error
        except (KeyError, OSError, OverflowError, RecursionError, TypeError, ValueError) as error:
            message = (
                f"{path} is not a model description of this version ({type(error).__name__}: {error}); "
                "restore it from the repository"
            )
            raise ModelError(message) from error

    def check_files(self, folder: Path) -> None:
        """Raises `ModelError` with one line where a file of the model is missing or is not the one it was made with."""
        for name, digest in self.sha256.items():
            if sha256_of(folder / name) != digest:
                message = f"no model in {folder}: {name} is missing or damaged; restore it from the repository"
                raise ModelError(message)


def sha256_of(path: Path) -> str | None:
    """The file's digest in hexadecimal; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def word_case(word: str) -> int:
    """The case class of one word: other (no cased letter), lower, Capital or UPPER (two or more letters)."""
    if word.isascii() and word.islower():  # most words
        return CASE_LOWER
    if not any(character.isalpha() for character in word) or word.lower() == word.upper():
        return CASE_OTHER
    if word.isupper() and len(word) > 1:
        return CASE_UPPER
    return CASE_CAPITAL if word[0].isupper() else CASE_LOWER


def words_of(text: str) -> list[tuple[int, int]]:
    """Character spans of the words of a text, in order."""
    return [match.span() for match in (_ASCII_WORD if text.isascii() else WORD).finditer(text)]


def token_words(words: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each token the index of the first word that it overlaps, or -1 (punctuation); both sequences are in order."""
    found, at = [], 0
    for start, end in offsets:
        while at < len(words) and words[at][1] <= start:
            at += 1
        found.append(at if at < len(words) and words[at][0] < end else -1)
    return found


@dataclass(frozen=True, slots=True)
class TokenisedText:
    """One text as the network reads it: [CLS] prefix [SEP] text [SEP]; training builds its inputs with this too."""

    ids: list[int]
    cases: list[int]
    """Case class of each token's word, given to the network as token_type_ids."""
    words: list[tuple[int, int]]
    token_words: list[int]
    """Index into `words` for each text token (those between the two [SEP]), or -1."""
    lead: int
    """How many tokens stand before the first text token."""


def assemble(
    text: str, encoding: Encoding, prefix_ids: Sequence[int], special: tuple[int, int], limit: int
) -> TokenisedText:
    """Puts a tokenised text between the special tokens and cuts it to `limit` tokens in all."""
    start, end = special
    lead = [start, *prefix_ids, end]
    room = limit - len(lead) - 1
    ids, offsets = encoding.ids[:room], encoding.offsets[:room]
    words = words_of(text[: offsets[-1][1] + LONGEST_WORD]) if offsets else []
    owners = token_words(words, offsets)
    word_cases = [word_case(text[first:last]) for first, last in words]
    cases = (
        [CASE_OTHER] * len(lead) + [word_cases[owner] if owner >= 0 else CASE_OTHER for owner in owners] + [CASE_OTHER]
    )
    return TokenisedText([*lead, *ids, end], cases, words, owners, len(lead))


class TextTokeniser:
    """Turns texts and question types into network inputs, one thread at a time; the training code uses it too."""

    def __init__(self, tokenizer: Tokenizer, prefixes: dict[str, str], max_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        start, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        if start is None or end is None:
            message = "the tokenizer has no [CLS] and [SEP]: it is not the one of this model"
            raise ModelError(message)
        self._special = (start, end)
        self.prefix_ids = {
            kind: list(tokenizer.encode(prefix, add_special_tokens=False).ids) for kind, prefix in prefixes.items()
        }
        self.max_tokens = max_tokens
        self._measured: dict[str, Encoding] = {}  # of texts that fit in a window: the next call need not look again

    def __call__(self, texts: Sequence[str], question_types: Sequence[str]) -> list[TokenisedText]:
        """One `TokenisedText` per text; an unknown question type is read as `nonspecific`."""
        if len(texts) != len(question_types):
            message = f"{len(texts)} texts but {len(question_types)} question types"
            raise ValueError(message)
        encodings = self._encodings(texts)
        fallback = self.prefix_ids["nonspecific"]
        return [
            assemble(text, encoding, self.prefix_ids.get(kind, fallback), self._special, self.max_tokens)
            for text, kind, encoding in zip(texts, question_types, encodings, strict=True)
        ]

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        known, self._measured = self._measured, {}
        unknown = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(unknown, self._tokenizer.encode_batch(unknown, add_special_tokens=False), strict=True))
        return [known[text] for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of a text, uncut, for callers that cut long texts into segments."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        if len(encoding.ids) <= self.max_tokens:
            self._measured[text] = encoding
        offsets: list[tuple[int, int]] = encoding.offsets
        return offsets

    def room(self) -> int:
        """How many text tokens fit in the window whatever the question type."""
        return self.max_tokens - max(len(ids) for ids in self.prefix_ids.values()) - 3


def _known_names(path: Path) -> frozenset[str]:
    names = CERTAIN_NAMES | frozenset(path.read_text(encoding="utf-8").split())
    return names | {f"{name}s" for name in names if len(name) >= SHORTEST_POSSESSIVE}


class Encoder:
    """The network and its tokeniser. Build it once; may be called from one thread at a time."""

    def __init__(
        self, folder: Path | None = None, threads: int | None = None, token_budget: int = 2048, precision: str = "auto"
    ) -> None:
        """Loads and compiles the model.

        Args:
            folder: where `model.json`, `tokenizer.json` and the network lie; the bundled model by default.
            threads: CPU threads of the network; all cores by default.
            token_budget: most tokens (padding included, empty rows apart) in one pass; bounds memory.
            precision: `f32`, `bf16`, or `auto`: bf16 where the processor computes in it (1.7 times the speed; less
                than one comment in a thousand gets another theme or sentiment than in f32), f32 elsewhere.
        """
        folder = folder or MODEL_FOLDER
        self.info = ModelInfo.load(folder)
        self._budget = max(token_budget, self.info.max_tokens)
        self.info.check_files(folder)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokeniser = TextTokeniser(tokenizer, self.info.prefixes, self.info.max_tokens)
        self._words = WordModel.load(folder / "words.npz")
        self.known_names = _known_names(folder / "names.txt")
        """The gazetteer: names of many origins in lower case, without diacritics and without those that comments use
        as words; the longer ones with an "s", too, as the apostrophe of "sarahs" is often left out."""
        self._network = _network(folder / "network.xml", threads or os.cpu_count() or 1, precision)
        self._pool = ThreadPoolExecutor(self._network.calls, thread_name_prefix="network")

    @property
    def version(self) -> str:
        """Version of the model, as events carry it."""
        return self.info.version

    @property
    def theme_names(self) -> tuple[str, ...]:
        """Theme names in the order of `Encoded.theme_probabilities`."""
        return self.info.theme_names

    @property
    def theme_thresholds(self) -> NDArray[np.float32]:
        """One decision threshold per theme; a theme is given where its probability is at or above it."""
        return self.info.theme_thresholds

    @property
    def name_threshold(self) -> float:
        """A word is redacted where P(name) is at or above this."""
        return self.info.name_threshold

    @property
    def severity_threshold(self) -> float:
        """A severity at or above this is a top score for the urgent route."""
        return self.info.severity_threshold

    def begin(self, texts: Sequence[str], question_types: Sequence[str]) -> Iterator[tuple[list[int], list[Encoded]]]:
        """Starts length-bucketed passes and returns at once; longer texts than the window are cut to it.

        Returns:
            What waits for each pass and gives the indices of its texts and what the network says of them; it raises
            what the pass raised. Passes that nobody waits for any more are not begun.
        """
        tokenised = self.tokeniser(texts, question_types)
        batches = token_batches([len(item.ids) for item in tokenised], self._budget, full_count)
        passes = [self._pool.submit(self._pass, [tokenised[index] for index in batch]) for batch in batches]
        return _given(batches, passes)

    def run(self, texts: Sequence[str], question_types: Sequence[str]) -> list[Encoded]:
        """Reads texts: `begin`, waited for, in input order."""
        found = {
            index: one
            for batch, encoded in self.begin(texts, question_types)
            for index, one in zip(batch, encoded, strict=True)
        }
        return [found[index] for index in range(len(texts))]

    def _pass(self, items: Sequence[TokenisedText]) -> list[Encoded]:
        """One network call over texts of about one length."""
        width, rows = padded_length(max(len(item.ids) for item in items)), padded_count(len(items))
        themes, sentiment, severity, names = (
            answer[: len(items)] for answer in self._network(*pad(items, width, rows))
        )
        if not all(np.isfinite(answer).all() for answer in (themes, sentiment, severity, names)):
            message = "the network gave a value that is no number"
            raise ValueError(message)
        word_themes, word_sentiment = self._words(items)
        themes, sentiment = self._words.mixed(themes, word_themes), self._words.mixed(sentiment, word_sentiment)
        return [
            Encoded(themes[row], sentiment[row], float(severity[row]), name_words(item, names[row]))
            for row, item in enumerate(items)
        ]


def _given(
    batches: Sequence[list[int]], passes: Sequence[Future[list[Encoded]]]
) -> Iterator[tuple[list[int], list[Encoded]]]:
    """Pass by pass; where one raises or nobody wants the rest, as when the service stops, the others are not begun."""
    try:
        for batch, done in zip(batches, passes, strict=True):
            yield batch, done.result()
    finally:
        for one in passes:
            one.cancel()


def _network(path: Path, threads: int, precision: str) -> Network:
    if precision == "bf16" and not computes_bf16():
        message = "this processor does not compute in bf16: set HEED_ANALYSIS_PRECISION to auto or f32"
        raise ModelError(message)
    try:
        return Network(path, threads, precision)
    except RuntimeError as error:  # OpenVINO's, of many lines
        message = f"OpenVINO cannot compile {path} for this processor"
        raise ModelError(message) from error


def name_words(item: TokenisedText, probabilities: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """The words with P(name) at or above the floor; a word's probability is that of its most name-like token."""
    best: dict[int, float] = {}
    tokens = probabilities[item.lead : item.lead + len(item.token_words)]
    for position in np.flatnonzero(tokens >= NAME_FLOOR):
        word = item.token_words[position]
        if word >= 0:
            best[word] = max(best.get(word, 0.0), float(tokens[position]))
    return [(*item.words[word], best[word]) for word in sorted(best)]
