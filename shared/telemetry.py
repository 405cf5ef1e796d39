"""Every metric and attribute name once, and the few calls that services make with them.

Nothing is exported until `configure` is called with an endpoint; until then each call costs next to nothing. Logs are
one JSON object a line and carry no exception text: a message may quote the value that caused it, and that value may be
a patient's words. What is logged of an exception is its class and where it was raised.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import sys
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import metrics, propagate, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCOPE = "heed"

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Upper bounds of every histogram in seconds; OpenTelemetry's own begin at 5, which is where a batch is in trouble."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class MetricDefinition(NamedTuple):
    """What an operator reads beside the number."""

    name: str
    kind: str
    """counter | histogram | gauge."""
    unit: str
    description: str


class Metric(Enum):
    """All metrics of all services."""

    RECORDS = MetricDefinition("heed.consumer.records", "counter", "{record}", "Records read, by topic and outcome.")
    BATCH = MetricDefinition("heed.consumer.batch", "histogram", "{record}", "Records handled together.")
    BATCH_SECONDS = MetricDefinition("heed.consumer.batch.duration", "histogram", "s", "Time to handle one batch.")
    DEAD_LETTERS = MetricDefinition("heed.dead_letters", "counter", "{record}", "Dead letters, by topic and reason.")
    RETRIES = MetricDefinition("heed.consumer.retries", "counter", "{retry}", "Retries of a transient fault.")
    HALTED = MetricDefinition("heed.consumer.halted", "gauge", "1", "1 while the dead-letter breaker is open.")
    LAG = MetricDefinition("heed.consumer.lag", "gauge", "{record}", "Records not read yet, of a member's partitions.")
    GAPS = MetricDefinition("heed.consumer.gaps", "counter", "{gap}", "Offset gaps sought back over.")
    TEXTS_READ = MetricDefinition("heed.analysis.texts", "counter", "{text}", "Texts read, by language.")
    URGENT = MetricDefinition("heed.analysis.urgent", "counter", "{reason}", "Reasons for a person to look, by reason.")
    ANALYSED_DELAY = MetricDefinition("heed.analysis.delay", "histogram", "s", "From acceptance to analysed.")
    REDACTIONS = MetricDefinition("heed.analysis.redactions", "counter", "{span}", "Stretches redacted, by kind.")
    VOICES = MetricDefinition(
        "heed.learning.voices", "counter", "{voice}", "Feedback heard for the first time, by channel."
    )
    READINGS = MetricDefinition("heed.learning.readings", "counter", "{reading}", "Readings by outcome.")
    UNROUTED = MetricDefinition("heed.learning.unrouted", "counter", "{reading}", "Readings that no team receives.")
    CORRECTIONS = MetricDefinition("heed.learning.corrections", "counter", "{correction}", "Corrections, by outcome.")
    URGENT_OPEN = MetricDefinition("heed.learning.urgent_open", "gauge", "{item}", "Urgent items not taken on yet.")
    URGENT_OVERDUE = MetricDefinition("heed.learning.urgent_overdue", "gauge", "{item}", "Those that waited too long.")
    DIGESTS = MetricDefinition("heed.learning.digests", "counter", "{digest}", "Theme digests, by outcome.")
    SUMMARIES = MetricDefinition("heed.learning.summaries", "counter", "{summary}", "Summaries published or held.")
    MEDIA = MetricDefinition("heed.media.checked", "counter", "{item}", "Decisions about media, by state and reason.")
    MEDIA_SECONDS = MetricDefinition("heed.media.check.duration", "histogram", "s", "Time to check one upload.")
    MEDIA_HELD = MetricDefinition("heed.media.held", "gauge", "{item}", "Media that wait for a person to decide.")
    FEEDBACK = MetricDefinition("heed.gateway.feedback", "counter", "{item}", "Submissions, by outcome.")
    OUTBOX_PUBLISHED = MetricDefinition("heed.gateway.published", "counter", "{row}", "Outbox rows that Kafka took.")
    OUTBOX_WAITING = MetricDefinition("heed.gateway.outbox", "gauge", "{row}", "Outbox rows that wait for Kafka.")
    OUTBOX_AGE = MetricDefinition("heed.gateway.outbox.age", "gauge", "s", "How long the oldest of them has waited.")
    OUTBOX_SET_ASIDE = MetricDefinition("heed.gateway.set_aside", "counter", "{row}", "Rows never to be published.")
    SUMMARISED_DELAY = MetricDefinition("heed.gateway.summarised.delay", "histogram", "s", "From acceptance to a page.")
    UPLOADS = MetricDefinition("heed.gateway.uploads", "counter", "{upload}", "Recordings declared, by outcome.")
    DELIVERIES = MetricDefinition("heed.portal.deliveries", "counter", "{delivery}", "Deliveries, by channel, outcome.")
    RELAY_FAULTS = MetricDefinition("heed.gateway.relay_faults", "counter", "{fault}", "Faults the relay outlived.")


@cache
def _instrument(metric: Metric) -> metrics.Counter | metrics.Histogram | metrics._Gauge:
    meter = metrics.get_meter(SCOPE)
    name, kind, unit, description = metric.value
    if kind == "counter":
        return meter.create_counter(name, unit, description)
    if kind == "histogram":
        bounds = SECONDS_BUCKETS if unit == "s" else None
        return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)
    return meter.create_gauge(name, unit, description)


def count(metric: Metric, amount: int = 1, attributes: Mapping[str, str] | None = None) -> None:
    """Add to a counter."""
    instrument = _instrument(metric)
    assert isinstance(instrument, metrics.Counter), f"{metric.name} is no counter"
    instrument.add(amount, attributes)


def record(metric: Metric, value: float, attributes: Mapping[str, str] | None = None) -> None:
    """Put one value into a histogram."""
    instrument = _instrument(metric)
    assert isinstance(instrument, metrics.Histogram), f"{metric.name} is no histogram"
    instrument.record(value, attributes)


def measure(metric: Metric, value: float, attributes: Mapping[str, str] | None = None) -> None:
    """Set a gauge."""
    instrument = _instrument(metric)
    assert isinstance(instrument, metrics._Gauge), f"{metric.name} is no gauge"
    instrument.set(value, attributes)


def configure(service: str, endpoint: str | None) -> None:
    """Export traces and metrics over OTLP/HTTP to `endpoint`; without one, do nothing."""
    if endpoint is None:
        return
    # Imported here: the exporter is only needed, and only paid for, where there is somewhere to export to.
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    # Members of one service would overwrite each other's series if nothing told them apart.
    instance = f"{socket.gethostname()}-{os.getpid()}"
    resource = Resource.create({"service.name": f"heed-{service}", "service.instance.id": instance})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(traces)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint.rstrip('/')}/v1/metrics"))
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))


@contextmanager
def request_span(name: str, traceparent: str | None) -> Iterator[str | None]:
    """A span for one request: the trace begins here, unless the client brought one.

    Args:
        name: method and route, without any value.
        traceparent: the client's.

    Yields:
        The `traceparent` to keep with what is accepted.
    """
    with _spans(SpanKind.SERVER, [(name, {}, traceparent)]) as traceparents:
        yield traceparents[0]


@contextmanager
def process_spans(topic: str, traceparents: Sequence[str | None]) -> Iterator[list[str | None]]:
    """One span for each record of a batch, each a child of the trace that its record carries.

    Yields:
        For each record the `traceparent` to send on with what comes of it.
    """
    with _spans(SpanKind.CONSUMER, [(f"process {topic}", _kafka(topic), parent) for parent in traceparents]) as own:
        yield own


@contextmanager
def publish_spans(records: Sequence[tuple[str, str | None]]) -> Iterator[list[str | None]]:
    """One span for each record that is sent; what waited in a table goes on in the trace that it came with.

    Args:
        records: topic and `traceparent` of each.

    Yields:
        For each record the `traceparent` to put into its headers.
    """
    with _spans(SpanKind.PRODUCER, [(f"publish {topic}", _kafka(topic), parent) for topic, parent in records]) as own:
        yield own


@contextmanager
def deliver_spans(channel: str, traceparents: Sequence[str | None]) -> Iterator[None]:
    """One span for each page that is sent out of the house: the end of its trace."""
    with _spans(SpanKind.CLIENT, [(f"deliver {channel}", {}, parent) for parent in traceparents]):
        yield


def _kafka(topic: str) -> dict[str, str]:
    return {"messaging.system": "kafka", "messaging.destination.name": topic}


@contextmanager
def _spans(kind: SpanKind, wanted: Sequence[tuple[str, Mapping[str, str], str | None]]) -> Iterator[list[str | None]]:
    """Spans by name, attributes and parent; yields the context of each, or its parent's where nothing is traced."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        yield [parent for _, _, parent in wanted]
        return
    tracer = trace.get_tracer(SCOPE)
    spans = [
        tracer.start_span(
            name,
            context=propagate.extract({"traceparent": parent} if parent else {}),
            kind=kind,
            attributes=attributes,
        )
        for name, attributes, parent in wanted
    ]
    try:
        yield [_traceparent(span) for span in spans]
    finally:
        for span in spans:
            span.end()


def valid_traceparent(value: str | None) -> str | None:
    """A W3C trace context to send on; None for anything else, which could be anybody's words."""
    return value if value is not None and _TRACEPARENT.fullmatch(value) else None


def _traceparent(span: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    return carrier.get("traceparent")


class _JsonFormatter(logging.Formatter):
    """One JSON object a line; of an exception its class and its frames, never its text."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            entry["trace_id"] = trace.format_trace_id(context.trace_id)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            entry["exception"] = type(error).__name__
            entry["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
        return json.dumps(entry, ensure_ascii=False)


OWN_LOGGERS = ("shared", "services", "deploy")
"""Of the packages whose every log line is ours."""

ADDRESSES = ("uvicorn.access", "httpx")
"""Log each request's address at INFO, and an address may be a secret: a receipt, a webhook, a feed."""


def configure_logging(level: str) -> None:
    """Send every log line of the process to stderr as JSON.

    DEBUG is for our own modules alone: aiokafka's producer tells there what it sends, and that is a patient's words.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.INFO))
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name in ADDRESSES:
        logging.getLogger(name).setLevel(logging.WARNING)
