"""A small OpenID Connect provider, a process of its own: `python -m tests.integration.oidc_provider PORT`.

Everybody who comes is let in, with the claims of the newest `POST /next`. It checks what a provider must (PKCE, the
client's secret, a code's single use), and `wrong` in `/next` makes its ID token wrong in one way.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

import httpx
import uvicorn
from fastapi import FastAPI, Form, HTTPException, Request
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.responses import RedirectResponse

from deploy.servers.ports import free_ports
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, SECRET = "heed", "a secret of the tests"


def build_app(issuer: str) -> FastAPI:
    """The provider."""
    app = FastAPI()
    key, strangers = RSAKey.generate_key(parameters={"kid": "ours"}), RSAKey.generate_key(parameters={"kid": "ours"})
    codes: dict[str, dict[str, str]] = {}
    given: dict[str, Any] = {"claims": {}, "wrong": None}

    @app.get("/.well-known/openid-configuration")
    def described() -> dict[str, str]:
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
        }

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    @app.post("/next")
    async def following(request: Request) -> None:
        given.update(await request.json())

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        if asked["client_id"] != CLIENT or asked["code_challenge_method"] != "S256" or "openid" not in asked["scope"]:
            raise HTTPException(400)
        code = secrets.token_urlsafe()
        codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 303)

    @app.post("/token")
    def token(
        request: Request, code: str = Form(), code_verifier: str = Form(), redirect_uri: str = Form()
    ) -> dict[str, Any]:
        asked = codes.pop(code, None)
        login = base64.b64encode(f"{CLIENT}:{quote_plus(SECRET)}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).decode().rstrip("=")
        if asked is None or request.headers.get("authorization") != f"Basic {login}":
            raise HTTPException(400)
        if challenge != asked["code_challenge"] or redirect_uri != asked["redirect_uri"]:
            raise HTTPException(400)
        now, wrong = int(time.time()), given["wrong"]
        claims = {
            "iss": issuer if wrong != "issuer" else "https://elsewhere.example",
            "sub": "4711",
            "aud": CLIENT if wrong != "audience" else "another",
            "iat": now,
            "exp": now + 60 if wrong != "expired" else now - 3600,
            "nonce": asked["nonce"] if wrong != "nonce" else "replayed",
            **given["claims"],
        }
        signer = strangers if wrong == "key" else key
        return {
            "access_token": "unused",
            "token_type": "Bearer",
            "id_token": jwt.encode({"alg": "RS256", "kid": "ours"}, claims, signer),
        }

    return app


@contextmanager
def running_provider() -> Iterator[str]:
    """The provider as a process until the block ends; yields its issuer."""
    (port,) = free_ports(1)
    issuer = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "tests.integration.oidc_provider", str(port)]) as process:
        try:
            wait_until(lambda: _answers(issuer))
            yield issuer
        finally:
            process.terminate()


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/keys").status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    uvicorn.run(build_app(f"http://127.0.0.1:{sys.argv[1]}"), port=int(sys.argv[1]), log_level="warning")
