"""Submits, edits and withdraws, alone and in batches, by HTTP and on the topic, until it is answered.

Each lane does one thing after another, so that the versions of one piece of feedback have an order; lanes run beside
each other. What is not answered is sent again, but for a few that are given up: those may have arrived or not.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
from aiokafka.errors import KafkaError

from services.gateway.feedback import prepare
from services.gateway.integrations import Integration
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.submission import read_submission
from shared.cloudevents import encode
from shared.events import FeedbackSubmitted, feedback_id
from tests.chaos.ledger import Item, Ledger, Version
from tests.chaos.plan import BURST
from tests.chaos.submissions import Content, content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from aiokafka import AIOKafkaProducer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

DIRECT = "direct"
"""The integration that has access to Kafka itself."""

AGAIN = 0.2
"""Seconds before what was not answered is sent again."""

_NO_PERSON = Pseudonyms(b"no submitter is named, so nothing is hashed")


def version_of(text: Content, integration: str, number: int) -> Version:
    """What a text becomes as that version of its feedback."""
    read = read_submission(json.dumps(text.body).encode(), NOW)
    made = prepare(read, Integration(integration, (), NOW), _NO_PERSON, NOW)
    event = FeedbackSubmitted.model_validate_json(made.event).model_copy(update={"version": number})
    return Version(text.body, event, text.sentence)


class Lane(ABC):
    """One client.

    Args:
        name: part of the ids of what it sends.
        integration: whom it sends for.
    """

    def __init__(self, name: str, integration: str, ledger: Ledger, chance: Random) -> None:
        self._name = name
        self._integration = integration
        self._ledger = ledger
        self._chance = chance
        self._mine: list[Item] = []
        self._given_up_at = 0.0

    async def burst(self, submissions: int, patience: float) -> None:
        """Send so many versions, spread over the time in which the faults strike."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._given_up_at = begun + patience
        left = submissions
        while left > 0 and not self._is_late():
            left -= await self._act(left)
            await asyncio.sleep(max(0.0, begun + BURST * (1 - left / submissions) - loop.time()))

    @abstractmethod
    async def _act(self, most: int) -> int:
        """Do one thing; how many versions were sent."""

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() > self._given_up_at

    def _new(self) -> Item:
        source = f"{self._name}-{len(self._mine)}"
        item = Item(feedback_id(self._integration, source), source)
        self._ledger.items[item.feedback_id] = item
        self._mine.append(item)
        return item

    def _known(self) -> Item | None:
        """One that may be edited or withdrawn: all that was sent of it was accepted."""
        free = [item for item in self._mine[-50:] if not item.withdrawn and item.accepted and not item.unanswered]
        return self._chance.choice(free) if free else None

    def _write(self, item: Item, number: int) -> Version:
        """Put a version into the ledger before it is sent."""
        text = content(next(self._ledger.texts), item.source_id, self._chance)
        item.sent[number] = version_of(text, self._integration, number)
        return item.sent[number]


