"""One submission's way through the house is one trace, over the outbox, Kafka and the tables where it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from services.portal.published import PAGES, PublishedStore
from shared.consumer import Delivery
from tests import clips
from tests.integration.delivery_stage import running_deliveries
from tests.integration.house import running_house
from tests.integration.test_media_service_whole_way import STORY, House, sent
from tests.integration.test_media_service_whole_way import house as house_with_media
from tests.integration.webhook_receiver import Receiver
from tests.unit.subscription_samples import page
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from tests.integration.conftest import DatabaseUrl

__all__ = ["house_with_media"]

pytestmark = pytest.mark.integration

WAY = [
    "POST /v1/feedback",
    "publish feedback-submitted",
    "process feedback-submitted",
    "process feedback-analysed",
    "publish learning-summaries",
]
"""From the one who submits to whoever reads the page."""

WAY_OF_A_FILM = [
    "POST /v1/media/{media_id}/complete",
    "publish media-uploaded",
    "process media-uploaded",
    WAY[2],
]
"""From there on it is a comment's way."""

NO_MAIL = SecretStr("mailto://127.0.0.1:9")
"""Where nobody listens: nothing is sent there."""

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def way_of(last: ReadableSpan, spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """From the first span to this one, parent by parent."""
    by_id = {span.context.span_id: span for span in spans.get_finished_spans()}
    way = [last]
    while (parent := way[0].parent) is not None and parent.span_id in by_id:
        way.insert(0, by_id[parent.span_id])
    return way


async def test_a_comments_trace_is_unbroken_from_the_request_to_the_page(
    kafka: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl, spans: InMemorySpanExporter
) -> None:
    def pages() -> list[ReadableSpan]:
        return [span for span in spans.get_finished_spans() if span.name == WAY[-1]]

    urls = await database_url("gateway"), await database_url("learning")
    async with running_house(kafka, publisher, *urls) as house:
        assert (await house.submit("traced")).status_code == 202
        await until(lambda: bool(pages()), 30)

    way = way_of(pages()[0], spans)
    assert [span.name for span in way] == WAY
    assert len({span.context.trace_id for span in way}) == 1
    assert way[0].parent is None


async def test_a_films_trace_is_unbroken_through_the_media_service(
    spans: InMemorySpanExporter, house_with_media: House
) -> None:
    def read() -> list[ReadableSpan]:
        return [span for span in spans.get_finished_spans() if span.name == WAY_OF_A_FILM[-1]]

    await sent(house_with_media, clips.mp4(words=STORY))
    await until(lambda: bool(read()), 60)

    way = way_of(read()[0], spans)
    assert [span.name for span in way] == WAY_OF_A_FILM
    assert len({span.context.trace_id for span in way}) == 1


async def test_the_client_s_own_trace_goes_on(
    kafka: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl, spans: InMemorySpanExporter
) -> None:
    def read() -> list[ReadableSpan]:
        return [span for span in spans.get_finished_spans() if span.name == "process feedback-analysed"]

    urls = await database_url("gateway"), await database_url("learning")
    async with running_house(kafka, publisher, *urls) as house:
        house.http.headers["traceparent"] = CLIENT
        assert (await house.submit("traced")).status_code == 202
        await until(lambda: bool(read()), 30)

    assert {format(span.context.trace_id, "032x") for span in read()} == {CLIENT.split("-")[1]}


async def test_a_page_is_delivered_in_the_trace_that_brought_it(
    database_url: DatabaseUrl, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    receiver = Receiver(tmp_path)
    receiver.start()
    try:
        async with running_deliveries(await database_url("portal"), NO_MAIL) as deliveries:
            await deliveries.subscribe(receiver.url)
            pages = PublishedStore(deliveries.database, PAGES, deliveries.clock)
            await pages.on_published([Delivery(page(), CLIENT)])
            await deliveries.sender().turn()
    finally:
        receiver.stop()

    (told,) = [span for span in spans.get_finished_spans() if span.name == "deliver webhook"]
    assert format(told.context.trace_id, "032x") == CLIENT.split("-")[1]
