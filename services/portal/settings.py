"""What the portal can be told; `services/portal/README.md` lists every setting."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from services.portal.recordings_settings import RecordingSettings
from services.portal.subscriptions_settings import SubscriptionSettings
from shared.settings import Seconds, Secret


class PortalSettings(SubscriptionSettings, RecordingSettings):
    """Settings of the portal, beside those of every service."""

    database_url: SecretStr = Field(
        description="PostgreSQL of the role that owns schema `portal`: postgresql+asyncpg://…"
    )
    catalogue: Path = Field(description="The team catalogue, a YAML file: teams, and who belongs to them.")
    portal_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://[^/\s]+$",
        description="Address that people reach the portal at; with `https` its cookies travel encrypted only.",
    )
    gateway_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="Address of the gateway, asked for patients who hold a receipt; none: no pages for them.",
    )
    urgent_words_token: Secret | None = Field(
        None,
        description="Bearer token that the gateway gives raw words for, so that holders of a named role can read what "
        "is urgent; none: reasons only.",
    )
    portal_session_hours: float = Field(10, gt=0, le=168, description="Hours after which a person signs in again.")
    portal_sign_ins: int = Field(
        300, ge=1, description="Tries to sign in that one address has in five minutes, at each member."
    )
    portal_oidc_issuer: str | None = Field(
        None, pattern=r"^https?://\S+$", description="Issuer that people sign in with by OpenID Connect; none: no OIDC."
    )
    portal_oidc_client_id: str | None = Field(None, description="What the issuer knows the portal by.")
    portal_oidc_client_secret: SecretStr | None = Field(None, description="The portal's secret at the issuer.")
    portal_oidc_person_claim: str = Field("email", description="Claim that `who` in the catalogue's `members` means.")
    portal_oidc_teams_claim: str = Field("heed_teams", description="Claim with the ids of a person's teams.")
    portal_oidc_roles_claim: str = Field(
        "heed_roles", description="Claim with a person's roles, as `urgent_role` has them; `steward` is one."
    )
    portal_audit_retention_days: float = Field(
        730, gt=0, description="Days that audit rows stay: who looked at or changed what, and when, without words."
    )
    portal_urgent_within_hours: float = Field(
        8, gt=0, le=8_760, description="Hours within which somebody must take urgent feedback on; then it is overdue."
    )
    portal_urgent_retention_days: float = Field(
        400, ge=60, description="Days that urgent items stay once they were taken on or withdrawn."
    )
    purge_interval: Seconds = Field(3600.0, description="Seconds between looks at what is past its time.")
    relay_poll: Seconds = Field(1.0, description="Seconds until an idle relay looks again unasked.")
    portal_database_pool: int = Field(
        10, ge=3, le=200, description="Database connections at most; the relay keeps one."
    )

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        """Half a client could send people away and never let them in."""
        given = (self.portal_oidc_issuer, self.portal_oidc_client_id, self.portal_oidc_client_secret)
        if any(given) and not all(given):
            raise ValueError(
                "set HEED_PORTAL_OIDC_ISSUER, HEED_PORTAL_OIDC_CLIENT_ID and HEED_PORTAL_OIDC_CLIENT_SECRET together"
            )
        return self

    @model_validator(mode="after")
    def _words_have_a_gateway(self) -> Self:
        """A token alone would show no words, and say nothing of it."""
        if self.urgent_words_token is not None and self.gateway_url is None:
            raise ValueError("HEED_URGENT_WORDS_TOKEN is set: set HEED_GATEWAY_URL too")
        return self

    @property
    def is_secure(self) -> bool:
        """Whether people reach the portal over TLS."""
        return self.portal_url.startswith("https://")
