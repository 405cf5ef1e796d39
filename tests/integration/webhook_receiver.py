"""A receiver of webhooks in a process of its own: it can be killed, and come back on the same port."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came; headers by their names in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def page(self) -> tuple[str, int]:
        """Which revision of which period it holds."""
        content: dict[str, Any] = json.loads(self.body)
        return content["period"], content["revision"]


class Receiver:
    """A process, and the file that it keeps requests in; what it took before it was killed is in there, too."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "received.jsonl"
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, or did."""
        return f"http://127.0.0.1:{self.port}/heed"

    def start(self, status: int = 200, refuse: str = "") -> None:
        """Listen, on the port of last time.

        Args:
            status: of every answer; 0: hang up instead of answering, after the request was kept.
            refuse: what is answered with 422 where it stands in the body.
        """
        # It needs the standard library only; without all else it starts in a moment.
        arguments = [sys.executable, "-I", "-S", __file__, str(self.port), str(self._file), str(status), refuse]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @property
    def received(self) -> list[Received]:
        """Everything that it has taken so far, in order."""
        if not self._file.exists():
            return []
        # It may be in the middle of writing the last one.
        whole = [line for line in self._file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        lines = [json.loads(line) for line in whole]
        return [Received(line["headers"], line["body"].encode()) for line in lines]

    @property
    def pages(self) -> list[tuple[str, int]]:
        """Periods and revisions, in the order in which they came."""
        return [each.page for each in self.received]


def _listen(port: int, file: Path, status: int, refuse: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if refuse and refuse in body:
                self._answer(422)
                return
            kept = {"headers": {name.lower(): value for name, value in self.headers.items()}, "body": body}
            with file.open("ab", buffering=0) as lines:  # at once, or a kill would leave half a line
                lines.write(json.dumps(kept).encode() + b"\n")
            if status:
                self._answer(status)

        def _answer(self, code: int) -> None:
            self.send_response(code)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", port), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _listen(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
