"""What a webhook carries, where it may go, and how an answer is judged."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.channels import Outcome, Verdict
from services.portal.webhook import Webhooks, signature, webhook_client
from services.portal.webhook_targets import TargetAway, Targets, is_public, parsed
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

DELIVERY = UUID("00000000-0000-4000-8000-000000000001")
SECRET = "heedwh_0123456789abcdef0123456789abcdef0123456789a"


def resolving(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


def test_a_signature_is_what_openssl_makes() -> None:
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac "$SECRET"
    assert signature(SECRET, 1_700_000_000, b'{"a":1}') == (
        "v1=6c6116b21b67678915a3161cc4bf0209cb795cd04fa72f66654240876521433a"
    )


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_a_receiver_verifies_with_the_standard_library(body: bytes, timestamp: int) -> None:
    given_signature = signature(SECRET, timestamp, body)
    expected = hmac.new(SECRET.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(given_signature, f"v1={expected}")


@given(st.binary(max_size=50), st.integers(0, 2**40), st.binary(min_size=1, max_size=5), st.integers(1, 10))
def test_another_body_or_time_has_another_signature(body: bytes, timestamp: int, more: bytes, later: int) -> None:
    assert signature(SECRET, timestamp, body) != signature(SECRET, timestamp, body + more)
    assert signature(SECRET, timestamp, body) != signature(SECRET, timestamp + later, body)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104 - refused, never bound
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_the_internets_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:password@example.org/",
        "https://user@example.org/",
        "https://example.org/#part",
        "https://example.org\\@10.0.0.1/",
        "https://example.org:99999/",
        "https://example.org/a b",
        "https://exämple.org/",
        "https://[::1",
        f"https://example.org/{'a' * 2_000}",
    ],
)
def test_a_url_that_no_webhook_has_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed(url)
    assert "\n" not in str(refused.value)
    assert "password@" not in str(refused.value)


@pytest.mark.parametrize(
    "addresses", [("10.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("8.8.8.8", "::1"), ("169.254.169.254",)]
)
async def test_one_address_that_is_not_public_is_enough_to_refuse_a_name(addresses: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="not on the public internet"):
        await Targets(resolve=resolving(*addresses)).address(parsed("https://example.org/"))


async def test_the_address_that_was_checked_is_the_one_to_connect_to() -> None:
    assert await Targets(resolve=resolving("8.8.8.8", "8.8.4.4")).address(parsed("https://example.org/")) == "8.8.8.8"


async def test_a_network_that_is_allowed_may_be_reached_and_no_other() -> None:
    allowed = [ip_network("10.20.0.0/16")]
    assert await Targets(allowed, resolving("10.20.1.1")).address(parsed("https://heed.example/")) == "10.20.1.1"
    with pytest.raises(UsageError):
        await Targets(allowed, resolving("10.21.1.1")).address(parsed("https://heed.example/"))


@pytest.mark.parametrize(("address", "network"), [("8.8.8.8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.0/8")])
async def test_pages_never_travel_in_the_clear(address: str, network: str) -> None:
    with pytest.raises(UsageError, match="https"):
        await Targets([ip_network(network)], resolving(address)).address(parsed("http://example.org/"))


async def test_in_the_trial_a_page_may_go_to_loopback_in_the_clear() -> None:
    allowed = [ip_network("127.0.0.0/8")]
    assert await Targets(allowed, resolving("127.0.0.1")).address(parsed("http://localhost:1/")) == "127.0.0.1"


async def test_a_name_without_an_address_is_away() -> None:
    with pytest.raises(TargetAway):
        await Targets(resolve=resolving()).address(parsed("https://example.org/"))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.TAKEN),
        (202, Verdict.TAKEN),
        (204, Verdict.TAKEN),
        (299, Verdict.TAKEN),
        (301, Verdict.AWAY),
        (302, Verdict.AWAY),
        (307, Verdict.AWAY),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
        (404, Verdict.REFUSED),
        (408, Verdict.AWAY),
        (410, Verdict.GONE),
        (413, Verdict.REFUSED),
        (429, Verdict.AWAY),
        (500, Verdict.AWAY),
        (503, Verdict.AWAY),
    ],
)
async def test_an_answer_is_judged_by_its_status_alone(status: int, verdict: Verdict) -> None:
    async with answering(status) as webhooks:
        outcome = await webhooks.send("https://example.org/", SECRET, DELIVERY, b"{}")
    assert outcome.verdict is verdict
    assert outcome.reason == (None if verdict is Verdict.TAKEN else f"http_{status}")


async def test_what_is_sent_names_the_host_and_goes_to_the_address() -> None:
    seen: list[httpx.Request] = []
    async with answering(200, seen) as webhooks:
        await webhooks.send("https://example.org:8443/heed?x=1", SECRET, DELIVERY, b'{"a":1}')
    (request,) = seen
    assert str(request.url) == "https://8.8.8.8:8443/heed?x=1"
    assert request.headers["host"] == "example.org:8443"
    assert request.extensions["sni_hostname"] == "example.org"
    assert request.headers["heed-delivery"] == str(DELIVERY)
    assert request.headers["heed-timestamp"] == "1700000000"
    assert request.headers["heed-signature"] == signature(SECRET, 1_700_000_000, b'{"a":1}')


async def test_a_target_that_is_not_allowed_any_more_is_refused_without_a_connection() -> None:
    async with webhook_client() as client:
        webhooks = Webhooks(Targets(resolve=resolving("10.0.0.1")), client)
        outcome = await webhooks.send("https://example.org/", SECRET, DELIVERY, b"{}")
    assert outcome == Outcome(Verdict.REFUSED, "target_not_allowed")


@asynccontextmanager
async def answering(status: int, seen: list[httpx.Request] | None = None) -> AsyncIterator[Webhooks]:
    """Webhooks whose receiver answers with a status."""

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(status, headers={"Location": "http://10.0.0.1/"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=False) as client:
        yield Webhooks(Targets(resolve=resolving("8.8.8.8")), client, lambda: 1_700_000_000.9)
