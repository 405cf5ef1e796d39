"""The chart contract in JSON: what `heed chart` takes and gives (design.md, "The command line").

In: `{kind, values | numerators + denominators, dates?, improvement_direction, rebase?, target?, screen_outliers?,
r_parity?, minimum_points?}`. A null is a gap. `rebase` lists the points that start a new phase, by index from 0 or by
date. Out: `{points, variation_icon, assurance_icon, sentence}`.
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast, get_args

from services.learning import charts
from services.learning.charts import MINIMUM_POINTS, Chart, Improvement, Options
from services.learning.wording import chart_sentence
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERIES = {"xmr": ("values",), "p-prime": ("numerators", "denominators"), "u-prime": ("numerators", "denominators")}
_FIELDS = (
    "kind",
    "values",
    "numerators",
    "denominators",
    "dates",
    "improvement_direction",
    "rebase",
    "target",
    "screen_outliers",
    "r_parity",
    "minimum_points",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A chart that was asked for, validated.

    Attributes:
        series: `values`, or `numerators` and `denominators`, of one length.
        dates: of the same length where given, ascending.
    """

    kind: charts.Kind
    series: tuple[tuple[float | None, ...], ...]
    dates: tuple[date, ...] | None
    options: Options


def answer(content: bytes) -> dict[str, Any]:
    """Read a request and draw its chart.

    Raises:
        UsageError: one line: where, what is wrong, what to do.
    """
    request = parse(content)
    return response(request, drawn(request))


def drawn(request: Request) -> Chart:
    """The chart that a request asks for."""
    breaks = missing_before(request.dates) if request.dates else frozenset[int]()
    if request.kind == "xmr":
        return charts.xmr(request.series[0], request.options, breaks)
    draw = charts.p_prime if request.kind == "p-prime" else charts.u_prime
    return draw(request.series[0], request.series[1], request.options, breaks)


def response(request: Request, chart: Chart) -> dict[str, Any]:
    """The chart as the contract has it; a gap has no value and no lines."""
    points = []
    for index, point in enumerate(chart.points):
        lines, signal = point.limits, point.signal
        points.append(
            {
                "date": request.dates[index].isoformat() if request.dates else None,
                "value": point.value,
                "mean": lines.mean if lines else None,
                "lower": lines.lower if lines else None,
                "upper": lines.upper if lines else None,
                "near_lower": lines.near_lower if lines else None,
                "near_upper": lines.near_upper if lines else None,
                "rule": signal.rule if signal else None,
                "direction": signal.direction if signal else None,
            }
        )
    return {
        "points": points,
        "variation_icon": chart.variation_icon,
        "assurance_icon": chart.assurance_icon,
        "sentence": chart_sentence(chart, request.options.minimum_points),
    }


def parse(content: bytes) -> Request:
    """Validate a request.

    Raises:
        UsageError: see `answer`.
    """
    given = _object(content)
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _SERIES:
        raise _refused("kind", "unknown" if "kind" in given else "missing", f"use one of {', '.join(_SERIES)}")
    for name in given:
        if name not in _FIELDS:
            close = difflib.get_close_matches(name, _FIELDS, n=1)
            raise _refused(
                _shown(name), "unknown field", f"did you mean {close[0]}?" if close else f"use {', '.join(_FIELDS)}"
            )
    series = _series(given, kind)
    dates = _dates(given.get("dates"), len(series[0]))
    return Request(cast("charts.Kind", kind), series, dates, _options(given, dates, len(series[0])))


def missing_before(dates: Sequence[date]) -> frozenset[int]:
    """Indices of dates before which a period is missing.

    Periods are months (or quarters, years) where all dates have one day of the month or all are a month's last, else
    weeks where all have one weekday; the shortest step is the period. Other dates do not tell what is missing.
    """
    if len(dates) < 2:
        return frozenset()
    if len({day.day for day in dates}) == 1 or all((day + timedelta(days=1)).day == 1 for day in dates):
        steps = [12 * (after.year - before.year) + after.month - before.month for before, after in pairwise(dates)]
    elif len({day.weekday() for day in dates}) == 1:
        steps = [(after - before).days for before, after in pairwise(dates)]
    else:
        return frozenset()
    return frozenset(index for index, step in enumerate(steps, start=1) if step > min(steps))


def _object(content: bytes) -> dict[str, Any]:
    try:
        given = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except (UnicodeDecodeError, RecursionError):
        raise UsageError("the request is no JSON text; write one JSON object in UTF-8") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"line {error.lineno} of the request: {error.msg.lower()}; write one JSON object") from None
    except ValueError:
        raise UsageError("the request holds a number that cannot be read; use finite numbers") from None
    if not isinstance(given, dict):
        raise UsageError("the request must be one JSON object; start it with {")
    return given


