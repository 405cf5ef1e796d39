"""Children, ports, locks and addresses of the servers, without any server."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.servers import Bucket, Database, data_dir, started_together
from deploy.servers.child import Command, PortClash, Probe, completed, running, running_on_free_ports
from deploy.servers.data_dir import claimed, short_directory
from deploy.servers.ports import free_ports, holds, http_ok, listens
from shared.errors import HeedError

_LISTEN = (
    "import socket, sys; door = socket.socket(); door.bind(('127.0.0.1', int(sys.argv[1]))); door.listen(); "
    "door.accept(); sys.stdin.read(); __import__('signal').pause()"
)
_STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_LISTEN}"


def python(tmp_path: Path, program: str, *arguments: str | int) -> Command:
    argv = [sys.executable, "-c", program, *(str(argument) for argument in arguments)]
    return Command("the test's server", argv, tmp_path / "log", tmp_path, stop=[(signal.SIGTERM, 0.2)])


def up(port: int) -> Probe:
    return lambda: listens(port)


async def never() -> bool:
    return False


async def at_once() -> bool:
    return True


@pytest.mark.parametrize("program", [_LISTEN, _STUBBORN])
async def test_a_server_runs_until_its_block_ends(tmp_path: Path, program: str) -> None:
    (port,) = free_ports(1)
    async with running(python(tmp_path, program, port), up(port)) as process:
        os.kill(process, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_a_server_that_ends_at_once_is_one_line_with_what_it_said(tmp_path: Path) -> None:
    command = python(tmp_path, "import sys; print('starting'); sys.exit('fatal: no such disk')")
    with pytest.raises(
        HeedError, match=r"the test's server ended at once \(status 1\): fatal: no such disk: see .*log"
    ):
        await running(command, never).__aenter__()


async def test_a_server_that_is_never_ready_is_stopped_and_named(tmp_path: Path) -> None:
    with pytest.raises(HeedError, match="was not ready within 0 s: see"):
        await running(python(tmp_path, "import signal; signal.pause()"), never, patience=0.05).__aenter__()


async def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = Command("the test's server", [tmp_path / "absent"], tmp_path / "log", tmp_path)
    with pytest.raises(HeedError, match=r"cannot start: .*absent: No such file or directory"):
        await running(command, at_once).__aenter__()


async def test_a_failed_command_names_its_log(tmp_path: Path) -> None:
    await completed(python(tmp_path, "pass"))
    with pytest.raises(HeedError, match=r"\(status 3\): it said nothing: see"):
        await completed(python(tmp_path, "raise SystemExit(3)"))


async def test_a_taken_port_is_chosen_again(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    tried: list[int] = []

    def command(ports: Sequence[int]) -> Command:
        tried.append(taken.getsockname()[1] if not tried else ports[0])
        return replace(python(tmp_path, _LISTEN, tried[-1]), port=tried[-1])

    with taken:
        async with running_on_free_ports(1, command, lambda _: lambda: listens(tried[-1])) as ports:
            assert await listens(ports[0])
    assert len(tried) == 2


async def test_a_port_that_is_always_taken_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortClash, match="in use"):
            await running_on_free_ports(1, lambda _: python(tmp_path, _LISTEN, port), lambda _: never).__aenter__()


async def test_children_get_no_stray_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/elsewhere")
    await completed(python(tmp_path, "import os; print(sorted(os.environ))"))
    assert "PGDATA" not in (tmp_path / "log").read_text()


def test_a_port_is_held_by_the_process_that_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        assert holds(os.getpid(), door.getsockname()[1])
        assert not holds(os.getppid(), door.getsockname()[1])


def test_free_ports_are_distinct_and_below_the_ephemeral_ones() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < 32_768


async def test_http_ok_means_200_and_nothing_else(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        writer.write(f"HTTP/1.0 {path[1:]} Something\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await http_ok(port, "/200")
        assert not await http_ok(port, "/403")
    assert not await http_ok(port, "/200")


async def test_a_claimed_place_is_held_until_the_last_child_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_dir, "_SECONDS_FOR_A_HOLDER", 0.05)
    async with claimed(tmp_path, "thing") as place:
        child = os.dup(place.lock)
        with pytest.raises(HeedError, match=f"thing is in use by process {os.getpid()}: end it first") as refusal:
            await claimed(tmp_path, "thing").__aenter__()
        assert "\n" not in str(refusal.value)
    with pytest.raises(HeedError, match="in use"):
        await claimed(tmp_path, "thing").__aenter__()
    os.close(child)
    async with claimed(tmp_path, "thing"):
        pass


async def test_a_data_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HeedError, match=r"cannot use .*/file/thing: .*: name a directory that you may write"):
        await claimed(tmp_path / "file", "thing").__aenter__()


async def test_a_left_over_socket_directory_is_removed(tmp_path: Path) -> None:
    async with claimed(tmp_path, "thing") as place:
        stale = tmp_path / "heed-stale"
        stale.mkdir()
        (place.directory / "sockets").write_text(str(stale))
        with short_directory(place) as directory:
            assert len(str(directory)) < 80
            assert not stale.exists()
        assert not directory.exists()


async def test_when_one_server_fails_the_others_stop_and_its_error_comes_alone() -> None:
    from contextlib import asynccontextmanager

    stopped: list[str] = []

    @asynccontextmanager
    async def good(name: str):  # type: ignore[no-untyped-def]
        try:
            yield name
        finally:
            stopped.append(name)

    @asynccontextmanager
    async def bad():  # type: ignore[no-untyped-def]
        raise HeedError("no disk")
        yield

    with pytest.raises(HeedError, match="no disk"):
        await started_together(good("broker"), bad(), good("database")).__aenter__()
    assert sorted(stopped) == ["broker", "database"]


def test_secrets_stay_out_of_what_is_printed() -> None:
    bucket = Bucket("http://127.0.0.1:9000", "access", "hidden")
    assert bucket.address == "127.0.0.1:9000"
    assert not bucket.secure
    assert "hidden" not in repr(bucket)
    assert "hidden" not in repr(Database("postgresql+asyncpg://postgres:hidden@127.0.0.1/postgres"))
