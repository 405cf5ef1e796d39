from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import uvicorn

from deploy.feed import Checkpoint, FeedReport, feed, numbered
from deploy.formats.rows import Refused, Row, Submission
from shared.errors import HeedError, TransientFault, UsageError
from shared.events import feedback_id

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a-key-of-this-test"
pytestmark = pytest.mark.asyncio(loop_scope="module")

feed_quickly = partial(feed, backoff=0.005, patience=5.0)


@dataclass(frozen=True)
class Refusal:
    """Answer the request with this status instead of reading it."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True)
class BreakAfter:
    """Take all lines, answer only the first of them, and drop the connection."""

    answers: int


@dataclass(frozen=True)
class AwayFrom:
    """Answer lines from this one on with 503, as when the database goes away in the middle."""

    line: int


@dataclass(frozen=True)
class StopAt:
    """Answer this line with 413 and none after it: the request outgrew its limit."""

    line: int


Fault = Refusal | BreakAfter | AwayFrom | StopAt | None


class TinyGateway:
    """A gateway in a dictionary, on a real socket; `faults` are used up, one a request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stored: dict[str, list[dict[str, Any]]] = {}
        self.faults: list[Fault] = []
        self.requests: list[int] = []
        self.largest = 10**9
        self.judge: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda body: None
        self.held_back: bytes | None = None
        self.released = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        fault = self.faults.pop(0) if self.faults else None
        headers = dict(scope["headers"])
        if headers.get(b"authorization") != f"Bearer {KEY}".encode():
            fault = Refusal(401)
        elif scope["path"] != "/v1/feedback:batch":
            fault = Refusal(404)
        elif len(body) > self.largest:
            fault = Refusal(413)
        if isinstance(fault, Refusal):
            extra = [(b"retry-after", fault.retry_after.encode())] if fault.retry_after else []
            await send({"type": "http.response.start", "status": fault.status, "headers": extra})
            await send({"type": "http.response.body", "body": b'{"title": "no"}'})
            return
        if self.held_back and self.held_back in body:
            await self.released.wait()
        lines = body.splitlines()
        self.requests.append(len(lines))
        if len(self.requests) == 2:
            self.released.set()
        answers = list(self._answers(lines, fault))
        whole = b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)
        length = [(b"content-length", str(len(whole)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if isinstance(fault, BreakAfter):
            kept = b"".join(json.dumps(answer).encode() + b"\n" for answer in answers[: fault.answers])
            await send({"type": "http.response.body", "body": kept, "more_body": True})
            raise ConnectionResetError
        await send({"type": "http.response.body", "body": whole})

    def _answers(self, lines: list[bytes], fault: Fault) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines, start=1):
            if isinstance(fault, AwayFrom) and number >= fault.line:
                yield {"line": number, "status": 503, "problem": {"type": "urn:heed:problem:unavailable"}}
                continue
            if isinstance(fault, StopAt) and number == fault.line:
                yield {"line": number, "status": 413, "problem": {"type": "urn:heed:problem:too-large"}}
                return
            yield {"line": number} | self._taken(json.loads(line))

    def _taken(self, body: dict[str, Any]) -> dict[str, Any]:
        if problem := self.judge(body):
            return problem
        versions = self.stored.setdefault(body["source_id"], [])
        duplicate = bool(versions) and versions[-1] == body
        if not duplicate:
            versions.append(body)
        identity = str(feedback_id("test", body["source_id"]))
        return {"status": 202, "feedback_id": identity, "version": len(versions), "duplicate": duplicate}


class Site:
    """What listens on the socket; each test puts a gateway of its own behind it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.gateway = TinyGateway(url)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.gateway(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(site, log_level="critical", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield site
        server.should_exit = True
        await serving


@pytest.fixture
def gateway(site: Site) -> TinyGateway:
    site.gateway = TinyGateway(site.url)
    return site.gateway


def bodies(count: int) -> list[dict[str, Any]]:
    return [{"source_id": f"id-{number}", "text": f"text {number}"} for number in range(count)]


def taken(gateway: TinyGateway) -> list[str]:
    return sorted(gateway.stored)


async def test_everything_arrives_once_in_batches(gateway: TinyGateway) -> None:
    seen: list[int] = []
    report = await feed(
        numbered(bodies(25)), url=gateway.url, key=KEY, batch_lines=10, progress=lambda r: seen.append(r.rows)
    )
    assert sorted(gateway.requests) == [5, 10, 10]
    assert (report.accepted, report.duplicates, report.refused, report.retries) == (25, 0, [], 0)
    assert report.feedback_ids == {feedback_id("test", f"id-{number}") for number in range(25)}
    assert seen[-1] == 25


async def test_a_second_feeding_doubles_nothing(gateway: TinyGateway) -> None:
    await feed(numbered(bodies(7)), url=gateway.url, key=KEY)
    report = await feed(numbered(bodies(7)), url=gateway.url, key=KEY)
    assert (report.accepted, report.duplicates) == (0, 7)
    assert all(len(versions) == 1 for versions in gateway.stored.values())


@pytest.mark.parametrize(
    "fault",
    [Refusal(503), Refusal(429), Refusal(500), BreakAfter(0), BreakAfter(3), AwayFrom(1), AwayFrom(4), StopAt(4)],
    ids=repr,
)
async def test_a_fault_that_passes_loses_and_doubles_nothing(gateway: TinyGateway, fault: Fault) -> None:
    gateway.faults = [fault, None, fault]
    report = await feed_quickly(numbered(bodies(30)), url=gateway.url, key=KEY, batch_lines=10)
    assert taken(gateway) == sorted(body["source_id"] for body in bodies(30))
    assert all(len(versions) == 1 for versions in gateway.stored.values())
    assert report.accepted + report.duplicates == report.rows == len(report.feedback_ids) == 30
    assert report.retries >= 2


async def test_answers_that_came_before_the_connection_broke_stand(gateway: TinyGateway) -> None:
    gateway.faults = [BreakAfter(3)]
    report = await feed_quickly(numbered(bodies(10)), url=gateway.url, key=KEY)
    assert (report.accepted, report.duplicates, gateway.requests) == (3, 7, [10, 7])


async def test_a_wait_that_the_gateway_asks_for_is_kept(gateway: TinyGateway) -> None:
    gateway.faults = [Refusal(503, retry_after="0.3")]
    before = asyncio.get_running_loop().time()
    await feed_quickly(numbered(bodies(1)), url=gateway.url, key=KEY)
    assert asyncio.get_running_loop().time() - before >= 0.3


async def test_refused_lines_are_told_by_file_line_and_reason_without_words(gateway: TinyGateway) -> None:
    errors = [{"field": "occurred_at", "problem": "SECRET"}, {"field": "odd field SECRET", "problem": "SECRET"}]
    problem = {"type": "urn:heed:problem:invalid-feedback", "detail": "SECRET", "errors": errors}
    gateway.judge = lambda body: {"status": 422, "problem": problem} if body["text"] == "bad" else None
    rows: list[Row] = [
        Submission(2, {"source_id": "a", "text": "good"}),
        Refused(5, "empty"),
        Submission(9, {"source_id": "b", "text": "bad"}),
    ]
    report = await feed(rows, url=gateway.url, key=KEY)
    assert sorted((row.line, row.reason) for row in report.refused) == [
        (5, "empty"),
        (9, "invalid_feedback:occurred_at"),
    ]
    assert report.reasons == {"empty": 1, "invalid_feedback:occurred_at": 1}
    assert (report.accepted, report.rows) == (1, 3)


async def test_a_request_too_large_is_parted(gateway: TinyGateway) -> None:
    gateway.largest = 150
    rows = numbered([*bodies(9), {"source_id": "huge", "text": "x" * 200}])
    report = await feed(rows, url=gateway.url, key=KEY)
    assert report.accepted == 9
    assert report.refused == [Refused(10, "too_large")]


async def test_half_a_surrogate_pair_harms_no_neighbour(gateway: TinyGateway) -> None:
    rows = numbered([{"source_id": "a", "text": "\ud83d"}, {"source_id": "b", "text": "é 🙂"}])
    assert (await feed(rows, url=gateway.url, key=KEY)).accepted == 2


async def test_versions_of_one_id_keep_their_order_under_concurrency(gateway: TinyGateway) -> None:
    rows = numbered([{"source_id": "same", "text": str(number)} for number in range(12)])
    gateway.faults = [None, Refusal(503), None, Refusal(503)]
    await feed_quickly(rows, url=gateway.url, key=KEY, batch_lines=1, concurrency=4)
    assert [version["text"] for version in gateway.stored["same"]] == [str(number) for number in range(12)]


@pytest.mark.parametrize("key", ["another-key", "", "ключ", "a\nb"])
async def test_a_bad_key_is_one_clear_line(gateway: TinyGateway, key: str) -> None:
    with pytest.raises(UsageError, match=r"key .*heed integrations add") as refused:
        await feed(numbered(bodies(3)), url=gateway.url, key=key)
    assert "\n" not in str(refused.value)
    assert gateway.stored == {}


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://[", "not a url"])
async def test_a_bad_url_is_one_clear_line(url: str) -> None:
    with pytest.raises(UsageError, match="must look like"):
        await feed(numbered(bodies(1)), url=url, key=KEY)


async def test_something_else_than_a_gateway_is_told(gateway: TinyGateway) -> None:
    with pytest.raises(UsageError, match="there is no gateway at"):
        await feed(numbered(bodies(1)), url=f"{gateway.url}/elsewhere", key=KEY)


async def test_an_unknown_answer_ends_the_feeding(gateway: TinyGateway) -> None:
    gateway.faults = [Refusal(415)]
    with pytest.raises(HeedError, match="answers 415"):
        await feed(numbered(bodies(1)), url=gateway.url, key=KEY)


async def test_a_gateway_that_stays_away_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransientFault, match="run this again, nothing doubles"):
        await feed(numbered(bodies(3)), url=url, key=KEY, backoff=0.01, patience=0.1)


async def test_patience_starts_anew_with_every_progress(gateway: TinyGateway) -> None:
    gateway.faults = [AwayFrom(2)] * 19
    report = await feed(numbered(bodies(20)), url=gateway.url, key=KEY, backoff=0.02, patience=0.2)
    assert report.accepted == 20


async def test_a_fault_of_the_reader_ends_the_feeding(gateway: TinyGateway) -> None:
    def rows() -> Iterator[Row]:
        yield Submission(1, {"source_id": "a"})
        raise UsageError("the file grew while it was read")

    with pytest.raises(UsageError, match="grew"):
        await feed(rows(), url=gateway.url, key=KEY)


def checkpoint_for(tmp_path: Path, gateway: TinyGateway) -> Checkpoint:
    source = tmp_path / "export.csv"
    if not source.exists():
        source.write_text("rows")
    return Checkpoint.of(tmp_path / "checkpoint.json", source, gateway.url)


async def interrupted(tmp_path: Path, gateway: TinyGateway) -> Checkpoint:
    """Feed 30 rows, of which the gateway takes two batches of 10 and then no more."""
    checkpoint = checkpoint_for(tmp_path, gateway)
    gateway.faults = [None, None, Refusal(415)]
    with pytest.raises(HeedError):
        await feed(numbered(bodies(30)), url=gateway.url, key=KEY, batch_lines=10, concurrency=1, checkpoint=checkpoint)
    return checkpoint


async def test_a_later_call_goes_on_after_the_checkpoint(tmp_path: Path, gateway: TinyGateway) -> None:
    checkpoint = await interrupted(tmp_path, gateway)
    assert checkpoint.line() == 20
    gateway.requests.clear()
    report = await feed(numbered(bodies(30)), url=gateway.url, key=KEY, checkpoint=checkpoint)
    assert gateway.requests == [10]
    assert (report.skipped, report.accepted, report.rows) == (20, 10, 30)
    assert not checkpoint.path.exists()


async def test_a_changed_file_does_not_believe_the_checkpoint(tmp_path: Path, gateway: TinyGateway) -> None:
    await interrupted(tmp_path, gateway)
    (tmp_path / "export.csv").write_text("more rows")
    assert checkpoint_for(tmp_path, gateway).line() == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"line": "x"}'])
async def test_a_spoilt_checkpoint_starts_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    assert Checkpoint(path, "one").line() == 0


async def test_a_batch_under_way_holds_the_checkpoint_back(tmp_path: Path, gateway: TinyGateway) -> None:
    checkpoint = checkpoint_for(tmp_path, gateway)
    lines: list[int] = []
    gateway.held_back = b'"id-0"'
    await feed(
        numbered(bodies(30)),
        url=gateway.url,
        key=KEY,
        batch_lines=10,
        checkpoint=checkpoint,
        progress=lambda report: lines.append(checkpoint.line()),
    )
    assert (len(lines), lines[:2]) == (3, [0, 0])


async def test_rows_are_told_before_they_are_confirmed(tmp_path: Path, gateway: TinyGateway) -> None:
    checkpoint = checkpoint_for(tmp_path, gateway)
    rows: list[Row] = [Refused(line, "empty") for line in range(1, 31)]
    told_and_confirmed: list[tuple[int, int]] = []
    await feed(
        rows,
        url=gateway.url,
        key=KEY,
        batch_lines=10,
        concurrency=1,
        checkpoint=checkpoint,
        progress=lambda report: told_and_confirmed.append((len(report.refused), checkpoint.line())),
    )
    assert told_and_confirmed == [(10, 0), (20, 10), (30, 20)]


async def test_rows_of_one_line_stay_in_one_batch(tmp_path: Path, gateway: TinyGateway) -> None:
    rows: list[Row] = [Submission(line, {"source_id": f"{line}-{part}"}) for line in (2, 3) for part in range(3)]
    report: FeedReport = await feed(rows, url=gateway.url, key=KEY, batch_lines=2)
    assert sorted(gateway.requests) == [3, 3]
    assert report.rows == 6
