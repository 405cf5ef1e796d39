"""The portal's settings: documented, and refused where they do not fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.portal.settings import PortalSettings
from shared.errors import UsageError
from shared.settings import ServiceSettings, load

README = Path(__file__).parents[2] / "services" / "portal" / "README.md"
OWN = PortalSettings.model_fields.keys() - ServiceSettings.model_fields.keys()
NEEDED = {"database_url": "postgresql+asyncpg://u:hunter2@db", "catalogue": "c.yaml"}


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    row = re.search(rf"^\| `HEED_{name.upper()}` \| (\S+) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    field = PortalSettings.model_fields[name]
    assert field.description
    if field.is_required():
        assert row[1] == "–"  # noqa: RUF001 - the table's dash
    elif field.default is None:
        assert row[1] == "none"
    elif isinstance(field.default, int | float):
        assert float(row[1].strip("`")) == field.default
    else:
        assert row[1] == f"`{field.default}`"


def test_half_an_oidc_client_is_refused() -> None:
    with pytest.raises(UsageError, match="together"):
        load(PortalSettings, **NEEDED, portal_oidc_issuer="https://login.example.org")


def test_half_a_login_to_the_bucket_is_refused() -> None:
    with pytest.raises(UsageError, match="HEED_S3_ENDPOINT is set: set HEED_S3_ACCESS_KEY and HEED_S3_SECRET_KEY too"):
        load(PortalSettings, **NEEDED, s3_endpoint="http://127.0.0.1:9000")


def test_a_link_to_a_recording_cannot_be_made_to_last() -> None:
    with pytest.raises(UsageError, match="HEED_PORTAL_RECORDING_SECONDS"):
        load(PortalSettings, **NEEDED, portal_recording_seconds=121)


def test_words_without_a_gateway_to_ask_are_refused() -> None:
    with pytest.raises(UsageError, match="HEED_URGENT_WORDS_TOKEN is set: set HEED_GATEWAY_URL too"):
        load(PortalSettings, **NEEDED, urgent_words_token="w" * 32)


@pytest.mark.parametrize("url", ["portal.example.org", "https://portal.example.org/heed", "ftp://portal.example.org"])
def test_an_address_with_a_path_or_without_a_scheme_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="HEED_PORTAL_URL"):
        load(PortalSettings, **NEEDED, portal_url=url)


def test_secrets_stay_out_of_the_repr() -> None:
    given = load(
        PortalSettings,
        **NEEDED,
        portal_oidc_issuer="https://login.example.org",
        portal_oidc_client_id="heed",
        portal_oidc_client_secret="hunter2",
    )
    assert "hunter2" not in repr(given)
