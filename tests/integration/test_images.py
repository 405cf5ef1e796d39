"""Every image, replayed step by step: it starts with the packages of its own requirements and no code of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.images import Image, unpacked, uv
from tests.integration.conftest import ONCE_ONLY
from tests.unit.deployment_files import ROOT, environment, example, services

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.integration,
    ONCE_ONLY,
    pytest.mark.timeout(600),
    pytest.mark.skipif(uv() is None, reason="no uv here; `make setup` brings it"),
]

TOOLS = ["doctor", "topics", "integrations", "import", "summaries", "dlq", "secrets", "analyse"]

MODEL = """
from services.analysis.app import build_reader
from services.analysis.settings import AnalysisSettings
assert build_reader(AnalysisSettings()).model_version
"""
MIGRATIONS = """
from alembic.config import Config
from alembic.script import ScriptDirectory
config = Config()
config.set_main_option("script_location", "services.{}:migrations")
assert ScriptDirectory.from_config(config).get_heads()
"""


@pytest.fixture(scope="module", params=services())
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(service: str, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return unpacked(service, tmp_path_factory.mktemp(service))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return unpacked("tools", tmp_path_factory.mktemp("tools"))


def test_a_service_gets_as_far_as_its_settings(service: str, image: Image) -> None:
    done = image.run(f"services.{service}", **environment(service, example()))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "the placeholder of .env.example" in done.stderr


def test_a_service_reads_its_files_without_the_repository(service: str, image: Image) -> None:
    """Its migrations and its model are data beside the code: that they are there shows only when they are read."""
    (image.app / "files_are_there.py").write_text(MODEL if service == "analysis" else MIGRATIONS.format(service))
    done = image.run("files_are_there")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_image_can_ask_after_its_service(image: Image) -> None:
    done = image.run("shared.healthcheck", HEED_HTTP_PORT="1")
    assert (done.returncode, done.stderr) == (1, "heed: no answer on port 1 (ConnectionRefusedError)\n")


def test_an_image_holds_no_other_service(service: str, image: Image) -> None:
    # A `services` that was imported before has compiled files beside it.
    held = {path.name for path in (image.app / "services").iterdir() if path.is_dir()} - {"__pycache__"}
    assert held == {service}
    assert not (image.app / "deploy").exists()


@pytest.mark.parametrize("command", TOOLS)
def test_a_command_of_the_operator_is_there(tools: Image, command: str) -> None:
    done = tools.run("deploy.cli", command, "--help")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("job", ["create_topics", "provision"])
def test_a_one_shot_job_is_there(tools: Image, job: str) -> None:
    done = tools.run(f"deploy.{job}", "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_catalogue_of_the_sample_is_read_without_the_repository(tools: Image, tmp_path: Path) -> None:
    (tmp_path / "catalogue.yaml").write_bytes((ROOT / "deploy" / "catalogue" / "sample.yaml").read_bytes())
    done = tools.run(
        "deploy.create_topics", HEED_KAFKA_BOOTSTRAP="127.0.0.1:1", HEED_CATALOGUE=str(tmp_path / "catalogue.yaml")
    )
    assert done.returncode == 1
    assert "no Kafka broker answers" in done.stderr
