"""The ceiling: the network alone, as the service configures it, on texts that it may sort by length as it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.analysis.encoder import Encoder
from services.analysis.settings import AnalysisSettings
from shared.settings import load
from tests.bench.machine import peak_mb
from tests.bench.measurement import Measurement, Report
from tests.bench.plan import timed
from tests.bench.texts import corpus

if TYPE_CHECKING:
    from tests.bench.plan import Plan


def measure(plan: Plan) -> Report:
    """All texts in one call, which buckets them best; the same in the service's batches; the tokeniser alone."""
    comments = corpus(plan.texts).comments
    texts = [comment.text for comment in comments]
    kinds = [comment.question_type for comment in comments]
    settings = load(AnalysisSettings)
    encoder = Encoder(
        settings.analysis_model_folder, threads=settings.analysis_threads, precision=settings.analysis_precision
    )
    size = settings.batch_records

    def in_batches() -> None:
        for at in range(0, len(texts), size):
            encoder.run(texts[at : at + size], kinds[at : at + size])

    rates, cpu = timed(lambda: encoder.run(texts, kinds), len(texts), plan.rounds)
    whole = Measurement("model", rates, cpu_ms=cpu, peak_mb=peak_mb())
    rates, cpu = timed(in_batches, len(texts), plan.rounds)
    batches = Measurement("model_in_batches", rates, cpu_ms=cpu)
    rates, cpu = timed(lambda: encoder.tokeniser(texts, kinds), len(texts), plan.rounds)
    tokeniser = Measurement("tokeniser", rates, cpu_ms=cpu)
    return Report(
        (whole, batches, tokeniser),
        notes=(
            f"model {encoder.version}, {settings.analysis_precision}, "
            f"{settings.analysis_threads or 'all'} threads, batches of {size}",
        ),
    )
