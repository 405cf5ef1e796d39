"""Keeps what must be used again, but never read: where messages go, and what webhooks are signed with."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import HeedError

if TYPE_CHECKING:
    from pydantic import SecretStr

_NONCE = 12
"""Bytes; random for each value, as AES-GCM asks for."""


class Unreadable(HeedError):  # noqa: N818 - a state of the row
    """A value that was sealed with another key, or for another subscription."""


class Seals:
    """Seals, opens, and makes the tokens of links that need no sign-in.

    Args:
        key: at least 32 characters; every use has a key of its own, derived from it.
    """

    def __init__(self, key: SecretStr) -> None:
        given = key.get_secret_value().encode()
        self._cipher = AESGCM(_derived(given, b"heed-subscription-target"))
        self._fingerprints = _derived(given, b"heed-subscription-fingerprint")
        self._links = _derived(given, b"heed-unsubscribe-link")

    def seal(self, value: str, subscription: UUID) -> bytes:
        """Encrypt for one subscription; another one's row cannot use it."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value.encode(), subscription.bytes)

    def open(self, sealed: bytes, subscription: UUID) -> str:
        """Decrypt.

        Raises:
            Unreadable: the key has changed, or the value is not this subscription's.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], subscription.bytes).decode()
        except InvalidTag:
            raise Unreadable("a subscription's target was sealed with another HEED_PORTAL_SUBSCRIPTION_KEY") from None

    def fingerprint(self, value: str) -> bytes:
        """The same for the same value, and of no use to who has not got the key."""
        return hmac.digest(self._fingerprints, value.encode(), "sha256")

    def link_token(self, subscription: UUID) -> str:
        """What a link to unsubscribe holds: it opens nothing else, and stays the same."""
        mark = hmac.digest(self._links, subscription.bytes, "sha256")[:16]
        return base64.urlsafe_b64encode(subscription.bytes + mark).decode().rstrip("=")

    def linked(self, token: str) -> UUID | None:
        """The subscription of a link; None where the token was not made here."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        if len(raw) != 32:
            return None
        subscription = UUID(bytes=raw[:16])
        return subscription if hmac.compare_digest(self.link_token(subscription), token) else None


def _derived(key: bytes, use: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, use).derive(key)
