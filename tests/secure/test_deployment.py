"""What the manifests in cluster/ allow, asked of the tools that people check theirs with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.from_environment import arguments
from tests.unit.cluster.test_manifests import BUILT, KUBERAY, documents, needs_kubectl

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-kubernetes" / "bin"
NOT_OURS = {
    "CKV_K8S_8": "KubeRay adds the liveness probe",
    "CKV_K8S_9": "KubeRay adds the readiness probe",
    "CKV_K8S_21": "kubectl chooses the namespace",
}
"""Checks of Checkov that manifests of Ray's kinds cannot pass, and why."""

needs_tools = pytest.mark.skipif(not TOOLS.is_dir(), reason="`make secure` installs them")
needs_own_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0,
    reason="only root may mount, and not in every container",
)


def templates(part: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pods in a document, each with where it stands."""
    if isinstance(part, list):
        for number, one in enumerate(part):
            yield from templates(one, f"{path}-{number}")
    elif isinstance(part, dict):
        if isinstance(part.get("spec"), dict) and "containers" in part["spec"]:
            yield path, part
        else:
            for name, one in part.items():
                yield from templates(one, f"{path}-{name}")


def as_kubernetes_sees(name: str) -> list[dict[str, Any]]:
    """The documents of a folder; of Ray's kinds, which no other tool knows, the pods they make."""
    made = []
    for document in documents(KUBERAY / name):
        if document["apiVersion"].startswith("ray.io/"):
            for where, template in templates(document["spec"], document["kind"].lower()):
                pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
                labels = template["metadata"]["labels"]
                made.append({**pod, "metadata": {"name": where.lower(), "labels": labels}})
        else:
            made.append(document)
    return made


def accounts(name: str) -> dict[str, str]:
    """The service account of each pod, by where the pod stands."""
    found = {}
    for document in documents(KUBERAY / name):
        for where, template in templates(document.get("spec"), document["kind"]):
            found[where] = template["spec"]["serviceAccountName"]
    return found


def validated(path: Path, seen: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    path.write_text(yaml.safe_dump_all(seen))
    return subprocess.run(
        [TOOLS / "kubernetes-validate", "--strict", "--kubernetes-version", "1.37", path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )


@needs_kubectl
@needs_tools
@pytest.mark.secure
@pytest.mark.parametrize("name", BUILT)
def test_no_field_would_be_dropped_by_kubernetes(tmp_path, name):
    seen = as_kubernetes_sees(name)
    assert {one["kind"] for one in seen} >= {"Pod", "NetworkPolicy", "ServiceAccount"}
    ended = validated(tmp_path / "built.yaml", seen)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pod = next(one for one in seen if one["kind"] == "Pod")
    pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True  # a typo
    ended = validated(tmp_path / "misspelt.yaml", seen)
    assert ended.returncode != 0
    assert "readOnlyRootFileSystem" in ended.stdout + ended.stderr


@needs_kubectl
@pytest.mark.parametrize("name", BUILT)
def test_each_role_has_an_account_of_its_own(name):
    roles: dict[str, set[str]] = {}
    for where, account in accounts(name).items():
        role = "head" if "headGroup" in where else "worker" if "workerGroup" in where else "submit"
        roles.setdefault(role, set()).add(account)
    assert {role: len(names) for role, names in roles.items()} == {
        "head": 1,
        "worker": 1,
        "submit": 1,
    }
    assert len(set.union(*roles.values())) == 3


@needs_kubectl
@pytest.mark.parametrize("name", BUILT)
def test_the_policies_choose_every_pod_and_let_none_of_them_at_the_metadata_service(name):
    everyone, head = (
        one["spec"] for one in documents(KUBERAY / name) if one["kind"] == "NetworkPolicy"
    )
    chosen = everyone["podSelector"]["matchLabels"].items()
    for document in documents(KUBERAY / name):
        for where, template in templates(document.get("spec"), document["kind"]):
            assert chosen <= template["metadata"]["labels"].items(), where
    for rule in [*everyone["egress"], *head["egress"]]:
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            if block["cidr"] == "0.0.0.0/0":
                assert "169.254.0.0/16" in block["except"]
    assert all("from" in rule for rule in [*everyone["ingress"], *head["ingress"]])


@needs_kubectl
@pytest.mark.parametrize("name", BUILT)
def test_a_token_is_wanted_and_kubernetes_own_is_not_beside_the_driver(name):
    for document in documents(KUBERAY / name):
        for where, template in templates(document.get("spec"), document["kind"]):
            for container in template["spec"]["containers"]:
                variables = {one["name"]: one.get("value") for one in container["env"]}
                assert variables["RAY_AUTH_MODE"] == "token", where
                mounts = {mount["name"] for mount in container["volumeMounts"]}
                assert "kubernetes" not in mounts, where


def test_what_a_value_holds_stays_a_value():
    said = "s3://shop/$(id);`id`&&id|id > a 'b\" \n--where=x.parquet"
    words = arguments(
        ["run"],
        {
            "BACKLOT_RECIPE": "studio",
            "BACKLOT_MANIFEST": said,
            "BACKLOT_OUTPUT": said,
            "BACKLOT_OPTIONS": "--limit=5 --set='keep=[title, brand]' $(id) ;",
        },
    )
    assert words == [
        "run",
        "studio",
        f"--manifest={said}",
        f"--output={said}",
        "--limit=5",
        "--set=keep=[title, brand]",
        "$(id)",
        ";",
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"BACKLOT_MANIFEST": ""}, "BACKLOT_MANIFEST is not set"),
        ({"BACKLOT_RECIPE": "--with-code"}, "BACKLOT_RECIPE begins with a hyphen"),
        ({"BACKLOT_OPTIONS": "--set='a"}, "BACKLOT_OPTIONS: no closing quotation"),
    ],
)
def test_an_environment_that_makes_no_command_is_refused_in_one_line(changed, said):
    variables = {"BACKLOT_RECIPE": "studio", "BACKLOT_MANIFEST": "m", "BACKLOT_OUTPUT": "o"}
    ended = subprocess.run(
        [sys.executable, "-m", "jobs.from_environment", "run"],
        env={**os.environ, **variables, **changed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


@needs_kubectl
@needs_tools
@pytest.mark.secure
@pytest.mark.parametrize("name", BUILT)
def test_checkov_finds_nothing_but_what_kuberay_adds(tmp_path, name):
    path = tmp_path / "built.yaml"
    path.write_text(yaml.safe_dump_all(as_kubernetes_sees(name)))
    command = [TOOLS / "checkov", "--file", path, "--framework", "kubernetes", "--output", "json"]
    ended = subprocess.run(
        [*command, "--compact", "--skip-download", "--skip-check", ",".join(NOT_OURS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    said = json.loads(ended.stdout)
    failed = {(one["check_id"], one["resource"]) for one in said["results"]["failed_checks"]}
    assert failed == set()
    assert said["summary"]["passed"] > 300


@needs_own_mounts
@pytest.mark.secure
def test_a_run_writes_nowhere_but_to_tmp_home_and_shared_memory():
    """The pods' root is read-only: the whole demo, on a root that is."""
    # Sockets lie below it, and their paths must be short: not below pytest's folders.
    with tempfile.TemporaryDirectory(prefix="ro-", dir="/tmp") as folder:
        # What is mounted below / has flags of its own, so each mount is made read-only by itself.
        script = "\n".join(
            [
                "set -e",
                f"mount --bind {folder} {folder}",
                "findmnt --raw --noheadings --output TARGET | while read -r at; do",
                f"  case $at in {folder}|/dev|/dev/*|/proc|/proc/*) ;;",
                '  *) mount -o remount,bind,ro "$at" ;;',
                "  esac",
                "done",
                "if touch /usr/written 2>/dev/null; then exit 9; fi",
                f"cd {folder}",
                f"exec {sys.executable} -m jobs.cli demo",
            ]
        )
        ended = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
            env={
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "TMPDIR": folder,
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert len(list(Path(folder).glob("demo-output/dataset/*/report.html"))) == 1
