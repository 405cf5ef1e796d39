"""The gateway's settings: documented, and refused without their values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings
from shared.errors import UsageError
from shared.placeholder import PLACEHOLDER
from shared.settings import ServiceSettings, load

README = Path(__file__).parents[2] / "services" / "gateway" / "README.md"
OWN = GatewaySettings.model_fields.keys() - ServiceSettings.model_fields.keys()


def told(default: object) -> str:
    """A default that is no number, as the table has it."""
    if default is None:
        return "none"
    return ",".join(map(str, default)) if isinstance(default, tuple) else f"`{default}`"


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    row = re.search(rf"^\| `HEED_{name.upper()}` \| (\S+) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    default = GatewaySettings.model_fields[name].default
    assert GatewaySettings.model_fields[name].is_required() == (row[1] == "–")  # noqa: RUF001 - the table's dash
    assert row[1] in {"–", told(default)} or float(row[1]) == default  # noqa: RUF001 - the table's dash


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_setting_has_a_description(name: str) -> None:
    assert GatewaySettings.model_fields[name].description


def test_a_weak_key_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        load(GatewaySettings, database_url="postgresql+asyncpg://db", pseudonym_key="hunter2")
    assert "HEED_PSEUDONYM_KEY" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_half_a_login_to_the_bucket_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError) as caught:
        load(
            GatewaySettings,
            database_url="postgresql+asyncpg://db",
            pseudonym_key="k" * 32,
            s3_endpoint="http://minio:9000",
            s3_access_key="heed-gateway",
        )
    assert str(caught.value) == "settings refused: HEED_S3_ENDPOINT is set: set HEED_S3_SECRET_KEY too"


def test_retention_choices_are_read_from_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_MEDIA_RETENTION_CHOICES", "7, 30,365")
    given = load(GatewaySettings, database_url="postgresql+asyncpg://db", pseudonym_key="k" * 32)
    assert given.media_retention_choices == (7, 30, 365)


@pytest.mark.parametrize("wrong", ["", "0", "30,x", "4000"])
def test_retention_choices_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("HEED_MEDIA_RETENTION_CHOICES", wrong)
    with pytest.raises(UsageError, match="HEED_MEDIA_RETENTION_CHOICES"):
        load(GatewaySettings, database_url="postgresql+asyncpg://db", pseudonym_key="k" * 32)


def test_secrets_stay_out_of_the_repr() -> None:
    given = GatewaySettings(database_url="postgresql+asyncpg://u:hunter2@db", pseudonym_key="hunter2" * 5)
    assert "hunter2" not in repr(given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("database_url", {"database_url": f"postgresql+asyncpg://heed_gateway:{PLACEHOLDER}@postgres/heed"}),
        ("pseudonym_key", {"pseudonym_key": f"{PLACEHOLDER}-to-at-least-32-characters"}),
    ],
)
def test_a_placeholder_of_the_example_is_refused_in_one_line(name: str, given: dict[str, str]) -> None:
    real = {"database_url": "postgresql+asyncpg://u:p@db", "pseudonym_key": "k" * 32}
    with pytest.raises(UsageError) as caught:
        load(GatewaySettings, **real | given)
    told = str(caught.value).replace("Value error, ", "")
    assert told == (
        f"settings refused: HEED_{name.upper()}: the placeholder of .env.example; `heed secrets` makes real values"
    )


def test_a_placeholder_as_kafkas_password_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^settings refused: HEED_KAFKA_PASSWORD: the placeholder"):
        load(ServiceSettings, kafka_security="sasl_ssl", kafka_username="heed-gateway", kafka_password=PLACEHOLDER)
