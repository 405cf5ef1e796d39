"""`python -m services.analysis`: the composition root, the only reader of the environment."""

from __future__ import annotations

from services.analysis.app import running
from services.analysis.settings import AnalysisSettings
from shared.service import run

if __name__ == "__main__":
    run("analysis", AnalysisSettings, running)
