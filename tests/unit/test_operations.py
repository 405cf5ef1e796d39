"""What the operators' pages tell somebody to type: commands, containers, variables and numbers that are so."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, cast

import click
import pytest

from deploy.cli import heed
from services.gateway.api import build_app
from shared.topics import TOPICS
from tests.unit.deployed_settings import variables_of
from tests.unit.deployment_files import ROOT, containers, example, optional, services
from tests.unit.kubernetes_files import config, named

if TYPE_CHECKING:
    from pathlib import Path

    from services.gateway.handlers import Gateway

PAGES = ("operations", "deployment", "alerts", "kubernetes", "sizing")
TEXT = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}
OURS = re.compile(
    r"(?:docker compose run --rm tools|python -m deploy\.cli|(?<=`)heed|^heed) ([a-z][^`#|\n]*)", re.MULTILINE
)
COMPOSE = re.compile(r"docker compose ((?:exec|run|up|stop|start|restart|logs|ps)\b[^`|<>#\n]*)")
WITH_VALUE = {"--env", "--since", "--scale", "--entrypoint"}


def known(words: list[str]) -> None:
    """Raise unless the words are a command of ours, with options that it has."""
    command: click.Command = heed
    while words and isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"no command {name}"
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, words


@pytest.mark.parametrize("page", PAGES)
def test_a_command_of_ours_that_a_page_names_exists(page: str) -> None:
    for found in OURS.findall(TEXT[page]):
        known(shlex.split(found.rstrip(" ,.;").replace("…", " ")))


def test_a_command_that_is_a_letter_off_would_be_found() -> None:
    with pytest.raises(AssertionError, match="no command lists"):
        known(["dlq", "lists"])
    with pytest.raises(AssertionError, match="--reasons"):
        known(["dlq", "replay", "--reasons", "R"])


@pytest.mark.parametrize("page", PAGES)
def test_a_container_that_a_page_names_is_deployed(page: str) -> None:
    for found in COMPOSE.findall(TEXT[page]):
        verb, *words = found.split()
        given = without_options(words)
        meant = given[:1] if verb in {"exec", "run"} else given
        assert {name for name in meant if name.islower()} <= containers().keys(), found


def without_options(words: list[str]) -> list[str]:
    before = ["", *words]
    return [
        word for last, word in zip(before, words, strict=False) if not word.startswith("-") and last not in WITH_VALUE
    ]


def test_a_deployment_or_job_that_a_page_names_is_in_the_manifests() -> None:
    for page in PAGES:
        assert set(re.findall(r"deployment/([a-z]+)", TEXT[page])) <= named("Deployment").keys()
        assert set(re.findall(r"job/([a-z]+)", TEXT[page])) <= named("Job").keys()


@pytest.mark.parametrize("page", PAGES)
def test_a_variable_that_a_page_names_is_read_by_something(page: str) -> None:
    read = {variable for container in containers() for variable in variables_of(container)}
    read |= example().keys() | optional() | {name for held in config().values() for name in held}
    read |= {"HEED_KEY", "HEED_TEST_AWAY", "HEED_TEST_STAGE"}
    assert set(re.findall(r"\bHEED_[A-Z0-9_]*[A-Z0-9]\b(?!_)", TEXT[page])) <= read


def test_nobody_is_told_to_start_more_members_than_partitions() -> None:
    told = dict(re.findall(r"^\| (\w+) \| \d to (\d)", TEXT["operations"].partition("## Scale")[2], re.MULTILINE))
    assert told.keys() == set(services())
    for service in set(services()) - {"gateway", "portal"}:
        assert int(told[service]) <= max(topic.partitions for topic in TOPICS if service in topic.consumers)
    scaled = named("HorizontalPodAutoscaler", "autoscaling") | named("ScaledObject", "autoscaling")
    for name, document in scaled.items():
        limits = document["spec"]
        assert limits.get("maxReplicas", limits.get("maxReplicaCount")) == int(told[name])


@pytest.mark.parametrize("page", PAGES)
def test_a_heading_that_a_page_leads_to_is_there(page: str) -> None:
    for document, anchor in re.findall(r"\]\(([\w/.-]*)#([\w-]+)\)", TEXT[page]):
        text = (ROOT / "docs" / document).read_text(encoding="utf-8") if document else TEXT[page]
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


async def ready() -> dict[str, bool]:
    return {}


@pytest.mark.parametrize("page", PAGES)
def test_an_address_of_the_gateway_that_a_page_names_is_one(page: str) -> None:
    ours_alone = {"/v1/media/notifications", "/v1/words/"}
    routes = build_app(cast("Gateway", None), ready).openapi()["paths"].keys() | ours_alone
    named_here = set(re.findall(r"(/v1/[\w:/]+)", TEXT[page]))
    assert {address.replace("RECEIPT", "{receipt}") for address in named_here} <= routes


LATER = [path for path in sorted(ROOT.glob("services/*/migrations/versions/0*.py")) if not path.name.startswith("0001")]


@pytest.mark.parametrize("migration", LATER, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_a_later_migration_takes_nothing_away_that_the_version_before_uses(migration: Path) -> None:
    """Expand, then contract: a release that contracts says here what it drops, and since when nothing uses it."""
    upgrade = migration.read_text(encoding="utf-8").partition("def downgrade")[0]
    assert not re.findall(r"\bDROP (?!INDEX)\w+|\bRENAME\b|\bALTER COLUMN\b|op\.drop_\w+|op\.alter_column", upgrade)
