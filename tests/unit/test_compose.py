"""The compose file, as far as it can be held to its word without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from deploy.secrets import written
from shared.errors import UsageError
from shared.placeholder import PLACEHOLDER
from shared.settings import load
from tests.unit.deployed_settings import settings_of, variables_of
from tests.unit.deployment_files import (
    ROOT,
    VARIABLE,
    compose,
    containers,
    environment,
    example,
    filled,
    optional,
    ours,
    services,
)

if TYPE_CHECKING:
    from pathlib import Path

ONE_SHOT = {"accounts", "topics", "provision", "bucket", "tools"}
REAL = {name: "f" * 64 if value == PLACEHOLDER else value for name, value in example().items()}
SHARED = {
    "gateway": {"HEED_PSEUDONYM_KEY", "HEED_URGENT_WORDS_TOKEN"},
    "portal": {"HEED_URGENT_WORDS_TOKEN"},
}
"""Secrets that bear no service's name, by who has them: what the portal shows, the gateway knows it by."""
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def test_every_service_of_the_repository_is_deployed() -> None:
    assert set(services()) == {found.parent.name for found in ROOT.glob("services/*/__main__.py")}


@pytest.mark.parametrize("container", containers())
def test_every_variable_of_ours_is_read_by_what_runs_there(container: str) -> None:
    told = {name for name in containers()[container].get("environment", {}) if name.startswith("HEED_")}
    assert told <= variables_of(container)


