"""How a command finds the installation it speaks to: the environment, or the trial stack of a data directory."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from shared.errors import HeedError, UsageError
from shared.settings import ServiceSettings, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

S = TypeVar("S", bound=ServiceSettings)

STACK_FILE = "stack.json"

VARIABLES = {
    "kafka_bootstrap": "HEED_KAFKA_BOOTSTRAP",
    "gateway_url": "HEED_GATEWAY_URL",
    "gateway_key": "HEED_GATEWAY_KEY",
    "gateway_database_url": "HEED_GATEWAY_DATABASE_URL",
    "learning_database_url": "HEED_LEARNING_DATABASE_URL",
    "media_database_url": "HEED_MEDIA_DATABASE_URL",
    "portal_database_url": "HEED_PORTAL_DATABASE_URL",
    "portal_url": "HEED_PORTAL_URL",
}


@dataclass(frozen=True, slots=True)
class StackFile:
    """What the running trial stack tells other commands about itself; it holds a key, so only its owner may read it."""

    gateway_url: str
    kafka_bootstrap: str
    gateway_database_url: str
    learning_database_url: str
    media_database_url: str
    portal_database_url: str
    portal_url: str
    gateway_key: str
    catalogue: str
    """Path of the team catalogue in use."""
    pid: int


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the parts are, as far as is known; None is "not told", not "not there".

    Attributes:
        data_dir: the trial stack's directory; None where the environment tells of a real installation.
        running: whether the trial stack's process is alive; always True for a real installation.
    """

    kafka_bootstrap: str | None = None
    gateway_url: str | None = None
    gateway_key: str | None = None
    gateway_database_url: str | None = None
    learning_database_url: str | None = None
    media_database_url: str | None = None
    portal_database_url: str | None = None
    portal_url: str | None = None
    catalogue: Path | None = None
    data_dir: Path | None = None
    running: bool = True

    def kafka(self) -> ServiceSettings:
        """Settings to speak to the broker with; the environment's `HEED_KAFKA_…` count for a real installation only.

        Raises:
            UsageError: no broker is known, or a setting is wrong.
        """
        bootstrap = self.need("kafka_bootstrap")
        if self.data_dir is None:
            return load(ServiceSettings, kafka_bootstrap=bootstrap)
        return trial_settings(ServiceSettings, bootstrap)

    def need(self, name: str) -> str:
        """The value of one of `VARIABLES`.

        Raises:
            UsageError: it is not known; the text says what to start or to set.
        """
        value: str | None = getattr(self, name)
        if value is None:
            raise UsageError(self._absent(VARIABLES[name]))
        return value

    def _absent(self, variable: str) -> str:
        if self.data_dir is None:
            return f"{variable} is not set, other HEED_ variables are; set it, or name a trial stack with --data-dir"
        return f"no stack is running in {self.data_dir}; start one with `heed up`, or set {variable}"


def trial_settings(model: type[S], bootstrap: str, **given: object) -> S:
    """Settings on the trial stack's broker, whatever the environment says of a real one; other variables count."""
    plain: dict[str, object] = {
        "kafka_bootstrap": bootstrap,
        "kafka_prefix": "",
        "kafka_embedded": True,
        "kafka_security": "plaintext",
        "kafka_username": None,
        "kafka_password": None,
        "kafka_ca_file": None,
    }
    return load(model, **plain, **given)


def default_data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_DATA_HOME/heed`, by default `~/.local/share/heed` (XDG Base Directory Specification 0.8)."""
    base = environment.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "heed"


def find_installation(data_dir: Path | None, environment: Mapping[str, str] = os.environ) -> Installation:
    """Find the installation that a command means.

    `--data-dir` wins. Without it, any of `VARIABLES` but the key means a real installation, told by the environment
    alone: parts of two installations are never mixed. Else it is the trial stack of the default directory.

    Raises:
        HeedError: the directory's stack file cannot be read.
    """
    told = {name: environment.get(variable) or None for name, variable in VARIABLES.items()}
    if data_dir is None and any(value for name, value in told.items() if name != "gateway_key"):
        catalogue = environment.get("HEED_CATALOGUE")
        return Installation(
            kafka_bootstrap=told["kafka_bootstrap"],
            gateway_url=told["gateway_url"],
            gateway_key=told["gateway_key"],
            gateway_database_url=told["gateway_database_url"],
            learning_database_url=told["learning_database_url"],
            media_database_url=told["media_database_url"],
            portal_database_url=told["portal_database_url"],
            portal_url=told["portal_url"],
            catalogue=Path(catalogue) if catalogue else None,
        )
    directory = (data_dir or default_data_dir(environment)).expanduser().resolve()
    stack = read_stack_file(directory)
    if stack is None:
        return Installation(gateway_key=told["gateway_key"], data_dir=directory, running=False)
    return Installation(
        kafka_bootstrap=stack.kafka_bootstrap,
        gateway_url=stack.gateway_url,
        gateway_key=told["gateway_key"] or stack.gateway_key,
        gateway_database_url=stack.gateway_database_url,
        learning_database_url=stack.learning_database_url,
        media_database_url=stack.media_database_url,
        portal_database_url=stack.portal_database_url,
        portal_url=stack.portal_url,
        catalogue=Path(stack.catalogue),
        data_dir=directory,
    )


def write_stack_file(data_dir: Path, stack: StackFile) -> None:
    """Tell other commands where the stack is; readable by its owner only, never seen half-written."""
    temporary = data_dir / f".{STACK_FILE}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(stack), file, indent=1)
    temporary.replace(data_dir / STACK_FILE)


def remove_stack_file(data_dir: Path) -> None:
    """The stack stops: what it told is no longer true."""
    (data_dir / STACK_FILE).unlink(missing_ok=True)


def read_stack_file(data_dir: Path) -> StackFile | None:
    """What the running stack of a directory told; None when none runs, a killed one included.

    Raises:
        HeedError: the file is there and is not one of ours.
    """
    path = data_dir / STACK_FILE
    try:
        stack = StackFile(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError):
        raise HeedError(f"{path} was not written by this version; stop the stack, delete it, start again") from None
    return stack if _is_alive(stack.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@asynccontextmanager
async def database_url(installation: Installation, service: str) -> AsyncIterator[str]:
    """The URL of a service's database; a stopped trial stack's database runs for as long as it is needed.

    Args:
        installation: whose.
        service: `gateway`, `learning`, `media` or `portal`.

    Raises:
        UsageError: it is not known, or the directory holds no data yet.
        HeedError: the embedded database does not start.
    """
    if installation.running:
        yield installation.need(f"{service}_database_url")
        return
    # Only a stopped trial stack needs the embedded database's code.
    from deploy.provision import provision  # noqa: PLC0415
    from deploy.servers import running_database  # noqa: PLC0415

    assert installation.data_dir is not None, "only a trial stack can be stopped"
    if not (installation.data_dir / "database" / "data").is_dir():
        raise UsageError(
            f"{installation.data_dir} holds no Heed data; run `heed demo` or `heed up` first, "
            f"or set {VARIABLES[f'{service}_database_url']}"
        )
    async with running_database(installation.data_dir) as database:
        yield (await provision(database.url, [service]))[service]


def data_dir_option(command: Callable[..., None]) -> Callable[..., None]:
    """The `--data-dir` of every command that speaks to an installation."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Directory of a trial stack. Default: what the HEED_ variables tell, else ~/.local/share/heed.",
    )(command)
