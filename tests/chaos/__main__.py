"""`python -m tests.chaos --stage real|embedded --rounds N --submissions M --seed S`.

One line of JSON on stdout, progress on stderr. Exit code 1 unless nothing was lost, doubled or leaked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.driver import run
from tests.chaos.plan import planned

if TYPE_CHECKING:
    from tests.chaos.driver import Result


def main() -> int:
    """Run, print, and say by the exit code how it went."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--stage", choices=["real", "embedded"], default="real")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--submissions", type=int, default=3_000, help="versions sent in all rounds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="folder that gets the log of every process")
    given = parser.parse_args()
    logging.disable(logging.ERROR)  # clients of a broker that is being killed have much to say
    on_stage = _on_real if given.stage == "real" else _on_embedded
    result = asyncio.run(on_stage(given))
    sys.stdout.write(json.dumps(result.as_json()) + "\n")
    return 0 if result.passed else 1


async def _on_real(given: argparse.Namespace) -> Result:
    from tests.chaos.real import TARGETS, real_house
    from tests.chaos.servers import running_servers

    plan = planned(TARGETS, given.rounds, given.submissions, given.seed)
    async with running_servers() as servers, real_house(servers, f"chaos-{given.seed}-") as house:
        return await run(house, plan, given.logs)


async def _on_embedded(given: argparse.Namespace) -> Result:
    from tests.chaos.embedded import TARGETS, embedded_house

    async with embedded_house() as house:
        return await run(house, planned(TARGETS, given.rounds, given.submissions, given.seed), given.logs)


if __name__ == "__main__":
    sys.exit(main())
