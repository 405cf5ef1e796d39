"""`python -m services.portal`: the composition root, and the only reader of the environment."""

from __future__ import annotations

from services.portal.app import running
from services.portal.settings import PortalSettings
from shared.service import run

if __name__ == "__main__":
    run("portal", PortalSettings, running)
