"""How Kafka is reached: which settings go together, what clients are given, and that no password is told."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from faststream.kafka.security import parse_security
from pydantic import ValidationError

from deploy.connection import trial_settings
from shared.errors import UsageError
from shared.kafka import broker_security, connection
from shared.settings import ServiceSettings, load

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "quite-a-secret"
LOGIN = {"kafka_username": "heed-analysis", "kafka_password": PASSWORD}


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    return file


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kafka_security": "sasl_ssl"}, ["HEED_KAFKA_USERNAME", "HEED_KAFKA_PASSWORD"]),
        ({"kafka_security": "sasl_plaintext", "kafka_password": PASSWORD}, ["HEED_KAFKA_USERNAME"]),
        ({"kafka_security": "sasl_plaintext", "kafka_username": "heed-analysis"}, ["HEED_KAFKA_PASSWORD"]),
        ({"kafka_security": "sasl_plaintext", **LOGIN, "kafka_password": ""}, ["HEED_KAFKA_PASSWORD"]),
        (LOGIN, ["HEED_KAFKA_USERNAME", "HEED_KAFKA_PASSWORD"]),
        ({"kafka_security": "ssl", "kafka_username": "heed-analysis"}, ["HEED_KAFKA_USERNAME"]),
        ({"kafka_security": "ssl", "kafka_password": PASSWORD}, ["HEED_KAFKA_PASSWORD"]),
        ({"kafka_security": "ssl", "kafka_embedded": True}, ["HEED_KAFKA_EMBEDDED"]),
    ],
)
def test_half_a_login_is_refused_in_one_line_that_names_the_variables(
    given: dict[str, object], named: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        load(ServiceSettings, **given)
    told = str(refused.value)
    variables = {word.strip(":,") for word in told.split() if word.startswith("HEED_")}
    assert variables == {"HEED_KAFKA_SECURITY", *named}
    assert "\n" not in told
    assert PASSWORD not in told
    assert "heed-analysis" not in told


@pytest.mark.parametrize("security", ["plaintext", "sasl_plaintext"])
def test_an_authority_without_encryption_is_refused(security: str, ca_file: Path) -> None:
    login = LOGIN if security.startswith("sasl") else {}
    with pytest.raises(UsageError, match="HEED_KAFKA_SECURITY has no use for HEED_KAFKA_CA_FILE"):
        load(ServiceSettings, kafka_security=security, kafka_ca_file=ca_file, **login)


@pytest.mark.parametrize("variable", ["kafka_security", "kafka_sasl_mechanism", "kafka_ca_file"])
def test_a_wrong_value_is_named_and_not_repeated(variable: str) -> None:
    with pytest.raises(UsageError, match=f"HEED_{variable.upper()}: ") as refused:
        load(ServiceSettings, **{variable: "sesame"})
    assert "sesame" not in str(refused.value)


def test_a_password_is_in_no_repr_and_no_error() -> None:
    settings = load(ServiceSettings, kafka_security="sasl_ssl", **LOGIN)
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in settings.model_dump_json()
    with pytest.raises(ValidationError) as refused:
        ServiceSettings.model_validate(LOGIN)
    assert PASSWORD not in str(refused.value)


def test_a_file_without_certificates_is_told(ca_file: Path) -> None:
    settings = load(ServiceSettings, kafka_security="ssl", kafka_ca_file=ca_file)
    with pytest.raises(UsageError, match="HEED_KAFKA_CA_FILE: no PEM file of certificates"):
        connection(settings)


def test_without_security_a_client_is_given_no_login() -> None:
    assert connection(load(ServiceSettings, kafka_bootstrap="kafka:9092")) == {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
@pytest.mark.parametrize("security", ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"])
def test_faststream_and_aiokafka_are_given_the_same(security: str, mechanism: str) -> None:
    login = LOGIN if security.startswith("sasl") else {}
    settings = load(ServiceSettings, kafka_security=security, kafka_sasl_mechanism=mechanism, **login)
    ours, theirs = connection(settings), parse_security(broker_security(settings))
    assert ours.pop("bootstrap_servers") == settings.kafka_bootstrap
    assert (ours.pop("ssl_context", None) is None) == (theirs.pop("ssl_context") is None)
    assert ours == theirs


def test_a_certificate_is_checked_with_its_name() -> None:
    context = connection(load(ServiceSettings, kafka_security="ssl"))["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_the_trial_stack_is_not_reached_with_a_real_installations_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"security": "sasl_ssl", "username": "heed-analysis", "password": PASSWORD}.items():
        monkeypatch.setenv(f"HEED_KAFKA_{name.upper()}", value)
    settings = trial_settings(ServiceSettings, "127.0.0.1:9")
    assert connection(settings) == {"bootstrap_servers": "127.0.0.1:9", "security_protocol": "PLAINTEXT"}
