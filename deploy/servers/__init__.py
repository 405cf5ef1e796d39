"""The embedded servers of the trial stack: a broker, a bucket and a database that come as PyPI wheels.

They listen on 127.0.0.1 or a Unix socket only, end with the process that started them, and survive being killed:
the next start on the same data directory finds the bucket's and the database's data again. The broker keeps its
records in memory: for trying out and for tests, never for production.
"""

from deploy.servers.broker import running_broker
from deploy.servers.bucket import running_bucket
from deploy.servers.database import running_database
from deploy.servers.endpoints import Broker, Bucket, Database, GuardedListener, Stage
from deploy.servers.stage import embedded_stage, started_together
from deploy.servers.watch import ServerEnded, Watch

__all__ = [
    "Broker",
    "Bucket",
    "Database",
    "GuardedListener",
    "ServerEnded",
    "Stage",
    "Watch",
    "embedded_stage",
    "running_broker",
    "running_bucket",
    "running_database",
    "started_together",
]
