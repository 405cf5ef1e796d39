"""Says on stderr what a run is doing; stdout is for its result."""

from __future__ import annotations

import sys
import time


def say(line: str) -> None:
    """One line, with the time of day."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()
