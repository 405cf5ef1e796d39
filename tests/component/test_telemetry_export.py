"""What a service exports over OTLP, as a collector receives it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from shared.telemetry import SECONDS_BUCKETS, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as Exported
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

ROOT = Path(__file__).parents[2]

MEMBER = """
import sys
from shared import telemetry
from shared.telemetry import Metric
telemetry.configure("analysis", sys.argv[1])
telemetry.count(Metric.RECORDS, 3, {"outcome": "done"})
telemetry.record(Metric.BATCH_SECONDS, 0.03)
telemetry.record(Metric.BATCH, 30)
telemetry.measure(Metric.LAG, 7, {"topic": "feedback-submitted"})
"""


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/metrics":
                received.append(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def exported_by_a_member() -> ResourceMetrics:
    """Of one process, which exports what it has when it ends."""
    with collector() as (endpoint, received):
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        subprocess.run([sys.executable, "-c", MEMBER, endpoint], check=True, cwd=ROOT, env=environment, timeout=60)
    (request,) = (ExportMetricsServiceRequest.FromString(body) for body in received)
    of_process: ResourceMetrics
    (of_process,) = request.resource_metrics
    return of_process


@pytest.fixture(scope="module")
def exported() -> ResourceMetrics:
    return exported_by_a_member()


def resource(of_process: ResourceMetrics) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in of_process.resource.attributes}


def metric(of_process: ResourceMetrics, which: Metric) -> Exported:
    found: Exported
    (found,) = (each for scope in of_process.scope_metrics for each in scope.metrics if each.name == which.value.name)
    assert (found.unit, found.description) == (which.value.unit, which.value.description)
    return found


def test_members_of_a_service_are_told_apart(exported: ResourceMetrics) -> None:
    mine, other = resource(exported), resource(exported_by_a_member())
    assert mine["service.name"] == other["service.name"] == "heed-analysis"
    assert mine["service.instance.id"] != other["service.instance.id"]


def test_a_batchs_time_falls_into_a_bucket_that_tells_something(exported: ResourceMetrics) -> None:
    (point,) = metric(exported, Metric.BATCH_SECONDS).histogram.data_points
    assert tuple(point.explicit_bounds) == SECONDS_BUCKETS
    assert point.bucket_counts[SECONDS_BUCKETS.index(0.05)] == 1


def test_a_counter_and_a_gauge_arrive_with_their_attributes(exported: ResourceMetrics) -> None:
    (count,) = metric(exported, Metric.RECORDS).sum.data_points
    assert metric(exported, Metric.RECORDS).sum.is_monotonic
    assert (count.as_int, [(pair.key, pair.value.string_value) for pair in count.attributes]) == (
        3,
        [("outcome", "done")],
    )
    (lag,) = metric(exported, Metric.LAG).gauge.data_points
    assert lag.as_int == 7
