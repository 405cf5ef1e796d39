"""Dashboards, alert rules and the collector: they name metrics that exist, as Prometheus writes them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml

from shared.telemetry import Metric, MetricDefinition
from tests.unit.deployment_files import ROOT, containers

if TYPE_CHECKING:
    from pathlib import Path

BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
THEIRS = {"up"}
"""Metrics that Prometheus makes itself."""


def as_prometheus_writes(metric: MetricDefinition) -> set[str]:
    """The series of a metric behind the collector's Prometheus exporter with `add_metric_suffixes`.

    OpenTelemetry's "Prometheus and OpenMetrics Compatibility": units in braces are annotations and vanish, `s` becomes
    seconds, `1` of a gauge becomes ratio, a counter ends in total.
    """
    unit = {"s": "_seconds", "1": "_ratio" if metric.kind == "gauge" else ""}.get(metric.unit, "")
    assert unit or re.fullmatch(r"1|\{\w+\}", metric.unit), f"{metric.name} has a unit that this test does not know"
    name = metric.name.replace(".", "_") + unit
    if metric.kind == "histogram":
        return {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return {f"{name}_total" if metric.kind == "counter" else name}


EXISTING = {series for metric in Metric for series in as_prometheus_writes(metric.value)}


def read(board: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(board.read_text(encoding="utf-8"))
    return parsed


def queries(board: Path) -> list[str]:
    return [target["expr"] for panel in read(board)["panels"] for target in panel.get("targets", ())]


def series(expression: str) -> set[str]:
    """The metrics of an expression that is valid PromQL."""
    promql_parser.parse(expression)
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|ignoring)\s*\([^)]*\)', "", expression)
    return set(re.findall(r"\b(?:heed_\w+|up)\b", bare))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_a_board_asks_for_metrics_that_exist(board: Path) -> None:
    for expression in queries(board):
        named = series(expression.replace("$__rate_interval", "5m"))
        assert named, expression
        assert named <= EXISTING, expression


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    named = series(rule["expr"])
    assert named
    assert named <= EXISTING | THEIRS


def test_a_name_that_is_a_letter_off_would_be_found() -> None:
    assert not series("sum(rate(heed_consumer_record_total[5m]))") <= EXISTING
    with pytest.raises(ValueError, match="unclosed"):
        series("sum(heed_consumer_lag")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_the_matter_and_its_runbook_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith((".", "}}."))
    document, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor == rule["alert"].lower()
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_no_runbook_is_left_of_an_alert_that_is_gone() -> None:
    headings = set(
        re.findall(r"^#+ (Heed\w+)$", (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert headings == {rule["alert"] for rule in ALERTS}


def test_an_alerts_text_uses_labels_that_its_expression_keeps() -> None:
    for rule in ALERTS:
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), (rule["alert"], label)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_a_boards_panels_are_told_apart_and_do_not_overlap(board: Path) -> None:
    panels = read(board)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert max(x for x, _ in taken) < 24


def test_boards_ask_the_sources_that_are_provisioned() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning" / "datasources"
    sources = {
        source["uid"]: source["url"]
        for file in folder.glob("*.yaml")
        for source in yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
    }
    asked = {panel["datasource"]["uid"] for board in BOARDS for panel in read(board)["panels"] if "datasource" in panel}
    assert asked <= sources.keys()
    assert {re.sub(r"^http://(\w+):\d+$", r"\1", url) for url in sources.values()} <= containers().keys()
    assert len({read(board)["uid"] for board in BOARDS}) == len(BOARDS) == 2


def test_what_goes_into_the_collector_comes_out_where_it_is_fetched() -> None:
    collector = yaml.safe_load((ROOT / "deploy" / "otel" / "collector.yaml").read_text(encoding="utf-8"))
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= collector[kind].keys()
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in scraped["scrape_configs"]}
    assert jobs["heed"]["honor_labels"] is True
    assert jobs["heed"]["static_configs"][0]["targets"] == [
        f"collector:{collector['exporters']['prometheus']['endpoint'].split(':')[1]}"
    ]
    tempo = yaml.safe_load((ROOT / "deploy" / "tempo.yaml").read_text(encoding="utf-8"))
    receiver = tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert collector["exporters"]["otlp/tempo"]["endpoint"] == f"tempo:{receiver.split(':')[1]}"
    port = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].split(":")[1]
    assert f"#HEED_OTLP_ENDPOINT=http://collector:{port}" in (ROOT / ".env.example").read_text(encoding="utf-8")
