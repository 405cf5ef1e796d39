"""Bearer tokens of our own side: the bucket's and the portal's. An integration's key is none of them."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from services.gateway.problems import Problem, unauthorised

if TYPE_CHECKING:
    from pydantic import SecretStr


def check_token(wanted: SecretStr | None, given: str | None, setting: str) -> None:
    """Let in who has the token.

    Args:
        wanted: the token; None where the operator has set none.
        given: what the request brought.
        setting: the variable that it is set with.

    Raises:
        Problem: 401; 404 where there is none, as if nothing were here.
    """
    if wanted is None:
        raise Problem(404, "not-found", f"There is nothing here; {setting} is not set.")
    if not hmac.compare_digest((given or "").encode(), wanted.get_secret_value().encode()):
        raise unauthorised()
