"""Our own rules for what runs on Kubernetes: those that no schema knows. Each yields what breaks it, in words."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from tests.deploy.manifests import Manifest, name_of, of_kind, only
from worker.settings import Settings

GIVING_UP_S: Final = 25.0
"""What a stop may take beyond drain_s: connections to brokers that do not answer, and a margin."""

GIVEN: Final = {"refund-worker-keys", "refund-worker-tokens", "kafka-cluster-ca-cert"}
"""Secrets that no manifest makes: deploy/README.md says where they come from."""

Rule = Callable[[Sequence[Manifest], Settings], Iterator[str]]


def pod(manifests: Sequence[Manifest]) -> Manifest:
    """The worker's pod template."""
    template: Manifest = only(manifests, "Deployment")["spec"]["template"]
    return template


def container(manifests: Sequence[Manifest]) -> Manifest:
    [worker] = pod(manifests)["spec"]["containers"]
    found: Manifest = worker
    return found


def the_pod_is_restricted(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    """Kubernetes' own "restricted" standard, and a root file system that nobody can write to."""
    spec, worker = pod(manifests)["spec"], container(manifests)
    wanted: tuple[tuple[Any, str, Any], ...] = (
        (spec["securityContext"], "runAsNonRoot", True),
        (spec["securityContext"], "runAsUser", 10001),
        (spec["securityContext"], "runAsGroup", 10001),
        (spec["securityContext"], "seccompProfile", {"type": "RuntimeDefault"}),
        (worker["securityContext"], "allowPrivilegeEscalation", False),
        (worker["securityContext"], "readOnlyRootFilesystem", True),
        (worker["securityContext"], "capabilities", {"drop": ["ALL"]}),
        (spec, "automountServiceAccountToken", False),
        (only(manifests, "ServiceAccount"), "automountServiceAccountToken", False),
    )
    for where, name, value in wanted:
        if where.get(name) != value:
            yield f"{name} is {where.get(name)!r}, expected {value!r}"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec["volumes"]:
        if not volume.keys() & {"configMap", "projected", "secret"}:
            yield f"volume {volume['name']} is neither settings nor a secret"


def the_namespace_enforces_it(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    labels = only(manifests, "Namespace")["metadata"].get("labels", {})
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace lets pods run that are not restricted"


def secrets_are_files_that_follow(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    """A variable never changes while a process lives, and a file under a subPath neither."""
    worker = container(manifests)
    for variable in worker.get("env", []):
        if "valueFrom" in variable:
            yield f"variable {variable['name']} is not a plain value"
    if worker.get("envFrom"):
        yield "envFrom"
    for mount in worker["volumeMounts"]:
        if mount.keys() & {"subPath", "subPathExpr"}:
            yield f"{mount['mountPath']} is a subPath, which does not follow when its Secret changes"
        if mount.get("readOnly") is not True:
            yield f"{mount['mountPath']} can be written to"


def secrets_are_for_the_worker_alone(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    if pod(manifests)["spec"]["securityContext"].get("fsGroup") != 10001:
        yield "without fsGroup 10001 the worker cannot read files that are not for everybody"
    for volume in pod(manifests)["spec"]["volumes"]:
        source = volume.get("secret") or volume.get("projected")
        if source and source.get("defaultMode") != 0o440:
            yield f"volume {volume['name']} has mode {source.get('defaultMode', 0o644):o}, expected 440"


def every_secret_comes_from_somewhere(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    made = {user["metadata"]["name"] for user in of_kind(manifests, "KafkaUser")} | GIVEN
    for volume in pod(manifests)["spec"]["volumes"]:
        sources = [part.get("secret") for part in volume.get("projected", {}).get("sources", [])]
        names = [source["name"] for source in sources if source]
        names += [volume["secret"]["secretName"]] if "secret" in volume else []
        for name in names:
            if name not in made:
                yield f"nothing makes the Secret {name}"


def every_file_of_the_settings_is_mounted(manifests: Sequence[Manifest], settings: Settings) -> Iterator[str]:
    mounts = [PurePath(mount["mountPath"]) for mount in container(manifests)["volumeMounts"]]
    for file in files_of(settings.model_dump()):
        if not any(file.is_relative_to(mount) for mount in mounts):
            yield f"{file} is in no volume"


def files_of(value: object) -> Iterator[PurePath]:
    """Every file that settings name, wherever."""
    match value:
        case PurePath():
            yield value
        case dict():
            for part in value.values():
                yield from files_of(part)
        case list() | tuple():
            for part in value:
                yield from files_of(part)
        case _:
            pass


def a_stop_is_given_the_time_it_needs(manifests: Sequence[Manifest], settings: Settings) -> Iterator[str]:
    given = pod(manifests)["spec"]["terminationGracePeriodSeconds"]
    needed = settings.stream.drain_s + GIVING_UP_S
    if given < needed:
        yield f"terminationGracePeriodSeconds is {given}, expected at least {needed:g}"


def the_probes_ask_what_they_should(manifests: Sequence[Manifest], settings: Settings) -> Iterator[str]:
    worker = container(manifests)
    ports = {port["name"]: port["containerPort"] for port in worker["ports"]}
    if ports.get("http") != settings.http.port:
        yield f"the port http is {ports.get('http')}, expected {settings.http.port}"
    for probe, path in (("startupProbe", "/live"), ("livenessProbe", "/live"), ("readinessProbe", "/ready")):
        asked = worker.get(probe, {}).get("httpGet")
        if asked != {"path": path, "port": "http"}:
            yield f"{probe} asks {asked}"


def notifications_have_a_port(manifests: Sequence[Manifest], settings: Settings) -> Iterator[str]:
    ports = {port["name"]: port["containerPort"] for port in container(manifests)["ports"]}
    listening = settings.notifications
    if not listening.enabled:
        return
    if listening.host != "0.0.0.0":
        yield f"[notifications] host is {listening.host!r}: nobody outside the pod can reach it"
    if ports.get("notifications") != listening.port:
        yield f"the port notifications is {ports.get('notifications')}, expected {listening.port}"


def one_worker_after_the_other(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    strategy = only(manifests, "Deployment")["spec"]["strategy"]
    if strategy.get("rollingUpdate") != {"maxSurge": 0, "maxUnavailable": 1}:
        yield f"a rollout goes by {strategy}"
    if only(manifests, "PodDisruptionBudget")["spec"].get("maxUnavailable") != 1:
        yield "more than one worker may be disrupted at once"


def every_selector_finds_the_workers(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    labels = pod(manifests)["metadata"]["labels"]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if manifest["kind"] in {
            "Deployment",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "PodMonitor",
            "Service",
        }:
            wanted = (selector or {}).get("matchLabels", selector or {})
            if not wanted or not wanted.items() <= labels.items():
                yield f"{name_of(manifest)} selects {wanted}"


def only_what_is_needed_passes(manifests: Sequence[Manifest], settings: Settings) -> Iterator[str]:
    """In: probes, metrics, notifications. Out: names, Kafka, HTTPS."""
    policies = of_kind(manifests, "NetworkPolicy")
    if {"Ingress", "Egress"} - {kind for policy in policies for kind in policy["spec"]["policyTypes"]}:
        yield "traffic in one direction is not restricted"
    rules = [
        (way, rule)
        for policy in policies
        for way in ("ingress", "egress")
        for rule in policy["spec"].get(way, [])
    ]
    for way, rule in rules:
        if not rule.get("ports") or not rule.get("from" if way == "ingress" else "to"):
            yield f"{way} from or to anywhere, or by any port: {rule}"
    ports = {
        way: {port["port"] for one, rule in rules if one == way for port in rule.get("ports", [])}
        for way in ("ingress", "egress")
    }
    brokers = {int(server.rpartition(":")[2]) for server in settings.kafka.bootstrap_servers.split(",")}
    inward = {"http", "notifications"} if settings.notifications.enabled else {"http"}
    if ports["ingress"] != inward:
        yield f"ports open inward: {ports['ingress']}, expected {inward}"
    if ports["egress"] != brokers | {53, 443}:
        yield f"ports open outward: {ports['egress']}"


def scaling_fits_the_partitions(manifests: Sequence[Manifest], settings: Settings) -> Iterator[str]:
    spec = only(manifests, "ScaledObject")["spec"]
    if spec["scaleTargetRef"] != {"name": only(manifests, "Deployment")["metadata"]["name"]}:
        yield f"scales {spec['scaleTargetRef']}"
    if "replicas" in only(manifests, "Deployment")["spec"]:
        yield "every apply would set the number of pods back"
    if spec["minReplicaCount"] < 2:
        yield "a single worker may be left"
    if spec["maxReplicaCount"] > settings.topics.partitions:
        yield f"{spec['maxReplicaCount']} workers for {settings.topics.partitions} partitions"
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    if min(behavior["scaleDown"]["stabilizationWindowSeconds"], spec["cooldownPeriod"]) < 1800:
        yield "workers are taken away too soon: each time, partitions move"
    [trigger] = spec["triggers"]
    looked_at = {
        name: trigger["metadata"].get(name) for name in ("bootstrapServers", "consumerGroup", "topic")
    }
    kafka = settings.kafka
    expected = dict(
        zip(looked_at, (kafka.bootstrap_servers, kafka.group_id, settings.topics.commands), strict=True)
    )
    if looked_at != expected:
        yield f"the lag is looked at in {looked_at}, expected {expected}"


def images_are_named_by_digest(manifests: Sequence[Manifest], _: Settings) -> Iterator[str]:
    image = container(manifests)["image"]
    if "@sha256:" not in image:
        yield f"{image}: a tag moves"


RULES: Final[tuple[Rule, ...]] = (
    the_pod_is_restricted,
    the_namespace_enforces_it,
    secrets_are_files_that_follow,
    secrets_are_for_the_worker_alone,
    every_secret_comes_from_somewhere,
    every_file_of_the_settings_is_mounted,
    a_stop_is_given_the_time_it_needs,
    the_probes_ask_what_they_should,
    notifications_have_a_port,
    one_worker_after_the_other,
    every_selector_finds_the_workers,
    only_what_is_needed_passes,
    scaling_fits_the_partitions,
    images_are_named_by_digest,
)
