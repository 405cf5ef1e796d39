"""What the decoding process takes from itself before it looks at a file: memory, time, files, its way out."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


class Limits(NamedTuple):
    """Of one process. They go along on its command line, so that nothing it reads can widen them.

    Attributes:
        memory: bytes of address space.
        seconds: of processor time.
        file: bytes of a file that it writes.
    """

    memory: int
    seconds: int
    file: int

    def arguments(self) -> list[str]:
        """For the command line."""
        return [str(value) for value in self]

    @classmethod
    def parse(cls, arguments: list[str]) -> Limits:
        """From the command line."""
        memory, seconds, file = (int(value) for value in arguments)
        return cls(memory, seconds, file)


def apply(limits: Limits) -> None:
    """Take them on, for good; before any thread starts and any library that decodes is loaded."""
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory if sys.platform != "darwin" else resource.RLIM_INFINITY),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        _, given = resource.getrlimit(kind)
        # Of time, the kernel warns at the first number and kills at the second. Neither may be above what is given.
        hard = most + 1 if kind == resource.RLIMIT_CPU else most
        within = [value for value in (hard, given) if value != resource.RLIM_INFINITY]
        hard = min(within, default=resource.RLIM_INFINITY)
        soft = hard if most == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (soft, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is too long is then an error, not the end
    os.umask(0o077)
    _shut_in()


def _shut_in() -> None:
    """On Linux: end with the service, gain no rights, and, where the kernel lets us, have no network."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWNET)
    except (OSError, AttributeError):
        return
