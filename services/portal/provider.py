"""The organisation's identity provider, spoken to by OpenID Connect: authorization code, PKCE, state and nonce.

OpenID Connect Core 1.0 (section 3.1) and RFC 7636. NHS CIS2 and Entra ID speak it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.portal.people import Grant
from services.portal.sessions import Attempt, token
from shared.errors import HeedError, TransientFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.portal.settings import PortalSettings

ALGORITHMS = ["RS256", "PS256", "ES256", "RS384", "ES384", "RS512", "ES512"]
"""Signatures that only the provider can make; no `none`, and none by a shared secret."""

LEEWAY = 30
"""Seconds that clocks may differ."""

FRESH = 3_600.0
"""Seconds that what the provider says of itself is taken for granted."""

SCOPE = "openid profile email"

TIMEOUT = 10.0
"""Seconds that it may take to answer."""


class SignInRefusedError(HeedError):
    """The provider's answer lets nobody in; the text says why, without a token or a name."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to send a browser, and what its answer must match."""

    url: str
    state: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says of itself."""

    metadata: Mapping[str, Any]
    keys: KeySet
    at: float


class Provider:
    """One issuer.

    Args:
        settings: issuer, client and the names of claims.
    """

    def __init__(self, settings: PortalSettings) -> None:
        assert settings.portal_oidc_issuer is not None
        assert settings.portal_oidc_client_id is not None
        assert settings.portal_oidc_client_secret is not None
        self._settings = settings
        self._issuer = settings.portal_oidc_issuer
        self._client_id = settings.portal_oidc_client_id
        self._secret = settings.portal_oidc_client_secret
        self._back = f"{settings.portal_url}/sign-in/answer"
        self._known: _Known | None = None

    async def start(self) -> Start:
        """A new attempt.

        Raises:
            TransientFault: the provider does not answer.
        """
        metadata = (await self._told()).metadata
        state, nonce, verifier = token(), token(), token()
        url = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._client_id,
            "code",
            redirect_uri=self._back,
            scope=SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Start(url, state, Attempt(nonce, verifier))

    async def finish(self, code: str, attempt: Attempt) -> Grant:
        """Trade the code for an ID token, check it, and read the claims.

        Raises:
            SignInRefusedError: the provider takes the code for nothing, or its token is not for us.
            TransientFault: the provider does not answer.
        """
        metadata = (await self._told()).metadata
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._back, code_verifier=attempt.code_verifier
        )
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
        login = (quote_plus(self._client_id), quote_plus(self._secret.get_secret_value()))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT) as client:
                answer = await client.post(metadata["token_endpoint"], content=body, auth=login, headers=headers)
            if answer.is_server_error:
                answer.raise_for_status()
            id_token = answer.json()["id_token"] if answer.is_success else None
        except httpx.HTTPError as error:
            raise _away(error) from error
        except (KeyError, TypeError, ValueError):
            id_token = None
        if not isinstance(id_token, str):
            raise SignInRefusedError(f"the identity provider gave no ID token (it answered {answer.status_code})")
        return self._grant(await self._claims(id_token, attempt.nonce))

    async def _claims(self, id_token: str, nonce: str) -> Mapping[str, Any]:
        required = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        for anew in (False, True):
            keys = (await self._told(anew=anew)).keys
            try:
                claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
                required.validate(claims)
            except (JoseError, ValueError) as error:
                if anew:  # keys that were renewed since are no reason to refuse
                    raise SignInRefusedError(f"the ID token is refused ({type(error).__name__})") from None
            else:
                break
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self._client_id:
            raise SignInRefusedError("the ID token is refused (another party's)")
        return claims

    def _grant(self, claims: Mapping[str, Any]) -> Grant:
        settings = self._settings
        name = settings.portal_oidc_person_claim
        who = claims.get(name)
        is_told = isinstance(who, str) and bool(who) and (name != "email" or claims.get("email_verified") is True)
        return Grant(
            # A `sub` is the provider's own choice: it must not pass for somebody whom the catalogue names.
            subject=str(who) if is_told else f"sub:{claims['sub']}",
            teams=_listed(claims.get(settings.portal_oidc_teams_claim)),
            roles=_listed(claims.get(settings.portal_oidc_roles_claim)),
        )

    async def _told(self, *, anew: bool = False) -> _Known:
        known = self._known
        if known is not None and not anew and time.monotonic() - known.at < FRESH:
            return known
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT) as client:
                metadata = await _json(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if metadata.get("issuer") != self._issuer:
                    raise TransientFault(
                        "the identity provider calls itself something else than HEED_PORTAL_OIDC_ISSUER"
                    )
                keys = KeySet.import_key_set(await _json(client, str(metadata["jwks_uri"])))  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            raise _away(error) from error
        except (JoseError, KeyError, ValueError) as error:
            raise TransientFault(f"the identity provider describes itself wrongly ({type(error).__name__})") from error
        self._known = _Known(metadata, keys, time.monotonic())
        return self._known


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(url)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError(url)
    return found


def _away(error: Exception) -> TransientFault:
    return TransientFault(f"the identity provider does not answer ({type(error).__name__}); is it up?")


def _listed(claim: object) -> frozenset[str]:
    """A claim as a list of names; one that is a text is one name."""
    if isinstance(claim, str):
        return frozenset({claim} if claim else ())
    return frozenset(str(part) for part in claim) if isinstance(claim, list) else frozenset()
