"""`make bench`: every part in one run and one table, and in `build/bench.json`.

Exit code 1 if a part failed. The ceiling is measured before and after each part that is judged by it, and the part's
ratio is to both: a machine that others share may change by a tenth within minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench import interpreter
from tests.bench.machine import Usage, machine
from tests.bench.measurement import Measurement, Report
from tests.bench.part import CEILING, JUDGED_BY_CEILING, MODULES, PARTS
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.table import Result, show
from tests.bench.texts import corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTPUT = Path("build") / "bench.json"
PART_LIMIT = 1_200.0
"""Seconds."""


def main() -> None:
    """Measure, print, save."""
    given = _arguments()
    plan = QUICK if given.quick else FULL
    plan = replace(plan, rounds=given.rounds or plan.rounds, texts=given.texts or plan.texts)
    found = machine()
    if not found.is_quiet:
        _note(f"WARNING: load average {found.load_average}: others use this machine, the figures will not be right")
    parts = [part for part in PARTS if part in given.only]
    before = Usage.now()
    reports = _reports(parts, plan)
    notes = [note for report in reports for note in report.notes]
    rows = [row for report in reports for row in report.measurements]
    if (others := Usage.now().others_since(before)) is not None:
        notes.append(f"other processes and the host took {others:.0%} of the cores meanwhile")
    texts = corpus(plan.texts)
    profile = next((report.profile for report in reports if report.profile), None)
    result = Result(found, texts.source, len(texts.comments), plan.rounds, tuple(rows), profile, tuple(notes))
    show(result)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    _note(f"written to {given.output}")
    sys.exit(any((row.left_out or "").startswith("failed") for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--rounds", type=int, help="measured rounds of each part")
    parser.add_argument("--texts", type=int, help="texts in one round at most")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS), help="only these parts")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the JSON goes")
    return parser.parse_args()


def _reports(parts: Sequence[str], plan: Plan) -> list[Report]:
    """Each part's. The model's row has the rounds of all ceilings, and a part that is judged by one its own two."""
    reports: list[Report] = []
    ceilings: list[tuple[float, ...]] = []
    for part in parts:
        report = _measured(part, plan)
        if part == "model":
            ceilings.append(_rounds(report))
        elif part in JUDGED_BY_CEILING and ceilings:
            ceiling = _measured(CEILING, plan)
            ceilings.append(_rounds(ceiling))
            if not ceilings[-1]:
                reports.append(_changed(ceiling, PARTS["model"], name=CEILING))
            if around := ceilings[-2] + ceilings[-1]:
                report = _changed(report, PARTS[part], ceiling=median(around))
        reports.append(report)
    return [_changed(report, PARTS["model"], rounds=sum(ceilings, ())) for report in reports]


def _rounds(report: Report) -> tuple[float, ...]:
    return report.measurements[0].rounds


def _changed(report: Report, of: str, **values: Any) -> Report:
    """The report with other values in its row of that name."""
    rows = (replace(row, **values) if row.name == of else row for row in report.measurements)
    return replace(report, measurements=tuple(rows))


def _measured(part: str, plan: Plan) -> Report:
    """The part's report; where it failed, a row that says so, so that the others' figures are not lost."""
    _note(f"measuring: {part}")
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        output = Path(folder) / "report.json"
        try:
            python, environment = interpreter.command(part)
            command = [*python, "-m", "tests.bench.part", part, plan.as_json(), str(output)]
            subprocess.run(command, check=True, timeout=PART_LIMIT, env=environment)
            return Report.load(output)
        except interpreter.NoInterpreter as reason:
            return Report((Measurement(MODULES[part], left_out=str(reason)),))
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return Report((Measurement(MODULES[part], left_out=f"failed: {type(error).__name__}; its error is above"),))


def _note(line: str) -> None:
    sys.stderr.write(f"bench: {line}\n")


if __name__ == "__main__":
    main()
