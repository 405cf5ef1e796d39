"""PostgreSQL started by root: as which account it runs, and how that account reaches its files.

PostgreSQL refuses to run as root, and root's folders are often closed to everyone else. Opening them (as the wheel's
own start code does, up to `/`) would outlast the trial; instead the server is handed its data as its working
directory, and where it cannot execute the wheel's programs it gets a copy of them.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shared.errors import HeedError

_ACCOUNTS = ("postgres", "nobody")
_COPIES = Path("/var/cache/heed")


def account_for(data: Path) -> pwd.struct_passwd | None:
    """The account to run as: None for this process's own; for root the data's owner, else an unprivileged one."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        try:
            return pwd.getpwuid(data.stat().st_uid)
        except KeyError:
            message = f"{data} belongs to user id {data.stat().st_uid}, whom this machine does not know: "
            raise HeedError(message + "give it to postgres or nobody (chown -R), or name another --data-dir") from None
    known = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in _ACCOUNTS:
        if name in known:
            return known[name]
    raise HeedError(
        "PostgreSQL refuses to run as root, and there is neither a postgres nor a nobody account: "
        "start heed as an ordinary user"
    )


def owned(directory: Path, account: pwd.struct_passwd | None) -> None:
    """Give a directory to the account."""
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)


def own_path(directory: Path, account: pwd.struct_passwd | None) -> Path:
    """How the account names its working directory, even below folders that it may not enter (PostgreSQL 16 on)."""
    if account is not None and sys.platform == "linux":
        return Path("/proc/self/cwd")
    return directory


def made_runnable(package: Path, account: pwd.struct_passwd | None, version: str) -> Path:
    """The package as the account can execute it: where it is, or copied once to a root-owned cache."""
    if account is None or _runs(package, account):
        return package
    copy = _COPIES / f"postgresql-{version}" / package.name
    if not copy.exists():
        try:
            _copied(package, copy.parent)
        except OSError as error:
            message = (
                f"cannot copy PostgreSQL to {copy.parent} ({error.strerror}), and {account.pw_name} cannot run it "
            )
            raise HeedError(message + f"in {package}: start heed as an ordinary user") from None
    return copy


def _runs(package: Path, account: pwd.struct_passwd) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - our own argument list
            [package / "pginstall" / "bin" / "postgres", "--version"],
            cwd="/",
            capture_output=True,
            check=False,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
        )
    except OSError:
        return False
    return done.returncode == 0


def _copied(package: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    try:
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, draft / folder.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                own = path.stat().st_mode & 0o500
                path.chmod(path.stat().st_mode | own >> 3 | own >> 6)
        if not target.exists():
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
