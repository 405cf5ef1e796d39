"""What kustomize makes of the manifests; skipped where there is none (`kubectl` brings one along)."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

import kubernetes_validate
import pytest
import yaml

from tests.unit.deployment_files import services
from tests.unit.kubernetes_files import FOLDER, Document, kustomization
from tests.unit.test_kubernetes import THEIRS, VERSION

BROUGHT = {"heed-authorities"}
"""ConfigMaps that the operator makes."""


@cache
def rendered(folder: str) -> tuple[Document, ...]:
    tool = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    if shutil.which(tool[0]) is None:
        pytest.skip("neither kustomize nor kubectl here")
    done = subprocess.run([*tool, FOLDER / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def test_kustomize_takes_the_base_alone() -> None:
    assert all(each["kind"] == "Namespace" or each["metadata"]["namespace"] == "heed" for each in rendered("base"))


def test_kubernetes_takes_what_kustomize_makes_of_the_example() -> None:
    for document in rendered("overlays/example"):
        if document["apiVersion"] not in THEIRS:
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_what_is_referred_to_is_made() -> None:
    made = {(document["kind"], document["metadata"]["name"]): document for document in rendered("overlays/example")}
    seen = set()
    for document in made.values():
        for referred in re.findall(r"configMap\w*:\n(?: +key: .*\n)? +name: (\S+)", yaml.safe_dump(document)):
            assert referred in BROUGHT or ("ConfigMap", referred) in made, referred
            seen.add(referred)
    assert len(seen) > len(services())


def test_an_overlay_names_images_and_leaves_what_scales_by_itself_alone() -> None:
    deployed = {each["metadata"]["name"]: each for each in rendered("overlays/example") if each["kind"] == "Deployment"}
    for service in ("gateway", "analysis", "learning"):
        assert "replicas" not in deployed[service]["spec"]
    names = {
        image["name"]: f"{image['newName']}:{image['newTag']}" for image in kustomization("overlays/example")["images"]
    }
    for name, deployment in deployed.items():
        (only,) = deployment["spec"]["template"]["spec"]["containers"]
        assert only["image"] == names[f"heed-{name}"]