@pytest.mark.parametrize("service", services())
def test_a_service_is_told_all_that_it_requires(service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.touch()
    for name, value in environment(service, REAL).items():
        monkeypatch.setenv(name, value.replace("/etc/heed/catalogue.yaml", str(catalogue)))
    given = load(settings_of(service))
    assert given.kafka_username == f"heed-{service}"
    assert given.kafka_security == "sasl_plaintext"
    assert given.otlp_endpoint is None


@pytest.mark.parametrize("service", services())
def test_a_service_refuses_the_placeholders_of_the_example(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(service, example()).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=r"HEED_\w+: .*the placeholder of \.env\.example"):
        load(settings_of(service))


def test_no_variable_is_used_that_the_example_does_not_explain() -> None:
    used = {name for name, _, _ in VARIABLE.findall(TEXT)}
    passed_on = {
        name for each in containers().values() for name, value in each.get("environment", {}).items() if value is None
    }
    assert used == example().keys()
    assert passed_on - {"HEED_GATEWAY_KEY"} == optional()


def test_each_default_is_the_examples() -> None:
    for name, kind, value in VARIABLE.findall(TEXT):
        if kind == "-":
            assert example()[name] == value, name


def test_without_its_secrets_compose_says_what_to_run() -> None:
    for name, value in example().items():
        if value == PLACEHOLDER:
            said = {(kind, text) for found, kind, text in VARIABLE.findall(TEXT) if found == name}
            assert said == {("?", "run `heed secrets` first")}, name


def test_no_secret_stands_in_the_file() -> None:
    for name, container in containers().items():
        for variable, value in container.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|(?<!ACCESS)_KEY$", variable) and value is not None:
                assert VARIABLE.fullmatch(str(value)), f"{name}: {variable}"
            else:
                assert not re.search(r"://[^@/]+:[^@/]+@", VARIABLE.sub("", str(value))), f"{name}: {variable}"


def test_a_secret_goes_only_where_it_is_used() -> None:
    """Whoever reads one service's environment has that service's accounts and no other."""
    for service in services():
        told = str(containers()[service]["environment"])
        named = {name for name, _, _ in VARIABLE.findall(told) if example()[name] == PLACEHOLDER}
        own = {name for name in named if name.startswith(f"HEED_{service.upper()}_")}
        assert named - own <= SHARED.get(service, set())


@pytest.mark.parametrize("name", [name for name in containers() if name not in ours()])
def test_an_image_of_others_is_pinned_by_version_and_digest(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:[A-Za-z0-9.-]*\d[A-Za-z0-9.-]*@sha256:[0-9a-f]{64}", containers()[name]["image"])


@pytest.mark.parametrize("name", ours())
def test_an_image_of_ours_bears_our_version(name: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    build = ours()[name]["build"]
    assert ours()[name]["image"] == f"heed-{build['args']['SERVICE']}:{version}"
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


def test_only_what_people_reach_is_published_and_only_on_loopback() -> None:
    published = {name: container["ports"] for name, container in containers().items() if "ports" in container}
    assert published.keys() == {"gateway", "portal", "minio", "grafana"}
    for ports in published.values():
        assert all(filled(port, {}).startswith("127.0.0.1:") for port in ports)


def test_bucket_and_database_are_off_the_edge() -> None:
    outside = {name for name, network in compose()["networks"].items() if not network.get("internal")}
    assert outside == {"edge", "operators", "uploads"}
    on_it = {name: outside & set(container.get("networks", ())) for name, container in containers().items()}
    assert {name: networks for name, networks in on_it.items() if networks} == {
        "gateway": {"edge"},
        "portal": {"edge"},
        "tools": {"edge"},
        "grafana": {"operators"},
        "minio": {"uploads"},
    }
    assert {name for name, each in containers().items() if "data" in each.get("networks", ())} == {
        "postgres",
        "provision",
        "gateway",
        "learning",
        "media",
        "portal",
        "tools",
    }


def test_the_portal_asks_the_gateway_within_the_machine() -> None:
    inside = {name for name, network in compose()["networks"].items() if network.get("internal")}
    assert inside & set(containers()["portal"]["networks"]) & set(containers()["gateway"]["networks"])
    assert containers()["portal"]["environment"]["HEED_GATEWAY_URL"] == "http://gateway:8080"


@pytest.mark.parametrize("name", containers())
def test_who_is_waited_for_can_tell_when_it_is_there(name: str) -> None:
    for other, how in containers()[name].get("depends_on", {}).items():
        if how["condition"] == "service_completed_successfully":
            assert other in ONE_SHOT
            assert containers()[other]["restart"] == "no"
        else:
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in containers()[other]


@pytest.mark.parametrize("service", services())
def test_a_service_starts_after_its_topics_its_account_and_its_schema(service: str) -> None:
    def reached(name: str) -> set[str]:
        direct = set(containers()[name].get("depends_on", {}))
        return direct.union(*(reached(other) for other in direct))

    assert reached(service) >= {"topics", "accounts", "provision", "kafka", "postgres"}


@pytest.mark.parametrize("name", containers())
def test_nobody_can_take_all_of_the_machine(name: str) -> None:
    container = containers()[name]
    assert container["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert container["logging"]["options"].keys() == {"max-size", "max-file"}
    assert name in ONE_SHOT or container["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in container["security_opt"]


@pytest.mark.parametrize("name", ours())
def test_a_container_of_ours_can_write_nowhere_but_tmp(name: str) -> None:
    container = ours()[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert all(volume.endswith((":ro", ":/tmp")) for volume in container.get("volumes", ()))


@pytest.mark.parametrize("service", services())
def test_a_service_can_have_more_members(service: str) -> None:
    assert "container_name" not in containers()[service]
    assert service in {"gateway", "portal"} or "ports" not in containers()[service]


def test_what_is_mounted_is_there_and_what_is_kept_has_a_volume() -> None:
    for container in containers().values():
        for volume in container.get("volumes", ()):
            source = filled(volume, {}).split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in compose()["volumes"]


def against_the_specification(file: Path) -> subprocess.CompletedProcess[str]:
    """Held against the Compose specification's JSON schema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_what_the_compose_specification_says() -> None:
    assert against_the_specification(ROOT / "docker-compose.yml").returncode == 0


def test_a_field_that_the_specification_does_not_know_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(TEXT.replace("read_only: true", "readonly: true"), encoding="utf-8")
    found = against_the_specification(wrong)
    assert found.returncode == 1
    assert "'readonly' was unexpected" in found.stdout


def test_docker_compose_takes_it(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here")
    written(tmp_path / ".env")
    command = [docker, "compose", "--env-file", str(tmp_path / ".env"), "--profile", "*", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
