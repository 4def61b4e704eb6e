"""The parts of KubeRay's resources that our manifests use; a field that is not here is a typo.

Kubernetes drops unknown fields in silence, so that a misspelt limit is no limit.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)


class Metadata(_Strict):
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    labels: dict[str, str] = {}


class Amounts(_Strict):
    cpu: str = Field(pattern=r"^\d+m?$")
    memory: str = Field(pattern=r"^\d+(Mi|Gi)$")
    gpus: str | None = Field(None, alias="nvidia.com/gpu", pattern=r"^\d+$")


class ContainerResources(_Strict):
    requests: Amounts
    limits: Amounts


class ContainerSecurity(_Strict):
    allowPrivilegeEscalation: Literal[False]
    readOnlyRootFilesystem: Literal[True]
    capabilities: dict[Literal["drop"], list[Literal["ALL"]]]


class Variable(_Strict):
    name: str
    value: str


class Port(_Strict):
    name: str
    containerPort: int


class Mount(_Strict):
    name: str
    mountPath: str
    readOnly: bool = False


class Container(_Strict):
    name: str
    image: str = Field(pattern=r"^[^\s:@]+@sha256:[0-9a-f]{64}$")
    imagePullPolicy: Literal["IfNotPresent"]
    command: list[str] = []
    env: list[Variable] = []
    ports: list[Port] = []
    resources: ContainerResources
    securityContext: ContainerSecurity
    volumeMounts: list[Mount] = []


class Claim(_Strict):
    claimName: str
    readOnly: bool


class Item(_Strict):
    key: str
    path: str


class MapSource(_Strict):
    name: str
    items: list[Item]


class TokenSource(_Strict):
    path: str
    expirationSeconds: int = Field(ge=600)


class OwnField(_Strict):
    path: str
    fieldRef: dict[Literal["fieldPath"], str]


class OwnFields(_Strict):
    items: list[OwnField]


class Source(_Strict):
    serviceAccountToken: TokenSource | None = None
    configMap: MapSource | None = None
    downwardAPI: OwnFields | None = None


class Projected(_Strict):
    sources: list[Source]


class SecretFolder(_Strict):
    secretName: str
    defaultMode: int


class EmptyFolder(_Strict):
    medium: Literal["Memory"] | None = None
    sizeLimit: str | None = None


class Volume(_Strict):
    name: str
    persistentVolumeClaim: Claim | None = None
    emptyDir: EmptyFolder | None = None
    projected: Projected | None = None
    secret: SecretFolder | None = None


class Toleration(_Strict):
    key: str
    operator: Literal["Exists", "Equal"]
    value: str | None = None
    effect: Literal["NoSchedule"]


class PodSecurity(_Strict):
    runAsNonRoot: Literal[True]
    runAsUser: int = Field(gt=0)
    runAsGroup: int = Field(gt=0)
    fsGroup: int
    seccompProfile: dict[Literal["type"], Literal["RuntimeDefault"]]


class Pod(_Strict):
    restartPolicy: Literal["Never"]
    serviceAccountName: str
    automountServiceAccountToken: Literal[False]
    terminationGracePeriodSeconds: int | None = None
    securityContext: PodSecurity
    nodeSelector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    containers: list[Container]
    volumes: list[Volume] = []


class PodMetadata(_Strict):
    labels: dict[str, str]


class PodTemplate(_Strict):
    metadata: PodMetadata
    spec: Pod


class Head(_Strict):
    rayStartParams: dict[str, str]
    serviceType: Literal["ClusterIP"]
    template: PodTemplate


class Group(_Strict):
    groupName: str
    replicas: int = Field(ge=0)
    minReplicas: int = Field(ge=0)
    maxReplicas: int = Field(ge=1)
    idleTimeoutSeconds: int
    rayStartParams: dict[str, str]
    template: PodTemplate


class Autoscaler(_Strict):
    version: Literal["v2"]
    upscalingMode: Literal["Default", "Aggressive", "Conservative"]
    idleTimeoutSeconds: int
    resources: ContainerResources
    securityContext: ContainerSecurity
    volumeMounts: list[Mount]


class Authentication(_Strict):
    mode: Literal["token"]


class ClusterSpec(_Strict):
    rayVersion: str
    authOptions: Authentication
    enableInTreeAutoscaling: Literal[True]
    autoscalerOptions: Autoscaler
    headGroupSpec: Head
    workerGroupSpecs: list[Group]


class SubmitterConfig(_Strict):
    backoffLimit: int


class JobSpec(_Strict):
    entrypoint: str
    submissionMode: Literal["K8sJobMode"]
    submitterConfig: SubmitterConfig
    submitterPodTemplate: PodTemplate
    backoffLimit: int
    preRunningDeadlineSeconds: int
    activeDeadlineSeconds: int
    shutdownAfterJobFinishes: Literal[True]
    ttlSecondsAfterFinished: int
    rayClusterSpec: ClusterSpec


class RayJob(_Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: JobSpec


class RayCluster(_Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: ClusterSpec


class CronSpec(_Strict):
    schedule: str = Field(pattern=r"^(\S+ ){4}\S+$")
    timeZone: str
    jobTemplate: JobSpec


class RayCronJob(_Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCronJob"]
    metadata: Metadata
    spec: CronSpec


class BatchJobSpec(_Strict):
    backoffLimit: int
    activeDeadlineSeconds: int
    template: PodTemplate


class BatchJobTemplate(_Strict):
    spec: BatchJobSpec


class BatchCronSpec(_Strict):
    schedule: str = Field(pattern=r"^(\S+ ){4}\S+$")
    timeZone: str
    concurrencyPolicy: Literal["Forbid"]
    startingDeadlineSeconds: int
    successfulJobsHistoryLimit: int
    failedJobsHistoryLimit: int
    jobTemplate: BatchJobTemplate


class CronJob(_Strict):
    apiVersion: Literal["batch/v1"]
    kind: Literal["CronJob"]
    metadata: Metadata
    spec: BatchCronSpec


class ServiceAccount(_Strict):
    apiVersion: Literal["v1"]
    kind: Literal["ServiceAccount"]
    metadata: Metadata
    automountServiceAccountToken: Literal[False]


class Labels(_Strict):
    matchLabels: dict[str, str] = {}


class Block(_Strict):
    cidr: str
    exceptions: list[str] = Field([], alias="except")


class Peer(_Strict):
    podSelector: Labels | None = None
    namespaceSelector: Labels | None = None
    ipBlock: Block | None = None


class PolicyPort(_Strict):
    protocol: Literal["TCP", "UDP"]
    port: int


class Incoming(_Strict):
    peers: list[Peer] = Field(alias="from", min_length=1)
    ports: list[PolicyPort] = []


class Outgoing(_Strict):
    peers: list[Peer] = Field(alias="to", min_length=1)
    ports: list[PolicyPort] = []


class PolicySpec(_Strict):
    podSelector: Labels
    policyTypes: list[Literal["Ingress", "Egress"]] = Field(min_length=2)
    ingress: list[Incoming]
    egress: list[Outgoing]


class NetworkPolicy(_Strict):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: Metadata
    spec: PolicySpec


KINDS = {
    kind.__name__: kind
    for kind in (RayJob, RayCluster, RayCronJob, CronJob, ServiceAccount, NetworkPolicy)
}


def parsed(document: dict[str, Any]) -> Any:
    """A manifest as its model. Raises KeyError for a kind we do not ship, ValueError for a typo."""
    return KINDS[document["kind"]].model_validate(document)
