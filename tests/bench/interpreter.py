"""Which Python measures a part: this one; for the peer, the one that `BENCH_PEER_PYTHON` names, if it names any."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

VARIABLE = "BENCH_PEER_PYTHON"


class NoInterpreter(Exception):  # noqa: N818 - a reason to leave the part out, not an error
    """Its text says why the part cannot run."""


def command(part: str) -> tuple[list[str], dict[str, str]]:
    """The interpreter that measures a part, and its environment.

    Another interpreter than ours is lent our packages, which stand before its own of the same name: it needs torch and
    transformers, not the whole house, and must be of our version since packages are compiled for one.

    Raises:
        NoInterpreter: the one that is named does not run, or is of another version.
    """
    given = os.environ.get(VARIABLE)
    if part != "peer" or not given:
        return [sys.executable], dict(os.environ)
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    asked = [given, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        version = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise NoInterpreter(f"{VARIABLE}: {given} does not run as Python ({type(error).__name__})") from None
    if version != ours:
        raise NoInterpreter(f"{VARIABLE}: {given} is Python {version}, this is {ours}; name one of {ours} with torch")
    lent = [sysconfig.get_path("purelib"), os.environ.get("PYTHONPATH", "")]
    return [given], {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, lent))}
