"""The sizes that docs/sizing.md tells follow from the figures that it starts with."""

from __future__ import annotations

import re

import pytest

from shared.topics import DAY_MS, FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.unit.deployed_settings import settings_of
from tests.unit.deployment_files import ROOT

PAGE = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")
PER_SECOND = 273
MS = 7.3
"""Of two cores, Heed and its servers, a comment."""

SIZES = {"a trust": 0, "a region": 1, "all of England": 2}


def row(name: str) -> list[str]:
    found = re.search(rf"^\| {re.escape(name)} \| (.+) \|$", PAGE, re.MULTILINE)
    assert found is not None, name
    return found[1].split(" | ")


def number(text: str) -> float:
    found = re.search(r"[\d,]*\.?\d+", text)
    assert found is not None, text
    return float(found[0].replace(",", "")) * (1e6 if "million" in text else 1)


def bytes_of(where: str) -> float:
    return number(row(where)[0])


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> int:
    return SIZES[request.param]


def comments(size: int) -> float:
    return number(row("comments a year")[size])


def days(service: str, setting: str) -> float:
    found: float = settings_of(service).model_fields[setting].default
    return found


def kept_for_ever(size: int) -> float:
    """Bytes a year."""
    pages = bytes_of("`learning.page`, `portal.page`, `learning.period_counter`") * 12 * number(row("teams")[size])
    return comments(size) * bytes_of("`gateway.feedback`, `gateway.summarised`") + pages


def test_it_starts_with_what_was_measured() -> None:
    told = row("the whole pipeline: HTTP, PostgreSQL, broker, model, readings, pages")
    assert number(told[0]) == PER_SECOND
    assert f"{MS} ms at most" in told[1]
    assert pytest.approx(2_000 / PER_SECOND, abs=0.05) == MS


def test_core_hours(size: int) -> None:
    told = number(row("core-hours a year, Heed and servers")[size])
    assert told == pytest.approx(comments(size) * MS / 3.6e6, rel=0.05)


def test_a_month_at_once(size: int) -> None:
    seconds = [60, 13 * 60, 1.5 * 3600][size]
    assert row("a month's file through two cores")[size] == ["1 minute", "13 minutes", "1½ hours"][size]
    assert seconds == pytest.approx(comments(size) / 12 / PER_SECOND, rel=0.35)


def test_postgresqls_disk(size: int) -> None:
    words = min(days("learning", "reading_retention_days"), 400) / 365 * bytes_of("`learning.reading`")
    raw = days("gateway", "raw_retention_days") / 365 * bytes_of("`gateway.outbox`")
    first = comments(size) * (words + raw) + kept_for_ever(size)
    assert number(row("PostgreSQL's disk after the first year")[size]) == pytest.approx(first / 1e9, rel=0.1)
    assert number(row("and for each further year")[size]) == pytest.approx(kept_for_ever(size) / 1e9, rel=0.1)


def test_kafkas_disk_after_a_months_file(size: int) -> None:
    both = bytes_of("`feedback-submitted`, each replica") + bytes_of("`feedback-analysed`, each replica")
    told = number(row("Kafka's disk, each replica, after such a file")[size])
    assert told == pytest.approx(comments(size) / 12 * both / 1e9, rel=0.15)


def test_topics_keep_records_for_as_long_as_is_told() -> None:
    for topic in (FEEDBACK_SUBMITTED, FEEDBACK_ANALYSED):
        assert topic.retention_ms is not None
        assert row(f"`{topic.name}`, each replica")[1] == f"{topic.retention_ms // DAY_MS} days"
    words = {6: "Six", 12: "Twelve"}[FEEDBACK_SUBMITTED.partitions]
    assert f"{words} of `feedback-submitted`" in " ".join(PAGE.split())
