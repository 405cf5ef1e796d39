"""Keyed hashes: who submitted, and what was submitted, can be compared but not guessed."""

from __future__ import annotations

import hmac


class Pseudonyms:
    """HMAC-SHA256 under the deployment's key, with one domain for each use.

    A plain hash of a handle, or of a comment of three words, is undone by trying them all; a keyed one is not.

    Args:
        key: `HEED_PSEUDONYM_KEY`. Changing it unlinks all that was pseudonymised before.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def submitter(self, integration: str, identity: str) -> str:
        """32 hexadecimal digits that stand for one person at one integration; other integrations get others."""
        return self._hash("submitter", f"{len(integration)}:{integration}{identity.strip()}".encode()).hex()[:32]

    def content(self, event: bytes) -> bytes:
        """32 bytes that tell the same content from changed content."""
        return self._hash("content", event)

    def _hash(self, use: str, value: bytes) -> bytes:
        return hmac.digest(self._key, use.encode() + b"\0" + value, "sha256")
