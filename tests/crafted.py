"""What a crafted file could make of a decoding process: `python -m tests.crafted WHAT`, started as that process is."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.media.limits import Limits, apply

FOREVER = 600


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "stall":
        time.sleep(FOREVER)
    elif what == "spin":
        apply(Limits(1 << 30, 1, 1 << 20))
        while True:
            pass
    elif what == "wait":
        apply(Limits(1 << 30, 60, 1 << 20))
        time.sleep(FOREVER)
    elif what == "flood":
        while True:
            sys.stdout.buffer.write(bytes(1 << 20))
    elif what == "abort":
        os.abort()
    elif what == "leave a child":
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOREVER})", rest[0]])
        time.sleep(FOREVER)
    else:
        apply(Limits(300 << 20, 20, 1 << 20))
        does: dict[str, Callable[..., str]] = {"eat": _eat, "write": _write, "look": _look, "call": _call}
        sys.stdout.write(does[what](*rest))


def _eat() -> str:
    try:
        return str(len(bytes(1 << 30)))
    except MemoryError:
        return "no memory"


def _write(path: str) -> str:
    try:
        Path(path).write_bytes(bytes(1 << 22))
    except OSError as error:
        return f"{error.strerror}, {Path(path).stat().st_size} bytes"
    return "written"


def _look() -> str:
    return f"{sorted(os.environ)} {resource.getrlimit(resource.RLIMIT_CORE)}"


def _call(port: str) -> str:
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=2).close()
    except OSError:
        return "no way out"
    return "connected"


if __name__ == "__main__":
    main()
