"""Which real servers the tests meet: named ones first, then local ones, then containers, else a reason to skip."""

import pytest

from deploy.servers import Broker, Bucket, Database, Stage
from shared.errors import HeedError
from tests.servers import ServersMissing, containers, kafka, minio, postgresql, real_servers, stage, what_is_missing

_NAMED = {
    stage.KAFKA: "127.0.0.1:9092",
    stage.S3: "http://key:se%2Fcret@127.0.0.1:9000",
    stage.DATABASE: "postgresql+asyncpg://postgres:word@127.0.0.1:5432/postgres",
}


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NAMED:
        monkeypatch.delenv(name, raising=False)
    stage._docker.cache_clear()
    monkeypatch.setattr(containers, "docker_answers", lambda: False)


async def test_named_servers_are_used_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _NAMED.items():
        monkeypatch.setenv(name, value)
    async with real_servers() as met:
        assert met == Stage(
            Broker("127.0.0.1:9092"),
            Bucket("http://127.0.0.1:9000", "key", "se/cret"),
            Database("postgresql+asyncpg://postgres:word@127.0.0.1:5432/postgres"),
        )
        assert stage.variables(met) == _NAMED


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "http://127.0.0.1:9000", "ftp://key:secret@127.0.0.1", "http://k@h"])
def test_a_malformed_bucket_address_is_one_line(url: str) -> None:
    with pytest.raises(HeedError, match="HEED_TEST_S3 is no S3 address: write http://key:secret@host:port"):
        stage.bucket_from(url)


async def test_what_is_missing_is_named_with_the_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_NEEDS", {stage.KAFKA: lambda: ["java", "mvn"], stage.S3: list, stage.DATABASE: list})
    reason = what_is_missing()
    assert reason is not None
    assert "java and mvn (or set HEED_TEST_KAFKA)" in reason
    with pytest.raises(ServersMissing, match="java and mvn"):
        await real_servers().__aenter__()


def test_docker_stands_in_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_NEEDS", {stage.KAFKA: lambda: ["java"]})
    monkeypatch.setattr(containers, "docker_answers", lambda: True)
    assert what_is_missing() is None


def test_a_named_server_needs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_NEEDS", {stage.KAFKA: lambda: ["java"]})
    monkeypatch.setenv(stage.KAFKA, "127.0.0.1:9092")
    assert what_is_missing() is None


def test_each_kind_of_server_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(postgresql, "_DEBIAN", postgresql._DEBIAN / "absent")
    assert kafka.missing() == ["java", "mvn"]
    assert minio.missing() == ["go"]
    assert postgresql.missing() == ["postgresql (apt-get install postgresql)"]
