"""`python -m deploy.provision`: what it is told, and that it never repeats a password."""

from __future__ import annotations

import pytest

from deploy.cli import run
from deploy.provision import command

ADMIN = "postgresql+asyncpg://postgres:quite-a-secret@127.0.0.1:1/heed"
GATEWAY = "postgresql+asyncpg://heed_gateway:quite-a-secret@127.0.0.1:1/heed"


@pytest.mark.parametrize(
    ("variables", "told", "code"),
    [
        ({"ADMIN": ADMIN}, "no service's URL is given; set HEED_GATEWAY_DATABASE_URL", 2),
        ({"ADMIN": "quite-a-secret", "GATEWAY": GATEWAY}, "HEED_ADMIN_DATABASE_URL is no URL", 2),
        ({"ADMIN": ADMIN, "GATEWAY": "quite-a-secret"}, "HEED_GATEWAY_DATABASE_URL is no URL", 2),
        ({"ADMIN": ADMIN, "LEARNING": GATEWAY}, "HEED_LEARNING_DATABASE_URL must log in as heed_learning", 2),
        ({"ADMIN": ADMIN, "GATEWAY": GATEWAY.replace(":quite-a-secret", "")}, "with a password", 2),
        ({"ADMIN": ADMIN, "GATEWAY": GATEWAY}, "PostgreSQL is away", 1),
    ],
)
def test_what_is_wrong_is_told_in_one_line_without_a_password(
    variables: dict[str, str], told: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"HEED_{name}_DATABASE_URL", value)
    assert run(command, []) == code
    answer = capsys.readouterr()
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert "quite-a-secret" not in answer.err + answer.out
