"""`python -m services.gateway`: the composition root, and the only reader of the environment."""

from __future__ import annotations

from services.gateway.app import running
from services.gateway.settings import GatewaySettings
from shared.service import run

if __name__ == "__main__":
    run("gateway", GatewaySettings, running)
