"""Reads a batch of raw submissions: urgent check, redaction, sentiment, themes, severity, in one pass of the encoder.

Deterministic: the same submission gets the same reading. Holds no state between batches and keeps no words.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.analysis.allow_list import AllowList
from services.analysis.language import is_english_or_unknown, language_of
from services.analysis.normalised import Normalised, normalise
from services.analysis.patterns import Span
from services.analysis.quotes import quotable
from services.analysis.redaction import NameToken, Redacted, Redactor
from services.analysis.segments import Cue, Spoken, cut, seams, sentences, weighted_mean
from services.analysis.urgent import Lexicon, urgent_reasons
from services.analysis.words import words_of

log = logging.getLogger(__name__)

CHUNK = 1024
"""Texts that the network gets together: of many, more have one length and are computed more cheaply."""
GROUP = 64
"""Results that are given together."""
SEAM = 120
"""Characters on either side of a cut amid a sentence that are read once more for names."""

DECIMALS = 4
"""Of every published probability."""


class EncodedText(Protocol):
    """What the encoder says of one text; see `services.analysis.encoder.Encoded`."""

    @property
    def theme_probabilities(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def sentiment_probabilities(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def severity(self) -> float: ...  # noqa: D102
    @property
    def name_tokens(self) -> list[NameToken]: ...  # noqa: D102


class WindowTokeniser(Protocol):
    """What cutting a long text needs of the tokeniser."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token."""

    def room(self) -> int:
        """Tokens of text that fit in one window."""


