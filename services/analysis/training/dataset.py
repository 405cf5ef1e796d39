"""Reads and checks the labelled comments of `shared/data`; what is wrong is said in one line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

THEME_NAMES: tuple[str, ...] = (
    "Activities & access to fresh air",
    "Appointment arrangements",
    "Appointment method",
    "Being kept informed, clarity & consistency of information",
    "Cleanliness, tidiness & infection control",
    "Competence & training",
    "Contacting services",
    "Continuity of care",
    "Discharge",
    "Electronic entertainment",
    "Environment, facilities & equipment",
    "Feeling safe",
    "Food & drink provision & facilities",
    "Funding & use of financial resources",
    "Information directly from staff during care",
    "Information provision & guidance",
    "Interaction with family/ carers",
    "Mental Health Act",
    "Organisation & efficiency",
    "Pain management",
    "Parking",
    "Positive experience & gratitude",
    "Sensory experience",
    "Service location",
    "Staff listening, understanding & involving patients",
    "Staff manner & personal attributes",
    "Staffing levels & responsiveness",
    "Supplying & understanding medication",
    "Timeliness of care",
    "Transport to/ from services",
    "Unspecified communication",
)
"""The 31 categories of version 7 of the project's framework that occur in the data, in alphabetical order."""

QUESTION_TYPES = ("what_good", "could_improve", "nonspecific")
AREAS = (
    "Access",
    "Care received",
    "Communication",
    "Couldn't be improved",
    "Dignity",
    "Environment/ facilities",
    "Miscellaneous",
    "Staff",
    "Transition/coordination",
)
"""The nine older categories of `criticality.csv`, an auxiliary task only."""

SEVERE_AT = -4
"""A comment is severe where people rated its criticality at this or below (scale -5 to 5)."""

FOLDS = 5
FILES = FEEDBACK_FILE, CRITICALITY_FILE, NAME_CASES_FILE = "fft_train.csv", "criticality.csv", "redaction_open.jsonl"
WORD_LISTS = "contexts.yaml", "names.yaml"
CASE_KINDS = ("injected", "untouched", "realctx", "slot", "trap")
NAME_NOTES = ("g", "case", "form")
"""What is noted of each name of an evaluation comment: the card gives recall by these."""
MEASURED = frozenset({"untouched", "trap", "NAME"})
"""Kinds of evaluation comments and spans without which a figure of the card would be missing."""


class DataError(ValueError):
    """The data cannot be trained on; the message names the file, the row and the remedy."""


@dataclass(frozen=True, slots=True)
class Comment:
    """One labelled comment; what was not labelled is None."""

    text: str
    question_type: str
    themes: frozenset[int] | None = None
    """Indices into THEME_NAMES."""
    sentiment: int | None = None
    """0 (very positive) to 4 (very negative)."""
    criticality: int | None = None
    """-5 to 5."""
    area: int | None = None
    """Index into AREAS."""

    @property
    def severe(self) -> bool | None:
        """Whether the criticality counts as severe; None where it was not rated."""
        return None if self.criticality is None else self.criticality <= SEVERE_AT

    @property
    def fold(self) -> int:
        """0..4 by a hash of the letters and digits, so that near duplicates share a fold."""
        return int.from_bytes(hashlib.sha256(bare(self.text).encode()).digest()[:4], "big") % FOLDS


def bare(text: str) -> str:
    """Only the letters and digits, in lower case; the whole text where there are none."""
    return re.sub(r"[\W_]+", "", text.casefold()) or text


