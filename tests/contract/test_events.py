from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.schema_changes import breaking_changes
from tests.contract.snapshots import GOLDEN, SCHEMAS, committed, events, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.events import Event


@pytest.mark.parametrize("event", events(), ids=lambda event: event.ce_type)
def test_the_golden_example_still_parses_and_says_the_same(event: type[Event]) -> None:
    golden = json.loads((GOLDEN / f"{event.ce_type}.json").read_text(encoding="utf-8"))
    assert json.loads(event.model_validate_json(json.dumps(golden)).model_dump_json(exclude_unset=True)) == golden


@pytest.mark.parametrize("event", events(), ids=lambda event: event.ce_type)
def test_the_committed_schema_is_the_models_own(event: type[Event]) -> None:
    assert breaking_changes(committed(event), schema(event)) == [], "needs a new event version"
    assert committed(event) == schema(event), "run python -m tests.contract.snapshots"


@pytest.mark.parametrize("event", events(), ids=lambda event: event.ce_type)
def test_an_unknown_field_of_a_newer_writer_is_ignored(event: type[Event]) -> None:
    golden = json.loads((GOLDEN / f"{event.ce_type}.json").read_text(encoding="utf-8"))
    assert event.model_validate({**golden, "added_next_year": 1}) == event.model_validate(golden)


def test_no_snapshot_is_an_orphan() -> None:
    known = {f"{event.ce_type}.json" for event in events()}
    assert {path.name for path in SCHEMAS.iterdir()} == known
    assert {path.name for path in GOLDEN.iterdir()} == known


def _without_text(changed: dict[str, Any]) -> None:
    del changed["properties"]["text"]


def _rating_is_text(changed: dict[str, Any]) -> None:
    changed["properties"]["rating"] = {"type": "string"}


def _language_required(changed: dict[str, Any]) -> None:
    changed["required"] = [*changed["required"], "language"]


def _kind_lost(changed: dict[str, Any]) -> None:
    changed["$defs"]["Kind"]["enum"] = ["comment"]


@pytest.mark.parametrize("change", [_without_text, _rating_is_text, _language_required, _kind_lost])
def test_a_breaking_change_is_seen(change: Callable[[dict[str, Any]], None]) -> None:
    old = next(schema(event) for event in events() if event.ce_type == "heed.feedback.submitted.v1")
    new = copy.deepcopy(old)
    change(new)
    assert len(breaking_changes(old, new)) == 1


def test_a_new_optional_field_breaks_nothing() -> None:
    old = schema(events()[0])
    new = copy.deepcopy(old)
    new["properties"]["added"] = {"type": "string", "default": ""}
    assert breaking_changes(old, new) == []
