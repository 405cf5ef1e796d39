"""The documents say what the code does: settings, topics, commands and targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.cli import COMMANDS
from shared.settings import ServiceSettings
from shared.telemetry import Metric
from shared.topics import TOPICS, Topic

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ServiceSettings.model_fields)
def test_a_setting_of_every_service_stands_in_the_readme(name: str) -> None:
    description = ServiceSettings.model_fields[name].description
    assert description
    assert re.search(rf"^\| `HEED_{name.upper()}` \| .+ \| {re.escape(description)} \|$", README, re.MULTILINE)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_stands_in_the_readme_as_the_registry_has_it(topic: Topic) -> None:
    event = topic.event.__name__ if topic.event else "any"
    keeps = "compacted" if topic.retention_ms is None else f"{topic.retention_ms // 86_400_000} d"
    keeps += ", restricted" if topic.restricted else ""
    row = [f"`{topic.name}`", event, topic.key, ", ".join(topic.producers), ", ".join(topic.consumers) or "-", keeps]
    assert f"| {' | '.join(row)} |" in README


@pytest.mark.parametrize("metric", Metric, ids=lambda metric: metric.value.name)
def test_a_metric_stands_in_the_deployments_page(metric: Metric) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"| `{metric.value.name}` | {metric.value.description} |" in page


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stands_in_the_readme(command: str) -> None:
    assert f"`heed {command}" in README


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_a_make_target_that_a_document_names_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    quoted = re.findall(r"make ([a-z -]+?)(?:`| +#)", (ROOT / document).read_text(encoding="utf-8"))
    named = {target for words in quoted for target in words.split()}
    assert named
    assert named <= targets


@pytest.mark.parametrize(
    "document", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda path: path.name
)
def test_a_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/**/*.md")), ids=lambda path: path.name)
def test_a_test_that_a_document_names_exists(document: Path) -> None:
    folder = "tests"
    for name in re.findall(r"`((?:tests/[\w/]+/)?test_\w+\.py)`", document.read_text(encoding="utf-8")):
        folder = name.rpartition("/")[0] or folder
        assert (ROOT / folder / name.rpartition("/")[2]).exists(), name
