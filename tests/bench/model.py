"""The network alone, beside its ceiling: in the service's batches, and the tokeniser by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.ceiling import loaded, whole
from tests.bench.measurement import Measurement, Report
from tests.bench.plan import timed

if TYPE_CHECKING:
    from tests.bench.plan import Plan


def measure(plan: Plan) -> Report:
    """All texts in one call, which buckets them best; the same in the service's batches; the tokeniser alone."""
    encoder, settings, texts, kinds = loaded(plan)
    size = settings.batch_records

    def in_batches() -> None:
        for at in range(0, len(texts), size):
            encoder.run(texts[at : at + size], kinds[at : at + size])

    ceiling = whole(encoder, texts, kinds, plan)
    rates, cpu = timed(in_batches, len(texts), plan.rounds)
    batches = Measurement("model_in_batches", rates, cpu_ms=cpu)
    rates, cpu = timed(lambda: encoder.tokeniser(texts, kinds), len(texts), plan.rounds)
    tokeniser = Measurement("tokeniser", rates, cpu_ms=cpu)
    return Report(
        (ceiling, batches, tokeniser),
        notes=(
            f"model {encoder.version}, {settings.analysis_precision}, "
            f"{settings.analysis_threads or 'all'} threads, batches of {size}",
        ),
    )
