"""Where a running server is reached: the same records for embedded and for real servers."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Broker:
    """A Kafka broker; `bootstrap` is `host:port`."""

    bootstrap: str


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
    """The three servers that Heed stands on."""

    broker: Broker
    bucket: Bucket
    database: Database
