"""`python -m services.learning`: the composition root; nothing else here reads the environment."""

from __future__ import annotations

from services.learning.app import running
from services.learning.settings import LearningSettings
from shared.service import run

if __name__ == "__main__":
    run("learning", LearningSettings, running)
