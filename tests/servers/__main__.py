"""`python -m tests.servers prepare | run`: fetch and build the real servers, or start them for a while."""

import argparse
import asyncio
import signal
import sys
import time

from shared.errors import HeedError
from tests.servers import kafka, minio, postgresql
from tests.servers.stage import real_servers, variables


def main() -> int:
    """Run the command that the arguments name; failures are one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("command", choices=["prepare", "run"])
    command = parser.parse_args().command
    try:
        if command == "prepare":
            _prepare()
        else:
            asyncio.run(_run())
    except HeedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _prepare() -> None:
    for name, missing, prepared in (
        ("Apache Kafka", kafka.missing, kafka.prepared),
        ("MinIO", minio.missing, minio.prepared),
        ("PostgreSQL", postgresql.missing, None),
    ):
        begun = time.monotonic()
        if lacking := missing():
            _say(f"{name}: left out, {' and '.join(lacking)} missing")
        elif prepared is None:
            _say(f"{name}: installed")
        else:
            where = prepared()
            _say(f"{name}: {where} ({time.monotonic() - begun:.1f} s)")


async def _run() -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with real_servers() as stage:
        for name, value in variables(stage).items():
            _say(f"{name}={value}")
        await ended.wait()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