class GatewayLane(Lane):
    """A client of the gateway.

    Args:
        http: with the gateway's address and the integration's key.
    """

    def __init__(self, name: str, integration: str, ledger: Ledger, chance: Random, http: httpx.AsyncClient) -> None:
        super().__init__(name, integration, ledger, chance)
        self._http = http

    async def _act(self, most: int) -> int:
        draw = self._chance.random()
        known = self._known()
        if known is not None and draw < 0.05:
            await self._withdraw(known)
            return 0
        if draw < 0.3:
            return await self._submit_batch(min(most, self._chance.randint(2, 15)))
        item = known if known is not None and draw < 0.45 else self._new()
        await self._submit(item, patient=draw < 0.96)
        return 1

    async def _submit(self, item: Item, *, patient: bool) -> None:
        number = len(item.sent) + 1
        version = self._write(item, number)
        while True:
            answer = await self._asked("POST", "/v1/feedback", json.dumps(version.body), "application/json")
            if answer is not None and answer.status_code == 202:
                self._accepted(item, number, answer.json())
                return
            if not patient or self._is_late():
                return
            await asyncio.sleep(AGAIN)

    async def _submit_batch(self, size: int) -> int:
        """An edit and new ones; no id twice: sent again, its first version would be the newest once more."""
        known = self._known()
        items = [self._new() for _ in range(size - (known is not None))] + ([known] if known is not None else [])
        lines = []
        for item in items:
            number = len(item.sent) + 1
            lines.append((item, number, json.dumps(self._write(item, number).body)))
        while not self._is_late():
            body = "\n".join(line for _, _, line in lines)
            answer = await self._asked("POST", "/v1/feedback:batch", body, "application/x-ndjson")
            if answer is not None and answer.status_code == 200 and self._all_accepted(lines, answer):
                break
            await asyncio.sleep(AGAIN)
        return len(lines)

    def _all_accepted(self, lines: Sequence[tuple[Item, int, str]], answer: httpx.Response) -> bool:
        told = [json.loads(line) for line in answer.text.splitlines()]
        for (item, number, _), each in zip(lines, told, strict=False):
            if each["status"] == 202:
                self._accepted(item, number, each)
        return len(told) == len(lines) and all(each["status"] == 202 for each in told)

    def _accepted(self, item: Item, number: int, told: dict[str, object]) -> None:
        """Note it, unless the gateway took it for something else than it was."""
        if (told["feedback_id"], told["version"]) != (str(item.feedback_id), number):
            self._ledger.surprises.append(f"{item.feedback_id}: version {told['version']} where {number} was sent")
        if item.receipt not in {None, told["receipt"]}:
            self._ledger.surprises.append(f"{item.feedback_id}: a second receipt")
        item.receipt = str(told["receipt"])
        item.accepted.add(number)

    async def _withdraw(self, item: Item) -> None:
        item.withdrawal_sent = True
        while not self._is_late():
            answer = await self._asked("DELETE", f"/v1/feedback/{item.receipt}")
            if answer is not None and answer.status_code == 202:
                item.withdrawn = True
                return
            await asyncio.sleep(AGAIN)

    async def _asked(
        self, method: str, path: str, body: str | None = None, kind: str | None = None
    ) -> httpx.Response | None:
        headers = {"Content-Type": kind} if kind else {}
        try:
            answer = await self._http.request(method, path, content=body, headers=headers)
        except httpx.TransportError:
            return None
        if answer.status_code not in {200, 202, 503}:
            self._ledger.surprises.append(f"{method} {path.partition('?')[0][:12]}: {answer.status_code}")
        return answer


class TopicLane(Lane):
    """An integration that publishes `feedback-submitted` itself: late versions, repeats, and records nobody can read.

    Args:
        producer: started.
        topic: in full.
    """

    def __init__(self, name: str, ledger: Ledger, chance: Random, producer: AIOKafkaProducer, topic: str) -> None:
        super().__init__(name, DIRECT, ledger, chance)
        self._producer = producer
        self._topic = topic
        self._poisoned = 0

    async def _act(self, most: int) -> int:
        draw = self._chance.random()
        known = self._known()
        if draw < 0.12:
            await self._poison()
            return 1
        if known is not None and draw < 0.2:
            await self._send(known, self._chance.choice(list(known.sent)))
            return 1
        item = known if known is not None and draw < 0.45 else self._new()
        numbers = [max(item.sent, default=0) + 1]
        if draw > 0.85 and most > 1:
            numbers.insert(0, numbers[0] + 1)  # the newer one first
        for number in numbers:
            self._write(item, number)
            await self._send(item, number)
        return len(numbers)

    async def _send(self, item: Item, number: int) -> None:
        key, value, headers = encode(item.sent[number].event, f"/{DIRECT}")
        if await self._acknowledged(key, value, headers):
            item.accepted.add(number)

    async def _poison(self) -> None:
        """Bytes that no reader understands, in three ways."""
        self._poisoned += 1
        source = f"{self._name}-poison-{self._poisoned}"
        event = self._write(Item(feedback_id(DIRECT, source), source), 1).event
        key, value, headers = encode(event, f"/{DIRECT}")
        if self._poisoned % 3 == 0:
            key = f"wrong-{self._poisoned}".encode()
        elif self._poisoned % 3 == 1:
            value = value[:-1]
        else:
            headers = [(name, b"heed.feedback.unheard.v1" if name == "ce_type" else told) for name, told in headers]
        self._ledger.poison[value] = False
        self._ledger.poison[value] = await self._acknowledged(key, value, headers)

    async def _acknowledged(self, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> bool:
        while not self._is_late():
            try:
                await self._producer.send_and_wait(self._topic, value, key=key, headers=headers)
            except KafkaError:
                await asyncio.sleep(AGAIN)
            else:
                return True
        return False
