"""Settings that every service shares, one style: `HEED_…` variables, read only by a service's `__main__`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import UsageError
from shared.placeholder import PLACEHOLDER

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

S = TypeVar("S", bound="ServiceSettings")

Seconds = Annotated[float, Field(gt=0)]


def _strong(secret: SecretStr) -> SecretStr:
    if PLACEHOLDER in secret.get_secret_value():
        raise ValueError("the placeholder of .env.example; `heed secrets` makes real values")
    if len(secret.get_secret_value()) < 32:
        raise ValueError("must be at least 32 characters; `openssl rand -hex 32` makes one")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_strong)]
"""A key of at least 32 characters."""


class ServiceSettings(BaseSettings):
    """What a service needs to reach Kafka, report on itself and stop in time."""

    model_config = SettingsConfigDict(env_prefix="HEED_", frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma-separated.")
    kafka_prefix: str = Field(
        "", pattern=r"^[a-z0-9-]*$", description="Before every topic and group, so that installations can share Kafka."
    )
    kafka_embedded: bool = Field(
        False,
        description="The broker is the trial stack's: no idempotent producer, one member, offset gaps sought back.",
    )
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="How Kafka is spoken to: `ssl` encrypts, `sasl` logs in."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How it logs in; `PLAIN` shows the broker the password."
    )
    kafka_username: str | None = Field(None, description="Account to log in to Kafka with, such as `heed-analysis`.")
    kafka_password: SecretStr | None = Field(None, description="Its password.")
    kafka_ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates; none: the system's."
    )
    batch_records: int = Field(1_024, ge=1, le=10_000, description="Records handled together at most.")
    batch_timeout_ms: int = Field(20, ge=1, le=10_000, description="How long a poll waits for records.")
    commit_timeout: Seconds = Field(10.0, description="Seconds an offset commit may take.")
    commit_age: Seconds = Field(
        60.0, description="Seconds that handled records may wait for their commit before not ready."
    )
    lag_limit: int = Field(10_000, ge=0, description="Records that may wait for a member however long.")
    lag_patience: Seconds = Field(
        60.0, description="Seconds that more than these may wait without becoming fewer before not ready."
    )
    backoff_initial: Seconds = Field(0.2, description="Seconds before the first retry of a transient fault.")
    backoff_max: Seconds = Field(10.0, description="Seconds between retries at most.")
    give_back_after: Seconds = Field(120.0, description="Seconds of retries before a batch is polled anew.")
    shutdown_grace: Seconds = Field(
        15.0, description="Seconds that a batch in hand may take to end when the service is told to stop."
    )
    dead_letter_share: float = Field(0.5, gt=0, le=1, description="Share of dead letters that stops a consumer.")
    dead_letter_window: int = Field(200, ge=1, description="Newest records that the share is measured over.")
    http_host: str = Field("127.0.0.1", description="Address that HTTP (health, and the service's own) binds to.")
    http_port: int = Field(8080, ge=0, le=65_535, description="Port of the same.")
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe log level.")
    otlp_endpoint: str | None = Field(None, description="OTLP/HTTP endpoint for traces and metrics; none: no export.")

    @property
    def kafka_encrypted(self) -> bool:
        """Whether Kafka is spoken to over TLS."""
        return self.kafka_security.endswith("ssl")

    @property
    def kafka_login(self) -> bool:
        """Whether Kafka is logged in to."""
        return self.kafka_security.startswith("sasl")

    @model_validator(mode="after")
    def _no_placeholder(self) -> Self:
        """A password that everybody can read in our repository is none."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        left = [
            f"HEED_{name.upper()}"
            for name, value in given.items()
            if isinstance(value, SecretStr) and PLACEHOLDER in value.get_secret_value()
        ]
        if left:
            raise ValueError(f"{' and '.join(left)}: the placeholder of .env.example; `heed secrets` makes real values")
        return self

    @model_validator(mode="after")
    def _kafka_agrees(self) -> Self:
        """Half a login would be no login: better no start than one that is not what somebody meant."""
        login = {"HEED_KAFKA_USERNAME": self.kafka_username, "HEED_KAFKA_PASSWORD": self.kafka_password}
        unset = [name for name, value in login.items() if not value]
        useless = [] if self.kafka_login else [name for name, value in login.items() if value]
        useless += ["HEED_KAFKA_CA_FILE"] if self.kafka_ca_file and not self.kafka_encrypted else []
        if self.kafka_login and unset:
            raise ValueError(f"HEED_KAFKA_SECURITY asks for a login: set {' and '.join(unset)} too")
        if useless:
            raise ValueError(f"HEED_KAFKA_SECURITY has no use for {' and '.join(useless)}: change or unset")
        if self.kafka_embedded and self.kafka_security != "plaintext":
            raise ValueError("HEED_KAFKA_EMBEDDED and HEED_KAFKA_SECURITY exclude each other: unset one")
        return self


def load(model: type[S], **given: object) -> S:
    """Read settings from the environment; `given` wins.

    Raises:
        UsageError: naming the variables that are wrong, without their values.
    """
    try:
        return model(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(_told(item) for item in error.errors(include_input=False, include_url=False))
        raise UsageError(f"settings refused: {wrong}") from None


def _told(item: ErrorDetails) -> str:
    if not item["loc"]:  # several variables together; the text names them
        return item["msg"].removeprefix("Value error, ")
    return f"HEED_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
