"""Hands rows to a running gateway over HTTP: batches, retries, and a report of every row's fate.

Delivery is at least once with an idempotent end: a batch whose answer was lost is posted again, and the gateway knows
its rows by their `source_id`. Nothing here repeats a patient's words: not the report, not an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from deploy.formats.rows import Body, Refused, Row, Submission
from deploy.gateway_client import Answer, Away, GatewayClient, TooLarge
from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BATCH_BYTES = 4 * 1024 * 1024
"""Bytes after which a batch is posted although it has room for more lines."""


@dataclass(slots=True)
class FeedReport:
    """What became of the rows so far; `rows` = accepted + duplicates + refused + skipped.

    Attributes:
        accepted: durable at the gateway because of this call.
        duplicates: the gateway had them before with the same content (or took them, and its answer was lost).
        refused: by the reader or by the gateway, with line and reason.
        skipped: confirmed by an earlier call, says the checkpoint.
        retries: requests that had to be sent again.
        feedback_ids: of the accepted and the duplicates.
    """

    accepted: int = 0
    duplicates: int = 0
    refused: list[Refused] = field(default_factory=list)
    skipped: int = 0
    retries: int = 0
    feedback_ids: set[UUID] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """All rows whose fate is known."""
        return self.accepted + self.duplicates + len(self.refused) + self.skipped

    @property
    def reasons(self) -> Counter[str]:
        """How many rows were refused for each reason."""
        return Counter(row.reason for row in self.refused)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Remembers in a file up to which line everything is confirmed, so that a later call starts after it.

    Attributes:
        path: the checkpoint's own file; it goes when all is done.
        identity: of what is fed to where; a checkpoint with another identity is not believed.
    """

    path: Path
    identity: str

    @classmethod
    def of(cls, path: Path, source: Path, url: str) -> Checkpoint:
        """A checkpoint that holds as long as `source` is unchanged (its place, size and time of change)."""
        status = source.stat()
        told = f"{source.resolve()}\n{status.st_size}\n{status.st_mtime_ns}\n{url}"
        return cls(path, hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest())

    def line(self) -> int:
        """The last confirmed line; 0 where there is no checkpoint, or none for this identity."""
        try:
            told = json.loads(self.path.read_bytes())
            return int(told["line"]) if told["identity"] == self.identity else 0
        except (OSError, ValueError, TypeError, KeyError):
            return 0

    def confirm(self, line: int) -> None:
        """Move on; a crash leaves either the old line or the new one."""
        beside = self.path.with_name(f"{self.path.name}.new")
        beside.write_text(json.dumps({"identity": self.identity, "line": line}), encoding="utf-8")
        beside.replace(self.path)

    def clear(self) -> None:
        """Forget: all is confirmed."""
        self.path.unlink(missing_ok=True)


def numbered(bodies: Iterable[Body]) -> Iterator[Row]:
    """Bodies that come from no file as rows, numbered from 1."""
    return (Submission(number, body) for number, body in enumerate(bodies, start=1))


async def feed(
    rows: Iterable[Row],
    *,
    url: str,
    key: str,
    progress: Callable[[FeedReport], None] = lambda report: None,
    batch_lines: int = 500,
    concurrency: int = 2,
    checkpoint: Checkpoint | None = None,
    backoff: float = 0.2,
    patience: float = 120.0,
) -> FeedReport:
    """Post every submission among `rows` to the gateway, and report on all of them.

    Memory: `concurrency` + 1 batches, and some 150 bytes a row for ids and refusals. `rows` is read in a thread. Rows
    with the same `source_id` reach the gateway in their order, whatever the concurrency.

    Args:
        rows: from a reader of `deploy.formats`, or `numbered`; lines must not fall.
        url: of the gateway, such as `http://127.0.0.1:8080`.
        key: of an integration.
        progress: called with the report, which goes on changing, after each batch.
        batch_lines: rows in one request at most.
        concurrency: requests under way at once.
        checkpoint: where confirmed lines are remembered; they are skipped.
        backoff: seconds before the first retry, doubled each time up to 5 seconds, with jitter.
        patience: seconds without progress after which the gateway is given up.

    Raises:
        UsageError: the URL is none, nothing there is a gateway, or the key is refused.
        TransientFault: the gateway was away for longer than `patience`; the same call may be made again.
        HeedError: the gateway gave an answer that this version does not know.
    """
    async with GatewayClient.connected(url, key) as client:
        feeder = _Feeder(
            client,
            _batches(rows, batch_lines, checkpoint),
            progress=progress,
            checkpoint=checkpoint,
            backoff=backoff,
            patience=patience,
        )
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(concurrency):
                    workers.create_task(feeder.work())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
    if checkpoint:
        checkpoint.clear()
    return feeder.report


@dataclass(slots=True)
class _Batch:
    """Consecutive rows; those of one physical line are never parted, so that its last line can be a checkpoint."""

    number: int
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)
    skipped: int = 0
    size: int = 0
    last_line: int = 0

    def add(self, row: Row) -> None:
        self.last_line = row.line
        payload = _encoded(row.body) if isinstance(row, Submission) else None
        if isinstance(row, Refused):
            self.refused.append(row)
        elif payload is None:
            self.refused.append(Refused(row.line, "nested_too_deeply"))
        else:
            self.lines.append((row.line, payload))
            self.ids.add(str(row.body.get("source_id")))
            self.size += len(payload)

    def is_full(self, lines: int) -> bool:
        return len(self.lines) + len(self.refused) + self.skipped >= lines or self.size >= BATCH_BYTES


