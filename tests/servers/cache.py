"""What is downloaded or built once, and kept for the next run."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_directory() -> Path:
    """`.cache/servers` in the repository, or `servers` in the directory that HEED_CACHE names."""
    root = Path(__file__).resolve().parents[2] / ".cache"
    return Path(os.environ.get("HEED_CACHE") or root).absolute() / "servers"


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The cached directory of that name, made first if need be: whole or not at all, and by one process at a time."""
    target = cache_directory() / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            draft = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
            try:
                make(draft)
                draft.chmod(0o755)
                draft.rename(target)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return target
