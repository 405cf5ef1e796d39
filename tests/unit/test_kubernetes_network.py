"""Who may speak to whom on Kubernetes: exactly what topics, settings and the compose file's networks ask for."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.provision import SERVICES as WITH_STATE
from shared.topics import TOPICS
from tests.unit.deployed_settings import settings_of, variables_of
from tests.unit.deployment_files import containers, services
from tests.unit.kubernetes_files import config, named, networks, workloads

POLICIES = named("NetworkPolicy")
EXPECTED_EGRESS = {"names", "events", "data", "bucket", "telemetry", "outside", "tools-to-gateway", "portal-to-gateway"}
EXPECTED_INGRESS = {"edge", "gateway-from-tools", "gateway-from-portal"}


def chosen(policy: dict[str, Any]) -> set[str]:
    """The workloads that a policy is about."""
    wanted = policy["spec"]["podSelector"].get("matchLabels", {}).items()
    return {name for name, template in workloads().items() if wanted <= template["metadata"]["labels"].items()}


def ports(policy: str, direction: str) -> set[int]:
    return {port["port"] for rule in POLICIES[policy]["spec"][direction] for port in rule["ports"]}


def test_nothing_is_allowed_but_by_a_policy_that_is_known() -> None:
    nothing = POLICIES["deny-all"]["spec"]
    assert (nothing["podSelector"], set(nothing["policyTypes"])) == ({}, {"Ingress", "Egress"})
    assert {name for name, policy in POLICIES.items() if policy["spec"].get("egress")} == EXPECTED_EGRESS
    assert {name for name, policy in POLICIES.items() if policy["spec"].get("ingress")} == EXPECTED_INGRESS
    for policy in POLICIES.values():
        for direction, other in (("egress", "to"), ("ingress", "from")):
            assert (direction.title() in policy["spec"]["policyTypes"]) == (
                direction in policy["spec"] or policy is POLICIES["deny-all"]
            )
            for rule in policy["spec"].get(direction, ()):
                assert rule[other], "an empty list of peers means everybody"
                assert rule["ports"]


FAR_ENDS = {
    "edge": {"ingress"},
    "names": {"kube-system"},
    "events": {"kafka"},
    "data": {"postgres"},
    "bucket": {"bucket"},
    "telemetry": {"observability"},
}


@pytest.mark.parametrize("network", FAR_ENDS)
def test_a_network_leads_to_one_namespace(network: str) -> None:
    spec = POLICIES[network]["spec"]
    peers = [peer for rule in spec.get("egress", []) for peer in rule["to"]]
    peers += [peer for rule in spec.get("ingress", []) for peer in rule["from"]]
    assert {peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in peers} == FAR_ENDS[
        network
    ]


def test_every_label_of_a_network_has_its_policy() -> None:
    joined = {network for name in workloads() for network in networks(name)}
    assert joined == {"edge", "events", "data", "bucket", "telemetry", "outside"}
    for network in joined:
        assert chosen(POLICIES[network]) == {name for name in workloads() if network in networks(name)}


@pytest.mark.parametrize("service", services())
def test_a_service_reaches_what_its_topics_and_settings_ask_for_and_no_more(service: str) -> None:
    asked = {"telemetry"}
    if any(service in topic.producers + topic.consumers for topic in TOPICS):
        asked.add("events")
    if service in WITH_STATE:
        asked.add("data")
    if "s3_endpoint" in settings_of(service).model_fields:
        asked.add("bucket")
    if service in {"gateway", "portal"}:
        asked.add("edge")
    if {"HEED_PORTAL_OIDC_ISSUER", "HEED_PORTAL_MAIL"} & variables_of(service):
        asked.add("outside")
    assert networks(service) == asked


@pytest.mark.parametrize("service", services())
def test_a_service_is_in_the_networks_that_compose_puts_it_in(service: str) -> None:
    """But for the way out, which compose's network `edge` has and a cluster must be told of."""
    assert networks(service) - {"outside"} == set(containers()[service]["networks"])


def test_jobs_and_tools_reach_what_they_change() -> None:
    assert networks("topics") == {"events"}
    assert networks("provision") == {"data"}
    assert networks("tools") == {"events", "data"}


@pytest.mark.parametrize("who", ["portal", "tools"])
def test_who_asks_the_gateway_reaches_it_and_nothing_else_that_way(who: str) -> None:
    there, back = POLICIES[f"{who}-to-gateway"], POLICIES[f"gateway-from-{who}"]
    assert (chosen(there), chosen(back)) == ({who}, {"gateway"})
    for policy, direction, other, far_end in ((there, "egress", "to", "gateway"), (back, "ingress", "from", who)):
        (rule,) = policy["spec"][direction]
        assert rule[other] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": far_end}}}]
        assert ports(policy["metadata"]["name"], direction) == {8080}
    assert config()[f"heed-{who}"]["HEED_GATEWAY_URL"] == "http://gateway:8080"
    assert containers()[who]["environment"]["HEED_GATEWAY_URL"] == "http://gateway:8080"


def test_only_who_is_told_of_the_gateway_asks_it() -> None:
    told = {name for name, held in config().items() if "HEED_GATEWAY_URL" in held}
    asking = {name for name in POLICIES if name.startswith("gateway-from-")}
    assert {name.removeprefix("heed-") for name in told} == {name.removeprefix("gateway-from-") for name in asking}


def test_the_way_out_does_not_lead_inside() -> None:
    (rule,) = POLICIES["outside"]["spec"]["egress"]
    everywhere, public_six = (peer["ipBlock"] for peer in rule["to"])
    assert everywhere["cidr"] == "0.0.0.0/0"
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(everywhere["except"])
    assert public_six["cidr"] == "2000::/3"


def test_ports_are_those_of_the_addresses() -> None:
    assert ports("edge", "ingress") == {8080}
    for folder in ("base", "overlays/example"):
        held = config(folder)
        assert ports("events", "egress") == {int(held["heed"]["HEED_KAFKA_BOOTSTRAP"].rpartition(":")[2])}
        assert ports("data", "egress") == {int(held["heed-database"]["address"].split("/")[0].rpartition(":")[2])}
        assert held["heed-media"]["HEED_S3_ENDPOINT"].startswith("https://")
    assert ports("bucket", "egress") == {443}
    assert ports("telemetry", "egress") == {
        int(config("overlays/example")["heed"]["HEED_OTLP_ENDPOINT"].rpartition(":")[2])
    }