def _encoded(body: Body) -> bytes | None:
    """One line of JSON; None where it is nested too deeply to be written."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair: only an escape can say it, and the gateway will judge
        return json.dumps(body, separators=(",", ":")).encode() + b"\n"
    except RecursionError:
        return None


def _batches(rows: Iterable[Row], lines: int, checkpoint: Checkpoint | None) -> Iterator[_Batch]:
    confirmed = checkpoint.line() if checkpoint else 0
    batch = _Batch(0)
    for row in rows:
        if batch.is_full(lines) and row.line != batch.last_line:
            yield batch
            batch = _Batch(batch.number + 1)
        if row.line <= confirmed:
            batch.skipped += 1
            batch.last_line = row.line
        else:
            batch.add(row)
    yield batch


class _Feeder:
    """Shares the batches out among workers and keeps the report."""

    def __init__(
        self,
        client: GatewayClient,
        batches: Iterator[_Batch],
        *,
        progress: Callable[[FeedReport], None],
        checkpoint: Checkpoint | None,
        backoff: float,
        patience: float,
    ) -> None:
        self.report = FeedReport()
        self._client = client
        self._batches = batches
        self._progress = progress
        self._checkpoint = checkpoint
        self._backoff = backoff
        self._patience = patience
        self._taking = asyncio.Lock()
        self._freed = asyncio.Event()
        self._in_flight: set[str] = set()
        self._done: dict[int, int] = {}
        self._next_to_confirm = 0

    async def work(self) -> None:
        """Deliver batches until there are no more."""
        while batch := await self._next():
            await self._deliver(batch.lines)
            self._confirm(batch)

    async def _next(self) -> _Batch | None:
        async with self._taking:
            batch = await asyncio.to_thread(next, self._batches, None)
            while batch and not self._in_flight.isdisjoint(batch.ids):
                self._freed.clear()
                await self._freed.wait()
            if batch:
                self._in_flight |= batch.ids
            return batch

    def _confirm(self, batch: _Batch) -> None:
        self._in_flight -= batch.ids
        self._freed.set()
        self.report.refused += batch.refused
        self.report.skipped += batch.skipped
        self._done[batch.number] = batch.last_line
        confirmed = 0
        while self._next_to_confirm in self._done:
            confirmed = self._done.pop(self._next_to_confirm)
            self._next_to_confirm += 1
        # Told before it is confirmed: a kill in between has rows told twice, never not at all.
        self._progress(self.report)
        if self._checkpoint and confirmed:
            self._checkpoint.confirm(confirmed)

    async def _deliver(self, lines: list[tuple[int, bytes]]) -> None:
        """Post until every line has an answer that stands.

        Raises:
            TransientFault: no line got one for longer than the patience.
        """
        clock = asyncio.get_running_loop().time
        failures, progressed = 0, clock()
        while lines:
            try:
                left = self._settle(lines, await self._client.post([payload for _, payload in lines]))
                away = Away("it answered for too few of the lines")
            except TooLarge:
                await self._deliver_halves(lines)
                return
            except Away as fault:
                left, away = lines, fault
            if len(left) < len(lines):
                failures, progressed = 0, clock()
            lines = left
            if not lines:
                return
            if clock() - progressed > self._patience:
                raise TransientFault(
                    f"the gateway at {self._client.url} is away: {away}; "
                    f"{self.report.rows} rows are settled; start it and run this again, nothing doubles"
                )
            self.report.retries += 1
            await asyncio.sleep(max(away.retry_after, self._pause(failures)))
            failures += 1

    def _pause(self, failures: int) -> float:
        return float(min(5.0, self._backoff * 2 ** min(failures, 16)) * random.uniform(0.5, 1))  # noqa: S311 - jitter

    async def _deliver_halves(self, lines: list[tuple[int, bytes]]) -> None:
        if len(lines) == 1:
            self.report.refused.append(Refused(lines[0][0], "too_large"))
            return
        middle = len(lines) // 2
        await self._deliver(lines[:middle])
        await self._deliver(lines[middle:])

    def _settle(self, lines: list[tuple[int, bytes]], answers: dict[int, Answer]) -> list[tuple[int, bytes]]:
        """Enter the answers that stand into the report; return the lines that must be sent again, in order."""
        left = []
        for number, (line, payload) in enumerate(lines, start=1):
            answer = answers.get(number)
            # The gateway stops reading at a request too large for it: what it had not read is sent by itself.
            stopped = answer is not None and answer.status == 413 and number > 1 and number + 1 not in answers
            if answer is None or answer.is_transient or stopped:
                left.append((line, payload))
            elif answer.feedback_id is None:
                self.report.refused.append(Refused(line, answer.reason))
            else:
                self.report.feedback_ids.add(answer.feedback_id)
                self.report.duplicates += answer.duplicate
                self.report.accepted += not answer.duplicate
        return left
