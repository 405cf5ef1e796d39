from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml

from deploy.sample import CATALOGUE, MONTHS, sample
from deploy.sample.sentences import authored
from services.gateway.submission import read_submission

TODAY = date(2026, 11, 22)
ITEMS = list(sample(TODAY))


def words(item: dict[str, Any]) -> str:
    return " ".join([item.get("text", ""), *(segment["text"] for segment in item.get("transcript", []))])


def month(item: dict[str, Any]) -> str:
    return str(item["occurred_at"])[:7]


def of_team(service: str) -> list[dict[str, Any]]:
    return [item for item in ITEMS if item["about"]["service"] == service]


def waiting_share(items: list[dict[str, Any]]) -> float:
    starts = [sentence[:18].lower() for sentence in authored()["emergency"]["waiting"]["concern"]]
    return sum(any(start in words(item).lower() for start in starts) for item in items) / len(items)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    return [text for part in value for text in strings(part)] if isinstance(value, list) else [str(value)]


def test_the_same_seed_and_month_give_the_same_sample() -> None:
    assert list(sample(date(2026, 11, 1))) == ITEMS
    assert list(sample(TODAY, seed=2)) != ITEMS


def test_the_gateway_takes_every_item() -> None:
    for item in ITEMS:
        read_submission(json.dumps(item).encode(), datetime(2026, 11, 22, tzinfo=UTC))


def test_size_and_kinds() -> None:
    assert 1_400 <= len(ITEMS) <= 1_600
    kinds = Counter(item["kind"] for item in ITEMS)
    assert min(kinds[kind] for kind in ("comment", "social_post", "video")) >= 40


def test_ids_are_unique() -> None:
    assert len({item["source_id"] for item in ITEMS}) == len(ITEMS)


@pytest.mark.parametrize("today", [TODAY, date(2026, 1, 31), date(2024, 3, 1)])
def test_eighteen_full_months_end_before_this_month(today: date) -> None:
    months = sorted({month(item) for item in sample(today)})
    assert len(months) == MONTHS
    last = date(int(months[-1][:4]), int(months[-1][5:]), 1)
    assert (today.year * 12 + today.month) - (last.year * 12 + last.month) == 1


def test_every_item_belongs_to_a_team_of_the_catalogue() -> None:
    teams = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["teams"]
    places = {(rule["organisation"], rule["service"]) for team in teams for rule in team["match"]}
    assert {(item["about"]["organisation"], item["about"]["service"]) for item in ITEMS} == places
    assert [team["id"] for team in teams] == ["riverside-emergency", "harbour-maternity", "moorland-community-mh"]


def test_waiting_in_the_emergency_department_improves_from_month_eleven() -> None:
    months = sorted({month(item) for item in ITEMS})
    items = of_team("Emergency department")
    before = waiting_share([item for item in items if month(item) < months[10]])
    after = waiting_share([item for item in items if month(item) >= months[10]])
    assert before > 0.4
    assert after < 0.25


def test_one_small_team_has_some_months_below_ten_responses() -> None:
    by_month = Counter(month(item) for item in of_team("Community mental health"))
    assert sorted(count for count in by_month.values() if count < 10) == [5, 6, 7, 8]
    for service in ("Emergency department", "Maternity"):
        assert min(Counter(month(item) for item in of_team(service)).values()) >= 20


def test_a_handful_is_urgent_and_never_to_be_quoted() -> None:
    urgent = {text for texts in authored()["urgent"].values() for text in texts}
    items = [item for item in ITEMS if item.get("text") in urgent]
    assert {item["text"] for item in items} == urgent
    assert all(item["rating"] == 5 and not item["consent"]["quote"] for item in items)


def test_ratings_go_with_the_words() -> None:
    praise = {text for name in ("any", "emergency", "maternity", "mentalhealth") for text in _tone(name, "praise")}
    unguided = [item for item in ITEMS if item["kind"] == "comment" and "question" not in item]
    praised = [item["rating"] for item in unguided if item["text"] in praise]
    assert len(praised) > 20
    assert max(praised) <= 2


def _tone(table: str, tone: str) -> list[str]:
    return [text for theme in authored()[table].values() for text in theme[tone]]


def test_something_to_redact() -> None:
    texts = [words(item) for item in ITEMS]
    names = authored()["names"]
    assert sum(any(name in text for name in names["surname"]) for text in texts) >= 20
    assert sum("@example.org" in text for text in texts) >= 5
    for pattern in (r"07700 900\d{3}\b", r"01632 960\d{3}\b", r"\b999 \d{3} \d{4}\b"):
        assert sum(bool(re.search(pattern, text)) for text in texts) >= 3


def test_numbers_come_from_reserved_ranges_only() -> None:
    for item in ITEMS:
        for number in re.findall(r"(?<!\d)\d[\d ]{8,}\d", words(item)):
            assert re.fullmatch(r"07700 900\d{3}|01632 960\d{3}|999 \d{3} \d{4}", number)


def test_nhs_numbers_pass_their_checksum() -> None:
    numbers = [n.replace(" ", "") for item in ITEMS for n in re.findall(r"\b999 \d{3} \d{4}\b", words(item))]
    for number in numbers:
        assert sum(int(digit) * weight for digit, weight in zip(number, range(10, 0, -1), strict=True)) % 11 == 0


def test_posts_have_authors_to_pseudonymise_and_films_have_transcripts() -> None:
    assert all(item["author_id"].startswith("@") for item in ITEMS if item["kind"] == "social_post")
    for item in ITEMS:
        if item["kind"] == "video":
            clock = [moment for part in item["transcript"] for moment in (part["start_seconds"], part["end_seconds"])]
            assert clock == sorted(clock)
            assert clock[-1] <= item["media"]["duration_seconds"]


def test_consent_to_quote_is_mostly_given_for_comments() -> None:
    given = [item["consent"]["quote"] for item in ITEMS if item["kind"] == "comment"]
    assert 0.75 < sum(given) / len(given) < 0.95


def test_enough_authored_sentences() -> None:
    tables = {name: table for name, table in authored().items() if name != "names"}
    assert len(set(strings(tables))) >= 150


def test_no_placeholder_is_left() -> None:
    assert not any("{" in words(item) for item in ITEMS)
