"""The committed JSON Schema and golden example of every event, and how to renew them.

`python -m tests.contract.snapshots` writes the schemas anew and refuses a breaking change: that needs a new event
version (a new class, `ce_type` and topic). Golden examples are written by hand and never change.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.events import Event
from shared.topics import TOPICS
from tests.contract.schema_changes import breaking_changes

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
GOLDEN = HERE / "golden"


def events() -> list[type[Event]]:
    """Every event that travels on a topic."""
    return sorted({topic.event for topic in TOPICS if topic.event}, key=lambda event: event.ce_type)


def schema(event: type[Event]) -> dict[str, Any]:
    """As it is now."""
    return event.model_json_schema(mode="serialization")


def committed(event: type[Event]) -> dict[str, Any]:
    """As it was published."""
    text = (SCHEMAS / f"{event.ce_type}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def main() -> int:
    """Renew the snapshots."""
    for event in events():
        path = SCHEMAS / f"{event.ce_type}.json"
        if path.exists() and (broken := breaking_changes(committed(event), schema(event))):
            sys.stderr.write(f"{event.ce_type} breaks its readers: {'; '.join(broken)}\n")
            return 1
        path.write_text(json.dumps(schema(event), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