def _no_constant(name: str) -> float:
    raise UsageError(f"the request holds {name}; use finite numbers, and null for a gap")


def _series(given: dict[str, Any], kind: str) -> tuple[tuple[float | None, ...], ...]:
    wanted = _SERIES[kind]
    for name in ("values", "numerators", "denominators"):
        if name in given and name not in wanted:
            raise _refused(name, f"not for {kind}", f"give {' and '.join(wanted)}")
        if name in wanted and name not in given:
            raise _refused(name, "missing", f"{kind} needs {' and '.join(wanted)}")
    series = tuple(_numbers(name, given[name]) for name in wanted)
    if not series[0]:
        raise _refused(wanted[0], "empty", "give at least one point")
    if len(series) == 1:
        return series
    _check_counts(series[0], series[1], share=kind == "p-prime")
    return series


def _check_counts(numerators: Sequence[float | None], denominators: Sequence[float | None], *, share: bool) -> None:
    if len(numerators) != len(denominators):
        raise _refused(
            "denominators", f"{len(denominators)} of them for {len(numerators)} numerators", "give as many of both"
        )
    for index, pair in enumerate(zip(numerators, denominators, strict=True)):
        for name, number in zip(("numerators", "denominators"), pair, strict=True):
            if number is not None and number < 0:
                raise _refused(f"{name}[{index}]", "negative", "counts are 0 or more")
        count, whole = pair
        if share and count is not None and whole is not None and count > whole:
            raise _refused(f"numerators[{index}]", "more than its denominator", "a share is at most the whole")


def _numbers(name: str, given: object) -> tuple[float | None, ...]:
    if not isinstance(given, list):
        raise _refused(name, "no list", "give a list of numbers, null for a gap")
    return tuple(None if item is None else _number(f"{name}[{index}]", item) for index, item in enumerate(given))


def _number(place: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _refused(place, "no number", "give a number, null for a gap")
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or abs(number) > 1e150:
        raise _refused(place, "too large or not finite", "give a finite number")
    return number


def _dates(given: object, length: int) -> tuple[date, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        raise _refused("dates", "no list", "give one date for each point, as 2026-01-31")
    if len(given) != length:
        raise _refused("dates", f"{len(given)} of them for {length} points", "give one for each point")
    dates = tuple(_date(f"dates[{index}]", item) for index, item in enumerate(given))
    for index, (before, after) in enumerate(pairwise(dates), start=1):
        if after <= before:
            raise _refused(f"dates[{index}]", "not after the one before", "put the points in the order of time")
    return dates


def _date(place: str, given: object) -> date:
    try:
        if isinstance(given, str) and len(given) == 10:
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise _refused(place, "no date", "write it as 2026-01-31")


def _options(given: dict[str, Any], dates: Sequence[date] | None, length: int) -> Options:
    direction = given.get("improvement_direction", "neutral")
    if direction not in get_args(Improvement):
        raise _refused("improvement_direction", "unknown", f"use one of {', '.join(get_args(Improvement))}")
    target = given.get("target")
    minimum = given.get("minimum_points", MINIMUM_POINTS)
    if isinstance(minimum, bool) or not isinstance(minimum, int) or minimum < 1:
        raise _refused("minimum_points", "no whole number from 1", f"leave it out for {MINIMUM_POINTS}")
    return Options(
        improvement_direction=cast("Improvement", direction),
        rebase=_rebase(given.get("rebase"), dates, length),
        target=None if target is None else _number("target", target),
        screen_outliers=_flag(given, "screen_outliers"),
        r_parity=_flag(given, "r_parity"),
        minimum_points=minimum,
    )


def _rebase(given: object, dates: Sequence[date] | None, length: int) -> tuple[int, ...]:
    if given is None:
        return ()
    items = given if isinstance(given, list) else [given]
    return tuple(sorted({_start(f"rebase[{index}]", item, dates, length) for index, item in enumerate(items)}))


def _start(place: str, given: object, dates: Sequence[date] | None, length: int) -> int:
    if isinstance(given, str):
        day = _date(place, given)
        if dates is None or day not in dates:
            raise _refused(place, "none of the dates", "name the date of the point that starts the new phase")
        return list(dates).index(day)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < length:
        raise _refused(place, "no point of the series", f"use an index from 0 to {length - 1}, or a date")
    return given


def _flag(given: dict[str, Any], name: str) -> bool:
    flag = given.get(name, False)
    if not isinstance(flag, bool):
        raise _refused(name, "neither true nor false", "write true or false")
    return flag


def _refused(place: str, what: str, advice: str) -> UsageError:
    return UsageError(f"{place}: {what}; {advice}")


def _shown(name: str) -> str:
    """A field's name from a stranger, short and on one line."""
    return json.dumps(name[:40])
