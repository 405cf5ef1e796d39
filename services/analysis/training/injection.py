"""Puts invented names into real comments, so that the name head learns from text as patients write it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.analysis.training import word_lists
from services.analysis.training.names import NamePool, Rendered, render, slip

LAST_GLUE, INNER_GLUE = (" and ", " & ", ", ", "/", " + "), (", ", ",", " ")
SLOT = re.compile(r"\[\[?\s*(?:nick)?name[^\[\]]{0,12}(?:\[name\])?\]?\]", re.IGNORECASE)
"""The placeholder that the annotators left for a name."""
PLACEHOLDER = re.compile(r"\[[^\[\]]*\]")
WORD = re.compile(r"\b[A-Za-z]{3,}\b")
FIELD = re.compile(r"\{(\w+)\}")
ROLE = re.compile("\\b(?:" + "|".join(word_lists.ROLES) + ")\\b(?!['\u2019-])", re.IGNORECASE)
SUBJECT = re.compile(
    r"(?:(?<=^)|(?<=[.!?] ))(?:he|she|they)(?= (?:was|is|were|has|had|did|made|explained|came|took|listened|told)\b)",
    re.I,
)
OBJECT = re.compile(
    r"\b(?:him|the (?:lady|man|nurse|doctor|driver|consultant|therapist|receptionist|physio))\b(?= |[.,!?]|$)", re.I
)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A comment and the character spans of the name words in it."""

    text: str
    spans: tuple[tuple[int, int], ...] = ()
    same_meaning: bool = True
    """False where a sentence was added, so that the comment's own labels may no longer hold."""

    def replaced(self, start: int, end: int, piece: Rendered) -> Tagged:
        """The comment with text[start:end] (which holds no span) replaced by a rendered piece."""
        grown = len(piece.text) - (end - start)
        moved = [(a + grown, b + grown) if a >= end else (a, b) for a, b in self.spans]
        added = [(start + a, start + b) for a, b in piece.spans]
        text = self.text[:start] + piece.text + self.text[end:]
        return Tagged(text, tuple(sorted([*moved, *added])), self.same_meaning)

    def joined(self, piece: Rendered, *, before: bool, glue: str) -> Tagged:
        """The comment with a sentence before or after it."""
        at = 0 if before else len(self.text)
        text = piece.text + glue if before else glue + piece.text
        shift = 0 if before else len(glue)
        shifted = tuple((a + shift, b + shift) for a, b in piece.spans)
        whole = self.replaced(at, at, Rendered(text, shifted))
        return Tagged(whole.text, whole.spans, same_meaning=False)


