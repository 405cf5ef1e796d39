"""Webhooks over real connections: each summary once per revision, whoever is away in between, and over TLS only."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.portal import webhook
from services.portal.channels import TAKEN, Outcome, Verdict
from services.portal.webhook import Webhooks, webhook_client
from services.portal.webhook_targets import Targets
from tests.integration.delivery_stage import receiver
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.integration.webhook_receiver import Receiver
from tests.unit.portal_examples import TEAM
from tests.unit.subscription_samples import page
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.integration.conftest import DatabaseUrl

__all__ = ["receiver"]

pytestmark = pytest.mark.integration

README = Path(__file__).parents[2] / "services" / "portal" / "README.md"
DELIVERY = UUID("00000000-0000-4000-8000-000000000001")
LOOPBACK = [ip_network("127.0.0.0/8")]
APRIL, MAY, JUNE, JULY = (date(2026, month, 1) for month in (4, 5, 6, 7))


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    given = {
        "portal_subscription_key": "k" * 32,
        "portal_private_targets": "127.0.0.0/8",
        "portal_delivery_poll": 0.05,
        "portal_delivery_pause": 0.05,
        "portal_delivery_pause_max": 0.2,
        "portal_delivery_attempts": 1_000,
    }
    async with running_portal(await database_url("portal"), tmp_path, **given) as stage:
        yield stage


async def subscribed(portal: Stage, url: str) -> str:
    """Somebody of the team subscribes on the page; the secret that they are shown."""
    async with await portal.signed_in(TEAM) as browser:
        token = form_token((await browser.get("/subscriptions")).text)
        given = {"form_token": token, "about": TEAM, "channel": "webhook", "target": url, "frequency": "revision"}
        answer = await browser.post("/subscriptions", data=given)
    found = re.search(r"heedwh_[A-Za-z0-9_-]{43}", answer.text)
    assert found is not None, answer.text
    return found[0]


def later(period: date, revision: int) -> Any:
    """A page that is written after the subscription was made."""
    return page(TEAM, period, revision, generated_at=datetime.now(UTC) + timedelta(seconds=1))


def documented() -> Callable[[str, dict[str, str], bytes], bool]:
    """What the README tells receivers to do."""
    code = re.search(r"```python\n(import hashlib.+?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102 - our own documentation
    found: Callable[[str, dict[str, str], bytes], bool] = names["is_from_heed"]
    return found


async def test_a_receiver_that_was_down_gets_each_summary_exactly_once_per_revision(
    portal: Stage, receiver: Receiver
) -> None:
    secret = await subscribed(portal, receiver.url)
    await portal.receive(later(APRIL, 1), later(MAY, 1), later(JUNE, 1))
    await until(lambda: len(receiver.pages) == 3)
    receiver.stop()
    await portal.receive(later(MAY, 2))
    await portal.receive(later(MAY, 1), later(APRIL, 1))  # a replay
    await portal.receive(later(JUNE, 2), later(JULY, 1))
    await until(lambda: attempted(portal, 3))
    receiver.start()
    await until(lambda: len(receiver.pages) >= 6)
    await until(lambda: settled(portal))
    wanted = {(APRIL, 1), (MAY, 1), (JUNE, 1), (MAY, 2), (JUNE, 2), (JULY, 1)}
    assert sorted(receiver.pages) == sorted((str(period), revision) for period, revision in wanted)
    identities = {each.headers["heed-delivery"] for each in receiver.received}
    assert len(identities) == 6
    is_from_heed = documented()
    for each in receiver.received:
        headers = {name.title(): value for name, value in each.headers.items()}
        assert is_from_heed(secret, headers, each.body)
        assert not is_from_heed(secret, headers, each.body + b" ")
        assert not is_from_heed("another secret", headers, each.body)


async def test_of_the_revisions_that_come_while_it_is_down_a_receiver_gets_the_newest(
    portal: Stage, receiver: Receiver
) -> None:
    await subscribed(portal, receiver.url)
    receiver.stop()
    for revision in (1, 2, 3):
        await portal.receive(later(MAY, revision))
    await until(lambda: attempted(portal, 1))
    receiver.start()
    await until(lambda: settled(portal))
    assert receiver.pages == [(str(MAY), 3)]


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.stop()
    receiver.start(status=307)
    assert await sent(receiver.url) == Outcome(Verdict.AWAY, "http_307")
    assert len(receiver.received) == 1


async def test_a_receiver_that_hangs_up_is_away(receiver: Receiver) -> None:
    receiver.stop()
    receiver.start(status=0)
    assert await sent(receiver.url) == Outcome(Verdict.AWAY, "broken_answer")


async def test_a_receiver_that_never_answers_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ATTEMPT_LIMIT", 0.2)

    async def trickling(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():  # a byte at a time, so that no single read takes long
            writer.write(b"H")
            await asyncio.sleep(0.02)

    server = await asyncio.start_server(trickling, "127.0.0.1", 0)
    async with asyncio.timeout(5):
        outcome = await sent(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    server.close()
    assert outcome == Outcome(Verdict.AWAY, "timeout")


async def test_an_endless_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                written += 65_536
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    assert await sent(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") == TAKEN
    server.close()
    assert written < 64 * 1024 * 1024


async def test_the_certificate_is_asked_for_by_name_although_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    async with tls_server(tmp_path, "heed.test") as (port, trusted):
        for host, wanted in (("heed.test", TAKEN), ("other.test", Outcome(Verdict.AWAY, "not_connected"))):
            async with httpx.AsyncClient(verify=trusted, trust_env=False) as client:
                webhooks = Webhooks(Targets(LOOPBACK, loopback), client)
                assert await webhooks.send(f"https://{host}:{port}/", "secret", DELIVERY, b"{}") == wanted


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with tls_server(tmp_path, "heed.test") as (port, _), webhook_client() as client:
        webhooks = Webhooks(Targets(LOOPBACK, loopback), client)
        outcome = await webhooks.send(f"https://heed.test:{port}/", "secret", DELIVERY, b"{}")
    assert outcome == Outcome(Verdict.AWAY, "not_connected")


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def sent(url: str) -> Outcome:
    """What comes of one attempt."""
    async with webhook_client() as client:
        return await Webhooks(Targets(LOOPBACK), client).send(url, "secret", DELIVERY, b"{}")


async def attempted(portal: Stage, number: int) -> bool:
    """Whether so many deliveries wait for another attempt."""
    return await counted(portal, "state = 'waiting' AND attempts > 0") == number


async def settled(portal: Stage) -> bool:
    """Whether none waits."""
    return await counted(portal, "state = 'waiting'") == 0


async def counted(portal: Stage, which: str) -> int:
    async with portal.database.connect() as connection:
        statement = f"SELECT count(*) FROM delivery WHERE {which}"  # noqa: S608 - constants only
        number = await connection.exec_driver_sql(statement)
        return int(number.scalar_one())


@asynccontextmanager
async def tls_server(folder: Path, name: str) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """Answers 204 under a certificate of its own making; its port, and what trusts that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + pem)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "server.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
    async with server:
        yield server.sockets[0].getsockname()[1], ssl.create_default_context(cadata=pem.decode())
