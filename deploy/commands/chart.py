"""`heed chart`: one control chart, from JSON to JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from deploy.commands.outputs import STANDARD
from services.learning.chart_requests import answer
from shared.errors import UsageError

LARGEST = 16 * 1024 * 1024
"""Bytes of a request."""


@click.command()
@click.option(
    "--input",
    "source",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    required=True,
    help="JSON to read; - is stdin.",
)
def command(source: Path) -> None:
    """Draw one control chart from JSON: limits, rules and icons, as JSON.

    \b
    In:  {kind: xmr | p-prime | u-prime, values | numerators + denominators, dates?, improvement_direction,
          rebase?, target?, screen_outliers?, r_parity?, minimum_points?}
    Out: {points: [{date, value, mean, lower, upper, near_lower, near_upper, rule, direction}],
          variation_icon, assurance_icon, sentence}

    A null is a gap, and so is a share of fewer than 10. `rebase` lists the points that start a new phase, by index
    from 0 or by date.
    """
    content = _content(source)
    if len(content) > LARGEST:
        raise UsageError(f"the request is longer than {LARGEST // 1024**2} MiB; chart fewer points")
    click.echo(json.dumps(answer(content), ensure_ascii=False, allow_nan=False))


def _content(source: Path) -> bytes:
    if source == STANDARD:
        return sys.stdin.buffer.read(LARGEST + 1)
    with source.open("rb") as file:
        return file.read(LARGEST + 1)
