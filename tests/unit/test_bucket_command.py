"""`python -m deploy.bucket`: what it is told, what it grants, and that it never repeats a password."""

from __future__ import annotations

import pytest

from deploy.bucket import RIGHTS, command, policy
from deploy.cli import run

STORE = {
    "S3_ENDPOINT": "http://127.0.0.1:1",
    "S3_ACCESS_KEY": "heed",
    "S3_SECRET_KEY": "quite-a-secret",
    "S3_BUCKET": "heed-media",
}


@pytest.mark.parametrize(
    ("variables", "told", "code"),
    [
        ({"GATEWAY_S3_SECRET_KEY": "short"}, "HEED_GATEWAY_S3_SECRET_KEY has fewer than 8 characters", 2),
        ({"S3_ENDPOINT": "minio:9000"}, "is no URL; write http://host:port", 2),
        ({"MEDIA_S3_SECRET_KEY": "quite-a-secret"}, "the bucket heed-media at http://127.0.0.1:1 does not answer", 1),
    ],
)
def test_what_is_wrong_is_told_in_one_line_without_a_password(
    variables: dict[str, str], told: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (STORE | variables).items():
        monkeypatch.setenv(f"HEED_{name}", value)
    assert run(command, []) == code
    answer = capsys.readouterr()
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert not any(secret in answer.err + answer.out for secret in ("quite-a-secret", "short"))


@pytest.mark.parametrize("service", RIGHTS)
def test_nobody_is_granted_everything_or_another_bucket(service: str) -> None:
    for statement in policy(service, "heed-media")["Statement"]:
        assert not any("*" in action for action in statement["Action"])
        assert all(what.split("/")[0] == "arn:aws:s3:::heed-media" for what in statement["Resource"])
        assert "arn:aws:s3:::heed-media/*" not in statement["Resource"]


def test_only_the_media_service_reaches_both_folders() -> None:
    assert {service: set(folders) for service, (_, folders) in RIGHTS.items()} == {
        "gateway": {"quarantine/*"},
        "media": {"quarantine/*", "clean/*"},
        "portal": {"clean/*"},
    }
    assert RIGHTS["portal"][1]["clean/*"] == ("s3:GetObject",), "it shows, and changes nothing"
