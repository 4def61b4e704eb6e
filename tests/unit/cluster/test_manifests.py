from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import typer
import yaml
from pydantic import ValidationError

from jobs.commands.app import app
from jobs.commands.on_a_cluster import parser
from jobs.from_environment import arguments
from tests.unit.cluster.kuberay import parsed

CLUSTER = Path(__file__).parents[3] / "cluster"
KUBERAY = CLUSTER / "kuberay"
CRDS = Path(os.environ.get("KUBERAY_CRDS", CLUSTER.parents[1] / "shared" / "crds"))
COMMON = ["ServiceAccount"] * 3 + ["NetworkPolicy"] * 2
BUILT = {
    "run": [*COMMON, "RayJob"],
    "nightly": [*COMMON, "RayCronJob"],
    "standing": [*COMMON, "RayCluster", "CronJob"],
}

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
needs_crds = pytest.mark.skipif(not CRDS.is_dir(), reason="needs KubeRay's CRDs: KUBERAY_CRDS")


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@cache
def kustomized(folder: Path) -> str:
    command = ["kubectl", "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout


def documents(folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kustomized(folder)))


def build(folder: Path) -> dict[str, dict[str, Any]]:
    """Those of which there is one, by kind."""
    return {one["kind"]: one for one in documents(folder)}