class TextEncoder(Protocol):
    """The model, as the reader needs it; see `services.analysis.encoder.Encoder`."""

    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def theme_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def theme_thresholds(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def name_threshold(self) -> float: ...  # noqa: D102
    @property
    def severity_threshold(self) -> float: ...  # noqa: D102
    @property
    def known_names(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def tokeniser(self) -> WindowTokeniser: ...  # noqa: D102
    def begin(
        self, texts: Sequence[str], question_types: Sequence[str]
    ) -> Iterator[tuple[Sequence[int], Sequence[EncodedText]]]:
        """Starts; what it returns waits and gives, pass by pass, which texts these are and what it says of them."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be read."""

    id: str
    text: str = ""
    cues: tuple[Cue, ...] = ()
    question_type: str = "nonspecific"
    consent_to_quote: bool = False
    age_band: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Impression:
    """Sentiment and themes of a stretch or of the whole."""

    label: int
    """1 very positive … 5 very negative: the likeliest, the more positive one of equals."""
    probabilities: tuple[float, ...]
    themes: tuple[tuple[str, float], ...]
    """Name and probability of each theme at or above its threshold, in the model's order."""


@dataclass(frozen=True, slots=True)
class ReadSegment:
    """A redacted stretch with its own impression; seconds only where it was spoken."""

    text: str
    impression: Impression
    start_seconds: float | None
    end_seconds: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one submission; holds no name or identifier that was found."""

    id: str
    segments: tuple[ReadSegment, ...]
    impression: Impression | None
    """None where nothing was said: empty text, a recording without a transcript."""
    severity: float
    urgent: tuple[str, ...]
    """Reasons for a person to look at it today; empty where there is none."""
    quote_ok: bool
    redacted_text: str
    redactions: tuple[Span, ...]
    """In offsets of the text; of a recording, in those of `Spoken.text`."""
    counts: dict[str, int]
    language: str | None
    model_version: str


@dataclass(frozen=True, slots=True)
class UnreadableText:
    """The model or a rule failed on this submission alone."""

    id: str
    error: str
    """Class of the exception."""


_Asked = tuple[str, str]
"""A stretch of text and its question type: what the encoder's answer depends on."""

_Placed = tuple[int, Submission]
"""A submission and its place in the batch."""

Result = tuple[int, Reading | UnreadableText]
"""The place of a submission in the batch, and what was read of it."""


@dataclass(slots=True)
class _Prepared:
    place: int
    submission: Submission
    spoken: Spoken
    plain: Normalised
    words: frozenset[str]
    pieces: list[tuple[int, int]]
    sentences: list[tuple[int, int]]
    """Of what was spoken; empty where nothing was."""
    seams: list[tuple[int, int]]
    """Between pieces: read once more for names."""
    asked: list[_Asked]
    """The pieces, then the sentences, then the seams."""
    missing: int
    """Answers that are still to come."""


class Reader:
    """Reads batches. One thread at a time."""

    def __init__(
        self,
        encoder: TextEncoder,
        allow_list: Iterable[str] = (),
        name_threshold: float | None = None,
        severity_threshold: float | None = None,
    ) -> None:
        """Wire the model to the rules.

        Args:
            encoder: the model.
            allow_list: ward and site names that are not people's, beside those of `allow_list.yaml`.
            name_threshold: P(name) from which a word is redacted; the model's own by default.
            severity_threshold: at or above it a submission is urgent; the model's own by default.
        """
        self._encoder = encoder
        threshold = encoder.name_threshold if name_threshold is None else name_threshold
        self._redactor = Redactor(threshold, AllowList(allow_list), encoder.known_names)
        self._lexicon = Lexicon()
        self._severity_threshold = encoder.severity_threshold if severity_threshold is None else severity_threshold
        self._thresholds = np.round(encoder.theme_thresholds.astype(np.float64), DECIMALS)

    @property
    def model_version(self) -> str:
        """As readings carry it."""
        return self._encoder.version

    def read(self, batch: Sequence[Submission]) -> list[Reading | UnreadableText]:
        """Read in order, one result each. A submission that makes the model raise fails alone."""
        found = dict(result for group in self.groups(batch) for result in group)
        return [found[place] for place in range(len(batch))]

    def groups(self, batch: Sequence[Submission]) -> Iterator[list[Result]]:
        """The results of `read`, `GROUP` by `GROUP`, in the order in which the network is done with the texts.

        The network is at other texts while the rules are at these. Not more than two chunks are in hand.
        """
        group: list[Result] = []
        for result in self._results(list(enumerate(batch))):
            group.append(result)
            if len(group) == GROUP:
                yield group
                group = []
        if group:
            yield group

    def _results(self, batch: Sequence[_Placed]) -> Iterator[Result]:
        waiting: Iterator[Result] = iter(())
        for at in range(0, len(batch), CHUNK):
            begun = self._begin(batch[at : at + CHUNK])
            yield from waiting
            waiting = begun
        yield from waiting

    def _begin(self, batch: Sequence[_Placed]) -> Iterator[Result]:
        """Start the network on texts; what it returns gives their readings."""
        try:
            prepared = [self._prepare(*placed) for placed in batch]
            answered = self._encode(prepared)
        except Exception as error:  # noqa: BLE001 - whatever a text does to the model, its neighbours must be read
            return self._apart(batch, error)
        return self._end(dict(batch), answered)

    def _end(self, unread: dict[int, Submission], answered: Iterator[_Answered]) -> Iterator[Result]:
        try:
            for item, scores in answered:
                reading = self._reading(item, scores)
                del unread[item.place]
                yield item.place, reading
        except Exception as error:  # noqa: BLE001 - see above
            yield from self._apart(list(unread.items()), error)

    def _apart(self, batch: Sequence[_Placed], error: Exception) -> Iterator[Result]:
        """Halves of a batch that raised, and halves of them, until the culprit stands alone."""
        if len(batch) < 2:  # none, where what comes after the last text fails
            for place, culprit in batch:
                log.warning("a text cannot be read: %s", type(error).__name__)
                yield place, UnreadableText(culprit.id, type(error).__name__)
            return
        middle = len(batch) // 2
        yield from self._begin(batch[:middle])
        yield from self._begin(batch[middle:])

    def _prepare(self, place: int, submission: Submission) -> _Prepared:
        spoken = Spoken.of(submission.text, submission.cues)
        plain = normalise(spoken.text)
        tokeniser = self._encoder.tokeniser
        pieces = cut(plain.text, tokeniser.room(), tokeniser.token_offsets)
        said = sentences(plain.text, pieces, [plain.offset(start) for start in spoken.starts]) if spoken.cues else []
        between = seams(plain.text, pieces, min(SEAM, tokeniser.room() // 2))
        asked = [(plain.text[start:end], submission.question_type) for start, end in [*pieces, *said, *between]]
        return _Prepared(
            place, submission, spoken, plain, words_of(plain.text), pieces, said, between, asked, len(asked)
        )

    def _encode(self, prepared: Sequence[_Prepared]) -> Iterator[_Answered]:
        """Start; what it returns gives each submission as soon as it has all its answers.

        What is asked twice, as "Nothing." is, is read once.
        """
        askers: dict[_Asked, list[_Prepared]] = {}
        for item in prepared:
            for one in item.asked:
                askers.setdefault(one, []).append(item)
        asked = list(askers)
        passes = self._encoder.begin([text for text, _ in asked], [kind for _, kind in asked]) if asked else iter(())

        def answered() -> Iterator[_Answered]:
            yield from ((item, []) for item in prepared if not item.asked)
            found: dict[_Asked, _Scores] = {}
            for rows, results in passes:
                for row, scores in zip(rows, self._scores(results), strict=True):
                    found[asked[row]] = scores
                    for item in askers[asked[row]]:
                        item.missing -= 1
                        if not item.missing:
                            yield item, [found[one] for one in item.asked]

        return answered()

    def _reading(self, item: _Prepared, answers: Sequence[_Scores]) -> Reading:
        submission, text, words = item.submission, item.plain.text, item.words
        scores, apart = answers[: len(item.pieces)], answers[len(item.pieces) :][: len(item.sentences)]
        names = _names(item.pieces, scores)
        if item.seams:
            names += _names(item.seams, answers[-len(item.seams) :])
            likeliest = {(start, end): probability for start, end, probability in sorted(names, key=itemgetter(2))}
            names = [(*span, likeliest[span]) for span in sorted(likeliest)]
        redacted = self._redactor.redact(item.plain, words, names)
        severity = max((score.severity for score in scores), default=0.0)
        reasons = urgent_reasons(
            self._lexicon.reasons(text, words), severity, self._severity_threshold, submission.age_band
        )
        language = language_of(text, words, submission.language)
        redacted_text = redacted.text()
        return Reading(
            id=submission.id,
            segments=_segments(item, redacted, redacted_text, scores, apart),
            impression=self._whole(item, scores),
            severity=severity,
            urgent=reasons,
            quote_ok=quotable(
                redacted,
                redacted_text,
                words,
                self._encoder.known_names,
                consent=submission.consent_to_quote,
                urgent=bool(reasons),
                english=is_english_or_unknown(language),
            ),
            redacted_text=redacted_text,
            redactions=redacted.spans,
            counts=redacted.counts,
            language=language,
            model_version=self._encoder.version,
        )

    def _whole(self, item: _Prepared, scores: Sequence[_Scores]) -> Impression | None:
        """Of several segments: mean sentiment by length, highest probability of each theme."""
        if not scores:
            return None
        if len(scores) == 1:
            return scores[0].impression
        lengths = [end - start for start, end in item.pieces]
        mean = weighted_mean([score.impression.probabilities for score in scores], lengths)
        sentiment = [round(value, DECIMALS) for value in mean]
        best: dict[str, float] = {}
        for score in scores:
            for name, probability in score.impression.themes:
                best[name] = max(probability, best.get(name, 0.0))
        themes = tuple((name, best[name]) for name in self._encoder.theme_names if name in best)
        return Impression(_likeliest(sentiment), tuple(sentiment), themes)

    def _scores(self, results: Sequence[EncodedText]) -> list[_Scores]:
        """Round and decide for a whole batch at once: NumPy's cost per call is that of a comment's other rules."""
        themes = _rounded([result.theme_probabilities for result in results])
        sentiments = _rounded([result.sentiment_probabilities for result in results]).tolist()
        found: list[list[tuple[str, float]]] = [[] for _ in results]
        rows, columns = np.nonzero(themes >= self._thresholds)
        for row, column, probability in zip(
            rows.tolist(), columns.tolist(), themes[rows, columns].tolist(), strict=True
        ):
            found[row].append((self._encoder.theme_names[column], probability))
        return [
            _Scores(
                Impression(_likeliest(sentiment), tuple(sentiment), tuple(theme)),
                round(min(1.0, max(0.0, float(result.severity))), DECIMALS),
                result.name_tokens,
            )
            for theme, sentiment, result in zip(found, sentiments, results, strict=True)
        ]


@dataclass(slots=True)
class _Scores:
    """What the model says of one stretch, rounded: what is decided on is what is published."""

    impression: Impression
    severity: float
    names: list[NameToken]


_Answered = tuple[_Prepared, list[_Scores]]


def _names(stretches: Sequence[tuple[int, int]], scores: Sequence[_Scores]) -> list[NameToken]:
    """In offsets of the whole text."""
    return [
        (start + first, start + last, probability)
        for (start, _), score in zip(stretches, scores, strict=True)
        for first, last, probability in score.names
    ]


def _segments(
    item: _Prepared, redacted: Redacted, redacted_text: str, scores: Sequence[_Scores], apart: Sequence[_Scores]
) -> tuple[ReadSegment, ...]:
    if len(scores) == 1 and not item.spoken.cues:
        return (ReadSegment(redacted_text, scores[0].impression, None, None),)
    segments = []
    stretches = zip(item.sentences, apart, strict=True) if apart else zip(item.pieces, scores, strict=True)
    for (start, end), score in stretches:
        said = item.plain.text[start:end]
        first, last = item.plain.position(start), item.plain.position(end)
        # The blanks around it may be another cue's.
        times = item.spoken.times(*item.plain.span(start + len(said) - len(said.lstrip()), start + len(said.rstrip())))
        segments.append(ReadSegment(redacted.text(first, last).strip(), score.impression, *times))
    return tuple(segments)


def _likeliest(sentiment: list[float]) -> int:
    return sentiment.index(max(sentiment)) + 1


def _rounded(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    stacked = np.stack(rows).astype(np.float64)
    if not np.isfinite(stacked).all():
        raise ValueError("the model gave a value that is not a number")
    return np.clip(stacked, 0.0, 1.0).round(DECIMALS)