@dataclass(slots=True)
class Injector:
    """Writes names into comments; every draw comes from `rng`, so that a seed fixes the outcome."""

    pool: NamePool
    rng: random.Random
    name_rate: float = 0.6
    negative_rate: float = 0.25
    slip_rate: float = 0.12

    def __call__(self, text: str) -> Tagged:
        """One variant of a comment: placeholders filled, then perhaps names, hard negatives, another case."""
        rng = self.rng
        comment = self._fill_slots(self._with_slips(Tagged(text)) if rng.random() < self.slip_rate else Tagged(text))
        if not comment.spans and rng.random() < self.name_rate:
            hooked = self._at_hook(comment) if rng.random() < 0.6 else comment
            comment = hooked if hooked.spans else self._with_sentence(comment, word_lists.NAME_SENTENCES)
        if rng.random() < self.negative_rate:
            comment = self._with_sentence(comment, word_lists.NEGATIVE_SENTENCES)
        return self._recased(comment)

    def names(self) -> Rendered:
        """One name, now and then two to four in a row."""
        rng = self.rng
        count = rng.choices((1, 2, 3, 4), (80, 14, 4, 2))[0]
        whole = Tagged("")
        for position in range(count):
            if position:
                glue = rng.choice(LAST_GLUE if position == count - 1 else INNER_GLUE)
                whole = whole.replaced(len(whole.text), len(whole.text), Rendered(glue, ()))
            whole = whole.replaced(len(whole.text), len(whole.text), render(self.pool.draw(rng), rng))
        return Rendered(whole.text, whole.spans)

    def _name(self) -> Rendered:
        return render(self.pool.draw(self.rng), self.rng)

    def _with_slips(self, comment: Tagged) -> Tagged:
        """Slips of the finger in one to three ordinary words, so that an unknown word is not taken for a name."""
        rng = self.rng
        inside = [match.span() for match in PLACEHOLDER.finditer(comment.text)]
        words = [match for match in WORD.finditer(comment.text) if not any(a <= match.start() < b for a, b in inside)]
        for match in sorted(rng.sample(words, min(len(words), rng.randint(1, 3))), key=lambda match: -match.start()):
            comment = comment.replaced(*match.span(), Rendered(slip(match.group(), rng), ()))
        return comment

    def _fill_slots(self, comment: Tagged) -> Tagged:
        """Names in place of the annotators' placeholders, from the last to the first."""
        for match in reversed(list(SLOT.finditer(comment.text))):
            comment = comment.replaced(*match.span(), self._name())
        return comment

    def _at_hook(self, comment: Tagged) -> Tagged:
        """A name after a role ("the nurse Mary") or in place of a pronoun or "the doctor"; unchanged without one."""
        rng = self.rng
        hooks = [(match, "role") for match in ROLE.finditer(comment.text)]
        hooks += [(match, "place") for match in [*SUBJECT.finditer(comment.text), *OBJECT.finditer(comment.text)]]
        if not hooks:
            return comment
        match, kind = rng.choice(hooks)
        if kind == "place":
            return comment.replaced(*match.span(), self.names())
        pattern = rng.choice((" {}", " {}", " {}", " ({})", ", {},", " called {}", " named {}", " - {} -", " {} "))
        lead, tail = pattern.split("{}")
        piece = self.names()
        spans = tuple((a + len(lead), b + len(lead)) for a, b in piece.spans)
        return comment.replaced(match.end(), match.end(), Rendered(lead + piece.text + tail, spans))

    def _with_sentence(self, comment: Tagged, sentences: Sequence[str]) -> Tagged:
        """The comment with one of the sentences before or after it; now and then the sentence alone."""
        rng = self.rng
        sentence = self._filled(rng.choice(sentences))
        if rng.random() < 0.15:
            return Tagged(sentence.text, sentence.spans, same_meaning=False)
        glue = rng.choice((" ", " ", ". ", ", ", "\n", " - ", ".", "  ", " and "))
        piece = Rendered(sentence.text, sentence.spans)
        return comment.joined(piece, before=rng.random() < 0.35, glue=glue)

    def _filled(self, sentence: str) -> Tagged:
        """A sentence with its fields filled; names are tagged, the rest is not."""
        filled = Tagged(sentence)
        for match in reversed(list(FIELD.finditer(sentence))):
            kind = match.group(1)
            if kind == "n":
                piece = self._name()
            elif kind == "ns":
                piece = self.names()
            else:
                piece = Rendered(self._negative(kind), ())
            filled = filled.replaced(*match.span(), piece)
        if self.rng.random() < 0.3:
            first = filled.text[0]
            swapped = first.lower() if first.isupper() else first.upper()
            filled = filled if any(a == 0 for a, _ in filled.spans) else Tagged(swapped + filled.text[1:], filled.spans)
        return filled

    def _negative(self, kind: str) -> str:
        """A hard negative; wards are sometimes named like people."""
        rng = self.rng
        if kind == "ward" and rng.random() < 0.4:
            name = self.pool.draw(rng)
            return rng.choice((name.first, name.last))
        return rng.choice(word_lists.FILLERS[kind])

    def _recased(self, comment: Tagged) -> Tagged:
        """Now and then the whole comment in lower, upper or title case, which never changes lengths here."""
        chance = self.rng.random()
        if chance < 0.10:
            text = comment.text.lower()
        elif chance < 0.15:
            text = comment.text.upper()
        elif chance < 0.18:
            text = comment.text.title()
        else:
            return comment
        return Tagged(text, comment.spans, comment.same_meaning) if len(text) == len(comment.text) else comment
