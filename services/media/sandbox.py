"""Starts the processes that look into files, keeps them within their limits, and believes what they say only so far."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from services.media.findings import Finding, Task
from services.media.limits import Limits
from services.media.reasons import Reason, Refused
from shared.errors import TransientFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
"""Where the packages of this house are imported from."""

MOST_ANSWERED = 16 * 1024 * 1024
"""Bytes: a transcript of the greatest length, however it is escaped."""

START_LIMIT = 30.0
"""Seconds that a process may take to load what decodes."""


class Ended(Exception):  # noqa: N818 - told to the caller, who decides what it means
    """A process did not answer. `timed_out`: it was given no more time."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("no answer")
        self.timed_out = timed_out


class Decoder:
    """Decodes each upload in a process of its own.

    Args:
        memory: bytes of address space of that process.
        seconds: that it may take, by the clock and of processor time.
    """

    def __init__(self, memory: int, seconds: float) -> None:
        self._memory = memory
        self._seconds = seconds

    async def prove(self) -> None:
        """Start one for nothing, so that what is not installed is told now and not of every upload.

        Raises:
            UsageError: it cannot be started.
        """
        limits = Limits(self._memory, 60, 0)
        try:
            await answered("services.media.child", limits.arguments(), b"", START_LIMIT)
        except Ended:
            raise UsageError(
                "the decoding process does not start: is the extra `media` installed (pip install 'heed[media]'), and "
                "HEED_MEDIA_DECODE_MEMORY large enough?"
            ) from None

    async def find(self, task: Task, most_written: int) -> Finding:
        """What became of a task.

        Args:
            task: what to do.
            most_written: bytes of each file that it may write.

        Raises:
            Refused: the files are not accepted, or the process did not come to an end with them.
            TransientFault: no process can be started, or there is no room on the disk.
        """
        limits = Limits(self._memory, int(self._seconds) + 2, most_written)
        try:
            answer = await answered(
                "services.media.child", limits.arguments(), task.model_dump_json().encode(), self._seconds
            )
            finding = Finding.model_validate_json(answer)
        except Ended as ended:
            raise Refused(Reason.TOOK_TOO_LONG if ended.timed_out else Reason.DECODER_ENDED) from None
        except ValidationError:
            raise Refused(Reason.DECODER_ENDED) from None
        if finding.disk_full:
            raise TransientFault("no room for clean files; make room where HEED_MEDIA_SCRATCH is")
        if finding.refused is not None:
            raise Refused(finding.refused)
        return finding


async def answered(module: str, arguments: Sequence[str], given: bytes, seconds: float) -> bytes:
    """Run a module of ours as a process without our environment; what it writes to stdout.

    Raises:
        Ended: it failed, said too much, or took too long. No process is left then, nor after a cancellation.
        TransientFault: this machine starts no more processes.
    """
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "HOME": os.devnull}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # FFmpeg writes there what a file says about itself
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise TransientFault(f"no process for decoding starts ({type(error).__name__}); is memory short?") from error
    try:
        async with asyncio.timeout(seconds):
            answer = await _asked(process, given)
            code = await process.wait()
    except TimeoutError:
        raise Ended(timed_out=True) from None
    finally:
        await _put_to_an_end(process)
    if code != 0:
        raise Ended(timed_out=code == -signal.SIGXCPU)
    return answer


async def _asked(process: asyncio.subprocess.Process, given: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()
    answer = bytearray()
    while piece := await process.stdout.read(64 * 1024):
        answer += piece
        if len(answer) > MOST_ANSWERED:
            raise Ended(timed_out=False)
    return bytes(answer)


async def _put_to_an_end(process: asyncio.subprocess.Process) -> None:
    """It, and whatever it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