def strict(schema: Any) -> Any:
    """A CRD's schema that refuses the fields which Kubernetes would drop."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@cache
def crd(kind: str) -> jsonschema.protocols.Validator:
    """What checks a document of this kind; checking the schema itself takes seconds."""
    document = json.loads((CRDS / f"{kind.lower()}s.schema.json").read_text())
    schema = strict(document["versions"]["v1"])
    # The API server adds these to every kind.
    schema["properties"] |= {"metadata": {"type": "object"}}
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    return validator(schema)


def test_the_job_in_the_repository_has_no_field_that_kuberay_would_drop():
    job = parsed(load(KUBERAY / "base" / "rayjob.yaml"))
    assert [group.groupName for group in job.spec.rayClusterSpec.workerGroupSpecs] == [
        "light-gpu",
        "heavy-gpu",
    ]


def test_a_misspelt_field_is_noticed():
    document = load(KUBERAY / "base" / "rayjob.yaml")
    document["spec"]["ttlSecondAfterFinished"] = 1
    with pytest.raises(ValidationError, match="ttlSecondAfterFinished"):
        parsed(document)


def test_mounts_have_volumes_and_replicas_lie_within_their_bounds():
    spec = parsed(load(KUBERAY / "base" / "rayjob.yaml")).spec.rayClusterSpec
    pods = [group.template.spec for group in [spec.headGroupSpec, *spec.workerGroupSpecs]]
    for pod in pods:
        volumes = {volume.name for volume in pod.volumes}
        mounts = {mount.name for one in pod.containers for mount in one.volumeMounts}
        if pod is spec.headGroupSpec.template.spec:  # KubeRay puts its autoscaler there
            mounts |= {mount.name for mount in spec.autoscalerOptions.volumeMounts}
        assert mounts == volumes
    for group in spec.workerGroupSpecs:
        assert group.minReplicas <= group.replicas <= group.maxReplicas


def test_the_rays_of_job_and_constraints_are_the_same():
    constraints = (CLUSTER.parent / "constraints.txt").read_text()
    job = load(KUBERAY / "base" / "rayjob.yaml")
    assert f"\nray=={job['spec']['rayClusterSpec']['rayVersion']}\n" in constraints


@needs_kubectl
@pytest.mark.parametrize("name", BUILT)
def test_what_kustomize_builds_has_no_field_that_would_be_dropped(name):
    built = documents(KUBERAY / name)
    assert sorted(one["kind"] for one in built) == sorted(BUILT[name])
    for document in built:
        parsed(document)


@needs_kubectl
@needs_crds
@pytest.mark.parametrize(
    ("name", "kind"), [("run", "RayJob"), ("nightly", "RayCronJob"), ("standing", "RayCluster")]
)
def test_what_kustomize_builds_is_what_the_crds_accept(name, kind):
    document = build(KUBERAY / name)[kind]
    crd(kind).validate(document)
    document["spec"]["no such field"] = 1
    with pytest.raises(jsonschema.ValidationError, match="no such field"):
        crd(kind).validate(document)


@needs_crds
def test_the_job_in_the_repository_is_what_the_crd_accepts():
    crd("RayJob").validate(load(KUBERAY / "base" / "rayjob.yaml"))


@needs_kubectl
@pytest.mark.parametrize("name", BUILT)
def test_every_value_arrives(tmp_path, name):
    shutil.copytree(KUBERAY, tmp_path / "kuberay")
    path = tmp_path / "kuberay" / "values" / "values.yaml"
    document = load(path)
    values = document["data"]
    for number, key in enumerate(values, start=101):
        unit = "Gi" if key.endswith("Memory") else ""
        values[key] = f"{number}{unit}" if re.fullmatch(r"\d+(Gi)?", values[key]) else f"v{number}"
    path.write_text(yaml.safe_dump(document))
    text = yaml.safe_dump_all(documents(tmp_path / "kuberay" / name), width=10_000)
    only_nights = set() if name != "run" else {"schedule", "timeZone"}
    for key, value in values.items():
        assert re.search(rf"(?<![\w.]){value}(?![\w.])", text) or key in only_nights, key
    assert "example" not in text


def head_of(cluster: dict[str, Any]) -> dict[str, Any]:
    return cluster["headGroupSpec"]["template"]["spec"]["containers"][0]


def nights(built: dict[str, Any]) -> dict[str, Any]:
    return built["RayCronJob"]["spec"]["jobTemplate"]


def submitter(built: dict[str, Any]) -> dict[str, Any]:
    pod = built["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod["containers"][0]


@needs_kubectl
@pytest.mark.parametrize(
    ("name", "line", "container"),
    [
        (
            "run",
            lambda built: built["RayJob"]["spec"]["entrypoint"],
            lambda built: head_of(built["RayJob"]["spec"]["rayClusterSpec"]),
        ),
        (
            "nightly",
            lambda built: nights(built)["entrypoint"],
            lambda built: head_of(nights(built)["rayClusterSpec"]),
        ),
        ("standing", lambda built: " ".join(submitter(built)["command"]), submitter),
    ],
)
def test_the_command_is_one_that_backlot_understands(name, line, container):
    built = build(KUBERAY / name)
    program, *command = line(built).removeprefix("python -m ").split()
    variables = {one["name"]: one.get("value", "") for one in container(built)["env"]}
    assert program == "jobs.from_environment"
    words = arguments(command, variables)
    *handed_in, verb = words[: len(command)]
    assert (handed_in, verb) == ((["submit"], "nightly") if name == "standing" else ([], name))
    given = parser(typer.main.get_command(app))(verb, words[len(command) :])
    assert given["recipe"] == "studio"
    assert given["output"] == "s3://example-pictures/dataset"


def test_the_launcher_accepts_the_cluster_for_aws():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    cluster = load(CLUSTER / "aws" / "cluster.yaml")
    jsonschema.validate(cluster, schema)
    types = cluster["available_node_types"]
    assert cluster["head_node_type"] in types
    for name in ("light-gpu", "heavy-gpu"):
        assert types[name]["labels"]["ray.io/node-group"] == name


def test_the_image_needs_no_root_and_holds_no_weights():
    lines = (CLUSTER / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    job = parsed(load(KUBERAY / "base" / "rayjob.yaml"))
    pod = job.spec.rayClusterSpec.headGroupSpec.template.spec
    assert users == [str(pod.securityContext.runAsUser)]
    copied = {
        line.split()[1]
        for line in lines
        if line.startswith("COPY pipeline") or line.startswith("COPY jobs")
    }
    assert copied == {"pipeline", "jobs"}
    ignored = (CLUSTER.parent / ".dockerignore").read_text().splitlines()
    for name in ("pipeline", "jobs", "pyproject.toml", "constraints.txt", "cluster/install.sh"):
        assert f"!{name}" in ignored
