"""A part is compared with the network alone as it was just before and just after."""

from __future__ import annotations

import subprocess
from collections import deque

import pytest

from tests.bench import __main__ as bench
from tests.bench.machine import machine
from tests.bench.measurement import Measurement, Report
from tests.bench.part import CEILING, MODULES, PARTS
from tests.bench.plan import QUICK, Plan
from tests.bench.table import Result


def result(rates: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> Result:
    """Of a run whose parts reach these items per second, one after the other."""
    left = {part: deque(found) for part, found in rates.items()}

    def measured(part: str, _: Plan) -> Report:
        return Report((Measurement(MODULES[part], rounds=(left[part].popleft(),)),))

    monkeypatch.setattr(bench, "_measured", measured)
    reports = bench._reports([part for part in PARTS if part in rates], QUICK)
    rows = tuple(row for report in reports for row in report.measurements)
    return Result(machine(), "made up", 1, 1, rows, None, ())


def test_a_machine_that_slows_down_changes_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"model": [1000.0], "reader": [900.0], "ceiling": [1000.0, 500.0], "topics": [600.0]}
    found = result(rates, monkeypatch)
    assert found.ratio("reader", "model") == 0.9
    assert found.ratio("topic_to_topic", "model") == 0.8
    assert found.rate("model") == 1000.0


def test_without_the_model_nothing_is_compared_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert result({"reader": [900.0]}, monkeypatch).ratio("reader", "model") is None


def test_a_ceiling_that_fails_costs_no_other_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", failing)
    (row,) = bench._measured(CEILING, QUICK).measurements
    assert (row.name, row.rounds) == ("model", ())
    assert row.left_out


def test_a_ceiling_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(part: str, _: Plan) -> Report:
        failed = part == CEILING
        return Report(
            (Measurement(MODULES[part], rounds=() if failed else (900.0,), left_out="failed" if failed else None),)
        )

    monkeypatch.setattr(bench, "_measured", measured)
    rows = [row for report in bench._reports(["model", "reader"], QUICK) for row in report.measurements]
    assert [(row.name, row.rounds, row.left_out) for row in rows] == [
        ("model", (900.0,), None),
        ("ceiling", (), "failed"),
        ("reader", (900.0,), None),
    ]
