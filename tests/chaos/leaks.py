"""Looks for what was planted wherever it must not be. Pure, but for reading log files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.topics import DEAD_LETTERS, FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, LEARNING_SUMMARIES
from tests.chaos.submissions import IDENTIFIERS, PLANTED, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.chaos.ledger import Ledger
    from tests.chaos.observed import Observed
    from tests.chaos.verdict import Verdict

RAW = {FEEDBACK_SUBMITTED.name, DEAD_LETTERS["analysis"].name}
"""Topics whose values may hold a patient's own words: what comes before redaction, and what its reader refused."""

_LOGGER = re.compile(r'"logger": "[\w.]*"')

REDACTED = {FEEDBACK_ANALYSED.name, LEARNING_SUMMARIES.name, *(topic.name for topic in DEAD_LETTERS.values())}
"""Topics whose values may hold redacted words; teams' own topics may, too."""


def check_leaks(ledger: Ledger, observed: Observed, logs: Iterable[Path], verdict: Verdict) -> None:
    """Search every record, every row and every log."""
    _check_records(observed, verdict)
    _check_newest_pages(ledger, observed, verdict)
    _check_tables(ledger, observed, verdict)
    for path in logs:
        _check_log(path, verdict)


def _check_records(observed: Observed, verdict: Verdict) -> None:
    for topic, records in observed.records.items():
        holds_words = topic in REDACTED or topic.startswith("team-")
        for record in records:
            place = f"{topic}/{record.partition}/{record.offset}"
            frame = _text(record.key) + " ".join(name + _text(value) for name, value in record.headers)
            if TRACES.search(frame) or IDENTIFIERS.search(frame):
                verdict.leaked(f"{place}: key or headers")
            if topic in RAW:
                continue
            value = _text(record.value)
            if IDENTIFIERS.search(value):
                verdict.leaked(f"{place}: an identifier")
            if not holds_words and TRACES.search(value):
                verdict.leaked(f"{place}: words")


def _check_newest_pages(ledger: Ledger, observed: Observed, verdict: Verdict) -> None:
    """Topics of pages are compacted: in the end the newest record of each key alone is there."""
    gone = ledger.withdrawn_sentences()
    for topic, records in observed.records.items():
        if topic != LEARNING_SUMMARIES.name and not topic.startswith("team-"):
            continue
        newest = {(record.partition, record.key): record for record in records}
        for record in newest.values():
            if _sentences(_text(record.value)) & gone:
                verdict.leaked(f"{topic}/{record.partition}/{record.offset}: a page quotes what was withdrawn")


def _check_tables(ledger: Ledger, observed: Observed, verdict: Verdict) -> None:
    gone = ledger.withdrawn_sentences()
    for table, rows in observed.tables.items():
        for row in rows:
            if IDENTIFIERS.search(row):
                verdict.leaked(f"{table}: an identifier")
            if table.startswith("gateway.") and TRACES.search(row):
                verdict.leaked(f"{table}: words")
            if _sentences(row) & gone:
                verdict.leaked(f"{table}: what was withdrawn")


def _check_log(path: Path, verdict: Verdict) -> None:
    with path.open(encoding="utf-8", errors="replace") as log:
        for number, line in enumerate(log, start=1):
            if TRACES.search(line) or IDENTIFIERS.search(line):
                verdict.leaked(f"{path.name}:{number} {''.join(_LOGGER.findall(line)[:1])}")


def _sentences(text: str) -> set[str]:
    return {found.lower() for found in PLANTED.findall(text)}


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
