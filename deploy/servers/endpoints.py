"""Where a running server is reached: the same records for embedded and for real servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.servers.watch import Watch


@dataclass(frozen=True, slots=True)
class GuardedListener:
    """A listener for known accounts only (SASL_PLAINTEXT, SCRAM-SHA-512), each of which may do what ACLs allow.

    Attributes:
        bootstrap: `host:port`.
        passwords: of its accounts, by name.
    """

    bootstrap: str
    passwords: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Broker:
    """A Kafka broker; `bootstrap` is `host:port`, `guarded` is its listener for known accounts, where it has one."""

    bootstrap: str
    guarded: GuardedListener | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3 store; `endpoint` is `http://host:port`. The keys stay out of its repr, and so out of logs."""

    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    @property
    def address(self) -> str:
        """`host:port`, as the `minio` SDK wants it."""
        return self.endpoint.split("://", 1)[1]

    @property
    def secure(self) -> bool:
        """Whether the store is reached over TLS."""
        return self.endpoint.startswith("https://")


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL server; `url` is an administrator's SQLAlchemy URL for asyncpg, kept out of the repr."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """The three servers that Heed stands on; `watch` notices when one that this process runs has ended."""

    broker: Broker
    bucket: Bucket
    database: Database
    watch: Watch = field(default_factory=Watch, repr=False, compare=False)
