"""What a process writes to its log."""

from __future__ import annotations

import subprocess
import sys

import pytest

SPEAKING = """
import logging
from shared.telemetry import configure_logging
configure_logging("{level}")
logging.getLogger("aiokafka.producer.producer").debug("Sending (key=None value=%r)", b"a patient's words")
logging.getLogger("aiokafka.conn").info("connected")
logging.getLogger("httpx").info("HTTP Request: GET http://gateway/v1/receipts/a-secret")
logging.getLogger("services.gateway.relay").debug("ours")
"""


def logged(level: str) -> str:
    """By a process of its own: logging is the whole process's."""
    done = subprocess.run(
        [sys.executable, "-c", SPEAKING.format(level=level)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stderr


def test_debug_is_for_our_own_modules() -> None:
    """aiokafka's producer tells at DEBUG what it sends."""
    log = logged("DEBUG")
    assert '"ours"' in log
    assert '"connected"' in log
    assert "patient" not in log
    assert "secret" not in log


@pytest.mark.parametrize(("level", "told"), [("INFO", ["connected"]), ("WARNING", [])])
def test_a_higher_level_is_for_all(level: str, told: list[str]) -> None:
    assert [line for line in ("connected", "ours") if line in logged(level)] == told
