"""The Dockerfile and what it copies."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.deployment_files import ROOT, ours

TEXT = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
STAGES = {found[2]: found[0] for found in re.finditer(r"^FROM (\S+) AS (\w+)\n(?:(?!FROM ).*\n?)*", TEXT, re.MULTILINE)}
NAMES = [container["build"]["args"]["SERVICE"] for container in ours().values()]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", ROOT / "deploy" / "Dockerfile"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_the_base_is_pinned_by_version_and_digest_and_is_the_python_that_is_tested() -> None:
    image = re.search(r"^ARG PYTHON=python:(\d+\.\d+)\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE)
    assert image is not None
    assert image[1] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert set(re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)) == {"${PYTHON}", "base"}


def test_only_packages_with_a_hash_are_installed_and_none_is_built() -> None:
    for line in re.findall(r'^RUN \["pip".*"--requirement".*$', TEXT, re.MULTILINE):
        assert '"--require-hashes"' in line
        assert '"--only-binary", ":all:"' in line


@pytest.mark.parametrize("target", sorted({container["build"]["target"] for container in ours().values()}))
def test_what_runs_is_not_root_and_needs_no_shell(target: str) -> None:
    assert STAGES[target].startswith(f"FROM base AS {target}\n")
    stages = STAGES["base"] + STAGES[target]
    assert re.findall(r"^USER (.+)$", stages, re.MULTILINE) == ["10001:10001"]
    assert "RUN" not in stages
    for started in re.findall(r"^(?:ENTRYPOINT|CMD|    CMD) (.+)$", stages, re.MULTILINE):
        assert started.startswith('["')


def test_an_image_asks_itself_whether_it_is_ready() -> None:
    assert re.search(r'HEALTHCHECK .*\n +CMD \["python", "-m", "shared\.healthcheck"\]', STAGES["service"])


@pytest.mark.parametrize("service", NAMES)
def test_what_is_copied_is_there(service: str) -> None:
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE):
        for source in sources.replace("${SERVICE}", service).split():
            optional = source == f"services/{service}" and service == "tools"
            assert optional or (ROOT / source).exists(), source


def test_a_service_gets_no_code_of_another() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", STAGES["service"], re.MULTILINE)
    assert copied == ["shared", "services/__init__.py", "services/${SERVICE}"]


def test_no_secret_and_no_history_gets_into_the_builders_sight() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {
        "!LICENCE",
        "!README.md",
        "!deploy",
        "!pyproject.toml",
        "!requirements",
        "!services",
        "!shared",
    }
