"""`Reader.read`: the network and every rule, in batches of the service's size; no broker, no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.analysis.app import build_reader
from services.analysis.reader import Submission
from services.analysis.settings import AnalysisSettings
from shared.settings import load
from tests.bench.machine import peak_mb
from tests.bench.measurement import Measurement, Report
from tests.bench.plan import timed
from tests.bench.texts import corpus

if TYPE_CHECKING:
    from tests.bench.plan import Plan


def measure(plan: Plan) -> Report:
    """Every text once a round."""
    found = corpus(plan.texts)
    settings = load(AnalysisSettings, allow_list_file=found.catalogue)
    reader = build_reader(settings)
    batch = [
        Submission(str(number), comment.text, question_type=comment.question_type, consent_to_quote=True)
        for number, comment in enumerate(found.comments)
    ]
    size = settings.batch_records

    def read() -> None:
        for at in range(0, len(batch), size):
            reader.read(batch[at : at + size])

    rates, cpu = timed(read, len(batch), plan.rounds)
    return Report((Measurement("reader", rates, cpu_ms=cpu, peak_mb=peak_mb()),))
