"""Writes `.env` for `docker compose`: `.env.example` with a fresh secret wherever it has a placeholder.

Standard library only: `python3 -m deploy.secrets` works in a fresh clone, before anything is installed.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from pathlib import Path

from shared.errors import HeedError, UsageError
from shared.placeholder import PLACEHOLDER

EXAMPLE = Path(__file__).parents[1] / ".env.example"

_SECRET = re.compile(rf"^(HEED_[A-Z0-9_]+)={PLACEHOLDER}$", re.MULTILINE)


def written(target: Path, example: Path = EXAMPLE) -> list[str]:
    """Write `target`, readable by its owner only, and never over a file that is there.

    Returns:
        The variables that were given a secret of 256 bits: in hexadecimal, or where MinIO is to encrypt with it, as
        its setting has it (`MINIO_KMS_SECRET_KEY`: a name, and 32 bytes in base64).

    Raises:
        UsageError: `target` is there: what it holds opens the data that is kept.
        HeedError: the example is not there, or asks for no secret.
    """
    try:
        text = example.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HeedError(f"{example} is not there; run this in a clone of the repository") from None
    names = _SECRET.findall(text)
    if not names:
        raise HeedError(f"{example} asks for no secret; is it the file of this version?")
    filled = _SECRET.sub(lambda found: f"{found[1]}={_secret(found[1])}", text)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"{target} is there and stays: its secrets open the data that is kept; move it away to begin anew"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(filled)
    return names


def _secret(name: str) -> str:
    if name.endswith("_ENCRYPTION_KEY"):
        return f"heed:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return secrets.token_hex(32)


def main(target: Path) -> int:
    """Write it and say so; 2 where a file is in the way."""
    try:
        names = written(target)
    except HeedError as error:
        sys.stderr.write(f"heed: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    sys.stderr.write(f"heed: {target} has {len(names)} new secrets; nobody but you may read it\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(".env")))
