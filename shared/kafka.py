"""How Kafka is reached: the one place that spells a client's options, and that says why they were of no use."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context

from shared.errors import HeedError, TransientFault, UsageError

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient
    from faststream.security import BaseSecurity

    from shared.settings import ServiceSettings

NOT_ALLOWED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)

GRANT = "`python -m deploy.create_topics --grant-access` grants what the topic registry says"

_LOOK_LIMIT_MS = 5_000
"""For the one connection that finds out why others failed."""


def connection(settings: ServiceSettings) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client: where the brokers are, and how to get in.

    Raises:
        UsageError: `kafka_ca_file` holds no certificates.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security.upper(),
    }
    if settings.kafka_encrypted:
        options["ssl_context"] = _trust(settings)
    if settings.kafka_login:
        assert settings.kafka_password is not None, "the settings see to that"
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return options


def broker_security(settings: ServiceSettings) -> BaseSecurity:
    """The same for a FastStream broker, which takes an object of its own instead.

    Raises:
        UsageError: as `connection`.
    """
    from faststream import security  # noqa: PLC0415 - half a second that only a consumer has to spend

    options = connection(settings)
    context = options.get("ssl_context")
    if not settings.kafka_login:
        return security.BaseSecurity(ssl_context=context)
    kinds = {
        "SCRAM-SHA-512": security.SASLScram512,
        "SCRAM-SHA-256": security.SASLScram256,
        "PLAIN": security.SASLPlaintext,
    }
    login = options["sasl_plain_username"], options["sasl_plain_password"]
    return kinds[settings.kafka_sasl_mechanism](*login, ssl_context=context)


def _trust(settings: ServiceSettings) -> ssl.SSLContext:
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=settings.kafka_ca_file)
    except (ssl.SSLError, OSError):
        raise UsageError("settings refused: HEED_KAFKA_CA_FILE: no PEM file of certificates") from None
    return context


def paced(client: AIOKafkaClient, pause: float) -> None:
    """Have a client wait before it asks again who leads what, where nobody has answered.

    aiokafka 0.14 asks at once: as long as something waits for a partition without a leader, as after the end of its
    broker, 1,400 times a second were measured.

    Args:
        client: of a producer or a consumer.
        pause: seconds.
    """
    ask = client._metadata_update

    async def patiently(*arguments: Any) -> bool:
        answered: bool = await ask(*arguments)
        if not answered:
            await asyncio.sleep(pause)
        return answered

    client._metadata_update = patiently


async def unreached(settings: ServiceSettings, error: Exception) -> HeedError:
    """What to raise for a client that did not start.

    aiokafka logs why each broker was of no use and raises only that none was, so one more connection is made to see.

    Returns:
        `TransientFault` where waiting may help; a plain `HeedError` where only a person can.
    """
    if isinstance(error, (*NOT_ALLOWED, UnknownTopicOrPartitionError)):
        return failed(settings, error)
    for host, port, _ in collect_hosts(settings.kafka_bootstrap):
        if (refusal := await _refusal(settings, host, port)) is not None:
            return HeedError(f"Kafka at {host}:{port} {refusal}")
    return TransientFault(
        f"no Kafka broker answers at {settings.kafka_bootstrap} ({type(error).__name__}); check HEED_KAFKA_BOOTSTRAP, "
        "that the broker is up, and that HEED_KAFKA_SECURITY is what its listener asks for"
    )


def failed(settings: ServiceSettings, error: Exception) -> TransientFault:
    """What to raise for a request that failed: transient, as a person may grant access while a batch waits."""
    if isinstance(error, NOT_ALLOWED):
        denied = " ".join([type(error).__name__, *(str(argument) for argument in error.args)])
        account = settings.kafka_username or "an account without a name"
        return TransientFault(f"Kafka denies access to {account} ({denied}); {GRANT}")
    if isinstance(error, UnknownTopicOrPartitionError):
        return TransientFault("Kafka has no such topic; `python -m deploy.create_topics` makes what is missing")
    return TransientFault(f"Kafka at {settings.kafka_bootstrap} failed: {type(error).__name__}; is the broker up?")


async def _refusal(settings: ServiceSettings, host: str, port: int) -> str | None:
    """Why this broker lets nobody in who comes with these settings; None where it is something else."""
    options = connection(settings)
    del options["bootstrap_servers"]
    try:
        (await create_conn(host, port, request_timeout_ms=_LOOK_LIMIT_MS, **options)).close()
    except (SaslAuthenticationFailed, AuthenticationFailedError):
        return f"refuses the login of {settings.kafka_username}; check HEED_KAFKA_USERNAME and HEED_KAFKA_PASSWORD"
    except UnsupportedSaslMechanismError:
        return "knows no such mechanism; check HEED_KAFKA_SASL_MECHANISM"
    except IllegalSaslStateError:
        return "takes no logins on this listener; check HEED_KAFKA_BOOTSTRAP and HEED_KAFKA_SECURITY"
    except ssl.SSLCertVerificationError:
        return "shows a certificate that is not trusted; check HEED_KAFKA_CA_FILE and the name in HEED_KAFKA_BOOTSTRAP"
    except (KafkaError, OSError, TimeoutError):
        return None
    return None