def _text(path: Path) -> str:
    """A file of the data, without the mark that some programs put before UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        message = f"{path} not found; give the folder of shared/data with --data"
        raise DataError(message) from error
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 (byte {error.start}); export it as UTF-8"
        raise DataError(message) from error


def _rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    """Rows of a CSV file that have at least these columns."""
    # Strict, since an open quotation mark would else take the rows after it into one comment.
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    rows = []
    try:
        missing = columns - set(reader.fieldnames or ())
        if missing:
            message = f"{path}: column(s) {', '.join(sorted(missing))} missing; is it the file of shared/data?"
            raise DataError(message)
        for number, row in enumerate(reader, start=2):
            if any(row[column] is None for column in columns):
                message = f"{path}, row {number}: too short; is a comma or a quotation mark missing?"
                raise DataError(message)
            rows.append(row)
    except csv.Error as error:
        message = f"{path}, near row {len(rows) + 2}: not CSV ({error}); is a quotation mark not closed or not doubled?"
        raise DataError(message) from error
    if not rows:
        message = f"{path} has no rows"
        raise DataError(message)
    return rows


def claim(work: Path, folder: Path, *how: object) -> None:
    """Note in a work folder what its networks are trained on and how.

    Args:
        work: where networks are kept, under names that tell no more than their fold and seed.
        folder: the training data.
        how: whatever else decides what is trained; told apart by its `repr`.

    Raises:
        DataError: it holds networks that were trained on other data or in another way, or on nobody knows what, and
            would be taken for these.
        OSError: a file could not be read or written.
    """
    digest = hashlib.sha256(repr(how).encode())
    for path in [*(folder / name for name in FILES), *(Path(__file__).with_name(name) for name in WORD_LISTS)]:
        digest.update(path.read_bytes())
    stamp, wanted = work / "trained-on.txt", digest.hexdigest().encode()
    remedy = f"remove {work}, or name another folder with --work"
    if not stamp.exists():
        if any(work.glob("*.pt")) or any(work.glob("*.npz")):
            raise DataError(f"{work} holds networks, but no {stamp.name} to tell what they were trained on: {remedy}")
        work.mkdir(parents=True, exist_ok=True)
        unfinished = stamp.with_suffix(".part")
        unfinished.write_bytes(wanted)
        unfinished.replace(stamp)  # whole or not at all: a full disk must not leave half a stamp
    found = stamp.read_bytes()
    if not re.fullmatch(rb"[0-9a-f]{64}", found):
        raise DataError(f"{stamp} is damaged, so nobody knows what the networks were trained on: {remedy}")
    if found != wanted:
        raise DataError(f"{work} holds networks of other data, folds or settings: {remedy}")


def load_feedback(folder: Path) -> list[Comment]:
    """The comments of `fft_train.csv`, with themes and (nearly always) sentiment.

    Raises:
        DataError: the file is not as expected, or a class of sentiment is too rare to learn.
        OSError: it could not be read.
    """
    path = folder / FEEDBACK_FILE
    known = {name: index for index, name in enumerate(THEME_NAMES)}
    comments = []
    for line, row in enumerate(_rows(path, {"text", "question_type", "sentiment", "themes"}), start=2):
        names = [name for name in row["themes"].split(";") if name]
        unknown = [name for name in names if name not in known]
        if unknown or row["question_type"] not in QUESTION_TYPES or row["sentiment"] not in {"", *"12345"}:
            message = f"{path}, row {line}: unknown theme, question type or sentiment; the framework may have changed"
            raise DataError(message)
        sentiment = int(row["sentiment"]) - 1 if row["sentiment"] else None
        themes = frozenset(known[name] for name in names)
        comments.append(Comment(row["text"].strip(), row["question_type"], themes, sentiment))
    folds = Counter(sentiment for sentiment, _ in {(comment.sentiment, comment.fold) for comment in comments})
    rare = [str(sentiment + 1) for sentiment in range(5) if folds[sentiment] < 2]
    if rare:  # each fold's models learn from the others alone
        message = (
            f"{path}: sentiment {', '.join(rare)} is not in two of the {FOLDS} folds; add different comments of it"
        )
        raise DataError(message)
    return comments


def load_criticality(folder: Path) -> tuple[list[Comment], int]:
    """The comments of `criticality.csv` and how many rows were left out because their rating is no number from -5 to 5.

    The file does not keep its questions: the question type is nonspecific throughout.

    Raises:
        DataError: the file is not as expected, or severity cannot be learnt from it.
        OSError: it could not be read.
    """
    path = folder / CRITICALITY_FILE
    ratings = {str(rating): rating for rating in range(-5, 6)}
    areas = {name: index for index, name in enumerate(AREAS)}
    comments, refused = [], 0
    for row in _rows(path, {"text", "criticality", "label"}):
        if row["criticality"] not in ratings or row["label"] not in areas or not row["text"].strip():
            refused += 1
            continue
        rating, area = ratings[row["criticality"]], areas[row["label"]]
        comments.append(Comment(row["text"].strip(), "nonspecific", criticality=rating, area=area))
    if refused > len(comments) // 20:
        message = f"{path}: {refused} rows have no usable rating or label; is it the file of shared/data?"
        raise DataError(message)
    if len({comment.severe for comment in comments}) < 2:
        message = f"{path}: severity needs comments rated {SEVERE_AT} or less, and others; add those that are missing"
        raise DataError(message)
    return comments, refused


@dataclass(frozen=True, slots=True)
class NameCase:
    """One evaluation comment of `redaction_open.jsonl`."""

    text: str
    kind: str
    """One of CASE_KINDS."""
    spans: tuple[tuple[int, int, str, dict[str, Any]], ...]


def load_name_cases(folder: Path) -> list[NameCase]:
    """The evaluation comments for names; never trained on.

    Raises:
        DataError: the file is not as expected, or lacks what the card's figures are made of.
        OSError: it could not be read.
    """
    path = folder / NAME_CASES_FILE
    cases = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            raw = json.loads(line)
            spans = tuple((index(a), index(b), str(kind), dict(about)) for a, b, kind, about in raw["spans"])
            case = NameCase(raw["text"], raw["set"], spans)
            fault = _fault(case)
        except (KeyError, TypeError, ValueError) as error:
            fault = type(error).__name__
        if fault:
            message = f"{path}, line {number}: not an evaluation comment ({fault}); is it the file of shared/data?"
            raise DataError(message)
        cases.append(case)
    lacking = MEASURED - {case.kind for case in cases} - {kind for case in cases for _, _, kind, _ in case.spans}
    if lacking:
        message = f"{path}: nothing of {', '.join(sorted(lacking))} to measure; is it the file of shared/data?"
        raise DataError(message)
    return cases


def _fault(case: NameCase) -> str | None:
    """Why an evaluation comment cannot be measured; None where it can."""
    if not isinstance(case.text, str):
        return "its text is no string"
    if case.kind not in CASE_KINDS:
        return f"its set is none of {', '.join(CASE_KINDS)}"
    for start, end, kind, about in case.spans:
        if not 0 <= start < end <= len(case.text):
            return "a span lies outside its text"
        if kind == "NAME" and not all(isinstance(about.get(note), str) for note in NAME_NOTES):
            return f"a NAME without {', '.join(NAME_NOTES)}"
    return None


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + 4]) for at in range(max(1, len(words) - 3))}


def unlike(texts: Iterable[str], cases: Iterable[NameCase]) -> list[bool]:
    """For each text whether it shares less than half of any evaluation comment's four-word runs.

    The evaluation comments were made from the same kind of sources; texts like them are left out of the name training,
    so that over-redaction is measured on comments whose tags were never seen.
    """
    runs: dict[tuple[str, ...], list[int]] = {}
    sizes = []
    for number, case in enumerate(cases):
        shingles = _shingles(case.text)
        sizes.append(len(shingles))
        for shingle in shingles:
            runs.setdefault(shingle, []).append(number)
    result = []
    for text in texts:
        hits = Counter(number for shingle in _shingles(text) for number in runs.get(shingle, ()))
        result.append(all(count * 2 < sizes[number] for number, count in hits.items()))
    return result
