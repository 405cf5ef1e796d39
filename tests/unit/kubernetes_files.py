"""The manifests for Kubernetes as data, without kustomize: its files as they are written."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from tests.unit.deployment_files import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
BASE = FOLDER / "base"
AUTOSCALING = FOLDER / "autoscaling"
EXAMPLE = FOLDER / "overlays" / "example"

Document = dict[str, Any]


@cache
def kustomization(folder: str) -> Document:
    """What a folder of `deploy/kubernetes` is made of."""
    parsed: Document = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return parsed


@cache
def documents(folder: str) -> tuple[Document, ...]:
    """Every document of a folder's own files."""
    files = [FOLDER / folder / name for name in kustomization(folder)["resources"] if not name.startswith("..")]
    return tuple(document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8")))


def every() -> list[Document]:
    """All of them."""
    return [document for folder in ("base", "autoscaling", "overlays/example") for document in documents(folder)]


def named(kind: str, folder: str = "base") -> dict[str, Document]:
    """The documents of one kind by name."""
    return {each["metadata"]["name"]: each for each in documents(folder) if each["kind"] == kind}


def workloads() -> dict[str, Document]:
    """What runs: the pod template of each Deployment and Job, by name."""
    return {name: each["spec"]["template"] for kind in ("Deployment", "Job") for name, each in named(kind).items()}


def container(workload: str) -> Document:
    """Its one container."""
    (only,) = workloads()[workload]["spec"]["containers"]
    found: Document = only
    return found


def config(folder: str = "base") -> dict[str, dict[str, str]]:
    """What the folder's generated ConfigMaps hold, by name."""
    return {
        made["name"]: dict(literal.split("=", 1) for literal in made.get("literals", ()))
        for made in kustomization(folder).get("configMapGenerator", ())
    }


def networks(workload: str) -> set[str]:
    """What its labels let it join."""
    labels = workloads()[workload]["metadata"]["labels"]
    return {label.removeprefix("heed/") for label, value in labels.items() if label.startswith("heed/") and value}


def references(workload: str) -> list[tuple[str, str, str]]:
    """What its environment refers to: `secret` or `config`, the object's name, the key."""
    found = []
    for variable in container(workload)["env"]:
        for kind, reference in variable.get("valueFrom", {}).items():
            if kind != "resourceFieldRef":
                what = "secret" if kind == "secretKeyRef" else "config"
                found.append((what, reference["name"], reference["key"]))
    return found


def environment(workload: str, secrets: dict[str, str]) -> dict[str, str]:
    """What the process will find, as the kubelet puts it together; a secret that is optional and not given is unset."""
    found: dict[str, str] = {}
    for source in container(workload)["envFrom"]:
        found |= config()[source["configMapRef"]["name"]]
    for variable in container(workload)["env"]:
        value = _value(variable, workload, secrets)
        if value is not None:
            found[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], value)
    return found


def _value(variable: Document, workload: str, secrets: dict[str, str]) -> str | None:
    if "value" in variable:
        return str(variable["value"])
    ((kind, reference),) = variable["valueFrom"].items()
    if kind == "configMapKeyRef":
        return config()[reference["name"]][reference["key"]]
    if kind == "resourceFieldRef":
        section, resource = reference["resource"].split(".")
        return str(container(workload)["resources"][section][resource])
    return secrets.get(reference["key"]) if reference.get("optional") else secrets[reference["key"]]
