"""The manifests for Kubernetes, as far as they can be held to their word without a cluster."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest
import yaml

from services.learning.catalogue import read
from shared.errors import UsageError
from shared.media import MOST_BYTES
from shared.placeholder import PLACEHOLDER
from shared.settings import load
from shared.topics import TOPICS
from tests.unit.deployed_settings import settings_of, variables_of
from tests.unit.deployment_files import ROOT, containers, example, optional, services
from tests.unit.kubernetes_files import (
    AUTOSCALING,
    BASE,
    EXAMPLE,
    FOLDER,
    Document,
    config,
    container,
    documents,
    environment,
    every,
    kustomization,
    named,
    references,
    workloads,
)

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1.37"
"""Of Kubernetes, whose schemas are asked."""

REAL = {name: "f" * 64 if value == PLACEHOLDER else value for name, value in example().items()}
SHARED = {
    "gateway": {"HEED_PSEUDONYM_KEY", "HEED_URGENT_WORDS_TOKEN", "HEED_MEDIA_NOTIFICATION_TOKEN"},
    "portal": {"HEED_URGENT_WORDS_TOKEN"},
}
"""Secrets that bear no service's name, by who has them."""
WITH_HTTP = {"gateway", "portal"}
THEIRS = {"keda.sh/v1alpha1"}
"""Kinds that Kubernetes itself has no schema of."""


def valid(document: Document) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_every_document_is_what_kubernetes_takes() -> None:
    for document in every():
        if document["apiVersion"] not in THEIRS:
            valid(document)


def test_a_field_that_is_a_letter_off_would_be_found() -> None:
    deployment = yaml.safe_load((BASE / "gateway.yaml").read_text(encoding="utf-8").split("---")[0])
    deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonroot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        valid(deployment)


def test_every_file_is_part_of_something_and_none_is_missing() -> None:
    for folder in (BASE, AUTOSCALING, EXAMPLE):
        made = kustomization(folder.relative_to(FOLDER).as_posix())
        used = {name for name in made["resources"] if not name.startswith("..")}
        used |= {name for each in made.get("configMapGenerator", ()) for name in each.get("files", ())}
        assert used == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        others = [name for name in [*made["resources"], *made.get("components", ())] if name.startswith("..")]
        assert all((folder / name / "kustomization.yaml").is_file() for name in others)


