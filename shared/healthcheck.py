"""`python -m shared.healthcheck`: asks the service of this container whether it is ready; an image needs no other tool.

Exit code 0: ready. 1: not ready, or no answer; one line on stderr says which.
"""

from __future__ import annotations

import http.client
import json
import os
import sys

LIMIT = 5.0
"""Seconds to wait for the answer; every check of a service takes less."""


def trouble(port: int, host: str = "127.0.0.1", path: str = "/health/ready") -> str | None:
    """What keeps the service from being ready, in a few words; None if it is."""
    connection = http.client.HTTPConnection(host, port, timeout=LIMIT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port} ({type(error).__name__})"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    return f"not ready: {_failed(body) or f'it answers {answer.status}'}"


def _failed(body: bytes) -> str:
    try:
        return ", ".join(name for name, ok in json.loads(body)["checks"].items() if not ok)
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""


def main() -> int:
    """Ask the port of HEED_HTTP_PORT on loopback."""
    told = trouble(int(os.environ.get("HEED_HTTP_PORT", "8080")))
    if told is None:
        return 0
    sys.stderr.write(f"heed: {told}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
