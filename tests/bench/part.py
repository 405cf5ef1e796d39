"""Measures one part in a process of its own, so that memory and warm-up do not mix: `python -m tests.bench.part`."""

from __future__ import annotations

import argparse
import importlib
import logging
from pathlib import Path

from tests.bench.measurement import Report
from tests.bench.plan import Plan

PARTS = {
    "model": "model",
    "reader": "reader",
    "topics": "topic_to_topic",
    "pipeline": "whole_pipeline",
    "summaries": "summaries_10k",
    "portal": "portal_page",
    "uploads": "upload_gateway",
    "peer": "peer",
}
"""Modules here with `measure(plan)`, in the order in which they are measured, and the main row that each gives."""

CEILING = "ceiling"
"""Measured again after each of `JUDGED_BY_CEILING`."""

JUDGED_BY_CEILING = ("reader", "topics", "pipeline")

MODULES = {**PARTS, CEILING: PARTS["model"]}
"""All that can be measured, and the main row that each gives."""


def main() -> None:
    """Arguments: the part, the plan as JSON, where to write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=MODULES)
    parser.add_argument("plan", type=Plan.from_json)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    report = importlib.import_module(f"tests.bench.{given.part}").measure(given.plan)
    assert isinstance(report, Report)
    report.save(given.output)


if __name__ == "__main__":
    main()