@pytest.mark.parametrize("service", services())
def test_a_service_has_all_that_belongs_to_it(service: str) -> None:
    deployment = named("Deployment")[service]
    chosen = deployment["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    budget = named("PodDisruptionBudget")[service]["spec"]
    assert (budget["selector"]["matchLabels"], budget["maxUnavailable"]) == (chosen, 1)
    assert (service in named("Service")) == (service in WITH_HTTP)
    for spread in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"] == chosen


def test_nothing_else_is_deployed_and_everything_has_an_account_without_a_token() -> None:
    assert named("Deployment").keys() == {*services(), "tools"}
    assert named("Job").keys() == {"topics", "provision"}
    assert named("ServiceAccount").keys() == {*services(), "tools"}
    assert not any(account["automountServiceAccountToken"] for account in named("ServiceAccount").values())
    for template in workloads().values():
        assert template["spec"]["automountServiceAccountToken"] is False
        assert template["spec"]["serviceAccountName"] in named("ServiceAccount")
    assert named("Deployment")["tools"]["spec"]["replicas"] == 0


@pytest.mark.parametrize("service", services())
def test_a_service_is_asked_how_it_is_by_addresses_that_it_answers(service: str) -> None:
    only = container(service)
    assert [port["containerPort"] for port in only["ports"] if port["name"] == "http"] == [8080]
    asked = {name: only[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in asked.values()} == {"http"}
    assert asked["livenessProbe"]["path"] == asked["startupProbe"]["path"] == "/health/live"
    # A member that people reach stays reachable while Kafka is away: it works without.
    assert asked["readinessProbe"]["path"] == ("/health/live" if service in WITH_HTTP else "/health/ready")


def test_a_start_is_given_longer_than_a_service_waits_for_what_it_needs() -> None:
    from shared.service import START_LIMIT

    for service in services():
        probe = container(service)["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] > 2 * START_LIMIT


@pytest.mark.parametrize("service", services())
def test_a_stop_is_given_as_long_as_compose_gives_it(service: str) -> None:
    grace = workloads()[service]["spec"]["terminationGracePeriodSeconds"]
    assert f"{grace}s" == containers()[service]["stop_grace_period"]


@pytest.mark.parametrize("name", workloads())
def test_what_runs_is_not_root_and_can_write_nowhere_but_tmp(name: str) -> None:
    pod, only = workloads()[name]["spec"], container(name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["name"] for mount in only["volumeMounts"] if not mount.get("readOnly")] == ["tmp"]
    for volume in pod["volumes"]:
        assert volume.keys() - {"name"} <= {"configMap", "emptyDir"}
        assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": None})
    assert {mount["name"] for mount in only["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_a_film_has_room_on_a_disk_while_it_is_checked() -> None:
    (scratch,) = (volume["emptyDir"] for volume in workloads()["media"]["spec"]["volumes"] if volume["name"] == "tmp")
    assert scratch.keys() == {"sizeLimit"}, "not in memory"
    assert int(scratch["sizeLimit"].removesuffix("Gi")) * 1024**3 > 2 * MOST_BYTES
    assert container("media")["resources"]["requests"]["ephemeral-storage"] == scratch["sizeLimit"]


def test_the_namespace_refuses_what_is_not_so() -> None:
    labels = named("Namespace")["heed"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", workloads())
def test_nobody_can_take_all_of_a_node(name: str) -> None:
    resources = container(name)["resources"]
    assert resources["limits"].keys() >= {"cpu", "memory"}
    assert resources["requests"].keys() == resources["limits"].keys()


@pytest.mark.parametrize("service", services())
def test_a_service_has_the_limits_that_compose_gives_it(service: str) -> None:
    memory = str(containers()[service]["deploy"]["resources"]["limits"]["memory"])
    assert container(service)["resources"]["limits"]["memory"] == re.sub(r"m$", "Mi", re.sub(r"g$", "Gi", memory))


def test_an_image_is_the_one_that_compose_builds_and_bears_our_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name in workloads():
        built = name if name in services() else "tools"
        assert container(name)["image"] == f"heed-{built}:{version}" == containers()[built]["image"]
    for service in services():
        assert container(service)["args"] == containers()[service]["command"]
    renamed = {image["name"]: image["newTag"] for image in kustomization("overlays/example")["images"]}
    assert renamed == {f"heed-{name}": version for name in [*services(), "tools"]}


def test_a_module_that_a_job_runs_is_there() -> None:
    for job in named("Job"):
        _, flag, module, *_ = container(job)["command"]
        assert flag == "-m"
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("name", workloads())
def test_every_variable_of_ours_is_read_by_what_runs_there(name: str) -> None:
    told = {variable for variable in environment(name, REAL) if variable.startswith("HEED_")}
    for_all = set(config()["heed"]) if name == "provision" else set()  # it speaks to no broker
    assert told <= variables_of(name) | for_all


@pytest.mark.parametrize("folder", ["base", "overlays/example"])
def test_a_config_map_holds_only_what_its_readers_read(folder: str) -> None:
    every_service = set.intersection(*(variables_of(service) for service in services()))
    for name, held in config(folder).items():
        ours = {variable for variable in held if variable.startswith("HEED_")}
        service = name.removeprefix("heed-")
        if name == "heed":
            assert ours <= every_service
        elif service in workloads():
            assert ours <= variables_of(service), name
        else:
            assert not ours, name


@pytest.mark.parametrize("service", services())
def test_a_service_is_told_all_that_it_requires(service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    for name, value in environment(service, REAL).items():
        monkeypatch.setenv(name, str(there) if value.startswith("/etc/heed/") else value)
    given = load(settings_of(service))
    assert (given.kafka_username, given.kafka_security) == (f"heed-{service}", "sasl_ssl")


@pytest.mark.parametrize("service", services())
def test_a_service_refuses_the_placeholders_of_the_example(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.touch()
    for name, value in environment(service, example()).items():
        monkeypatch.setenv(name, str(there) if value.startswith("/etc/heed/") else value)
    with pytest.raises(UsageError, match=r"HEED_\w+: .*the placeholder of \.env\.example"):
        load(settings_of(service))


@pytest.mark.parametrize("service", services())
def test_what_compose_tells_a_service_kubernetes_tells_it_too(service: str) -> None:
    """Or an overlay may: what compose passes on only where `.env` has it."""
    told = containers()[service]["environment"]
    required = {name for name, value in told.items() if value is not None}
    given = environment(service, REAL).keys() | config("overlays/example").get(f"heed-{service}", {}).keys()
    assert required <= given


def test_a_file_that_a_variable_names_is_mounted() -> None:
    for name in workloads():
        mounts = {mount["mountPath"]: mount["name"] for mount in container(name)["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in workloads()[name]["spec"]["volumes"]}
        for value in environment(name, REAL).values():
            if value.startswith("/etc/heed/"):
                folder, _, _ = value.rpartition("/")
                held = {"/etc/heed/authorities": "heed-authorities", "/etc/heed/catalogue": "heed-catalogue"}[folder]
                assert volumes[mounts[folder]]["configMap"] == {"name": held}


def test_every_secret_is_one_of_the_example() -> None:
    for name in workloads():
        for kind, held_by, key in references(name):
            if kind == "secret":
                assert held_by == "heed-secrets"
                assert key in optional() or example()[key] == PLACEHOLDER, key


def test_a_secret_goes_only_where_it_is_used() -> None:
    for service in services():
        keys = {key for kind, _, key in references(service) if kind == "secret"}
        own = {key for key in keys if key.startswith(f"HEED_{service.upper()}_")}
        assert keys - own <= SHARED.get(service, set())


def test_no_secret_stands_in_the_tree() -> None:
    assert not [document for document in every() if document["kind"] == "Secret"]
    for folder in ("base", "overlays/example"):
        assert "secretGenerator" not in kustomization(folder)
        for held in config(folder).values():
            assert not [name for name in held if re.search(r"PASSWORD|SECRET|TOKEN|(?<!ACCESS)_KEY$", name)]
            assert not [value for value in held.values() if re.search(r"://[^@/]+:[^@/]+@", value)]
    for name in workloads():
        for variable in container(name)["env"]:
            if re.search(r"PASSWORD|SECRET|TOKEN|(?<!ACCESS)_KEY$", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]


@pytest.mark.parametrize("scaled", named("ScaledObject", "autoscaling").values(), ids=lambda it: it["metadata"]["name"])
def test_readers_grow_by_the_lag_of_a_topic_that_they_read_and_no_further_than_it_has_partitions(
    scaled: Document,
) -> None:
    (trigger,) = scaled["spec"]["triggers"]
    told = trigger["metadata"]
    topic = {topic.name: topic for topic in TOPICS}[told["topic"]]
    reader = scaled["spec"]["scaleTargetRef"]["name"]
    assert told["consumerGroup"] == reader == scaled["metadata"]["name"]
    assert reader in topic.consumers
    assert 1 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= topic.partitions
    assert all(isinstance(value, str) for value in told.values())
    assert told["bootstrapServersFromEnv"] in environment(reader, REAL)
    (login,) = named("TriggerAuthentication", "autoscaling").values()
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
    assert {each["name"] for each in login["spec"]["env"]} <= environment(reader, REAL).keys()


def test_nobody_has_more_members_than_partitions_to_read() -> None:
    for service in set(services()) - WITH_HTTP:
        most = max(topic.partitions for topic in TOPICS if service in topic.consumers)
        assert named("Deployment")[service]["spec"]["replicas"] <= most


def test_what_scales_by_itself_has_no_number_that_is_set_anew() -> None:
    targets = [each["spec"].get("scaleTargetRef", {}) for each in documents("autoscaling")]
    scaled = {target["name"] for target in targets if target}
    (patch,) = kustomization("autoscaling")["patches"]
    assert set(patch["target"]["name"].split("|")) == scaled == {"gateway", "analysis", "learning"}
    for name in scaled:
        assert re.fullmatch(patch["target"]["name"], name)


def test_the_gateways_members_leave_postgresql_connections_for_others() -> None:
    """PostgreSQL's default is 100 connections, three of them for its administrator."""
    (gateway,) = named("HorizontalPodAutoscaler", "autoscaling").values()
    pool = settings_of("gateway").model_fields["gateway_database_pool"].default
    assert gateway["spec"]["maxReplicas"] * pool <= 60


def test_raw_words_are_not_given_at_the_edge() -> None:
    rules = [rule for each in named("Ingress", "overlays/example").values() for rule in each["spec"]["rules"]]
    (gateway,) = (rule["http"]["paths"] for rule in rules if rule["host"] == "feedback.example.org")
    inside = [path["path"] for path in gateway if "/v1/words/x/1".startswith(path["path"])]
    assert inside == []
    documented = {"/v1/feedback", "/v1/feedback:batch", "/v1/media", "/v1/receipts", "/openapi.json"}
    assert {path["path"] for path in gateway} == documented


def test_only_gateway_and_portal_are_reached_from_outside() -> None:
    ways_in = named("Ingress", "overlays/example")
    backends = {
        path["backend"]["service"]["name"]
        for way in ways_in.values()
        for rule in way["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert backends == WITH_HTTP == named("Service").keys() == ways_in.keys()
    assert all(service["spec"].get("type", "ClusterIP") == "ClusterIP" for service in named("Service").values())
    for way in ways_in.values():
        hosts = {rule["host"] for rule in way["spec"]["rules"]}
        assert hosts == {host for each in way["spec"]["tls"] for host in each["hosts"]}
    (portal,) = ways_in["portal"]["spec"]["rules"]
    assert config("overlays/example")["heed-portal"]["HEED_PORTAL_URL"] == f"https://{portal['host']}"


def test_the_examples_catalogue_is_one() -> None:
    assert read(EXAMPLE / "catalogue.yaml").team_ids
