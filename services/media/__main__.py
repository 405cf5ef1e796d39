"""`python -m services.media`: the composition root, the only reader of the environment."""

from __future__ import annotations

from services.media.app import running
from services.media.settings import MediaSettings
from shared.service import run

if __name__ == "__main__":
    run("media", MediaSettings, running)
