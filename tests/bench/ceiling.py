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
    from collections.abc import Sequence

    from tests.bench.plan import Plan


def measure(plan: Plan) -> Report:
    """All texts in one call."""
    encoder, _, texts, kinds = loaded(plan)
    return Report((whole(encoder, texts, kinds, plan),))


def loaded(plan: Plan) -> tuple[Encoder, AnalysisSettings, list[str], list[str]]:
    """The network, the settings that it is as in, and texts with their question types."""
    comments = corpus(plan.texts).comments
    settings = load(AnalysisSettings)
    encoder = Encoder(
        settings.analysis_model_folder, threads=settings.analysis_threads, precision=settings.analysis_precision
    )
    return encoder, settings, [comment.text for comment in comments], [comment.question_type for comment in comments]


def whole(encoder: Encoder, texts: Sequence[str], kinds: Sequence[str], plan: Plan) -> Measurement:
    """All texts in one call, which buckets them best."""
    rates, cpu = timed(lambda: encoder.run(texts, kinds), len(texts), plan.rounds)
    return Measurement("model", rates, cpu_ms=cpu, peak_mb=peak_mb())
