"""Real servers for tests: Apache Kafka, MinIO and PostgreSQL on loopback, or wherever the environment names them."""

from tests.servers.stage import ServersMissing, real_servers, what_is_missing

__all__ = ["ServersMissing", "real_servers", "what_is_missing"]
