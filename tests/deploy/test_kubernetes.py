"""deploy/kubernetes is what Kubernetes and its operators take, and keeps our own rules."""

import copy
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy import prometheus_rule, rules
from tests.deploy.manifests import EXAMPLE, KUBERNETES, Manifest, Schemas, built, name_of, of_kind, only
from tests.deploy.rules import RULES, Rule, container, pod
from worker.kafka.topics import plans
from worker.settings import Settings, parse

FOLDERS: Final = ("base", EXAMPLE)
COMPONENTS: Final = sorted(folder.name for folder in (KUBERNETES / "components").iterdir())

Break = Callable[[list[Manifest]], object]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_manifest_is_what_its_kind_allows(folder: str, schemas: Schemas) -> None:
    manifests = built(folder)
    assert manifests
    assert [fault for manifest in manifests for fault in schemas.faults(manifest)] == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_can_be_left_out(
    component: str, example: Sequence[Manifest], schemas: Schemas, tmp_path: Path
) -> None:
    shutil.copytree(KUBERNETES, tmp_path, dirs_exist_ok=True)
    kustomization = tmp_path / EXAMPLE / "kustomization.yaml"
    chosen = yaml.safe_load(kustomization.read_text())
    chosen["components"].remove(f"../../components/{component}")
    kustomization.write_text(yaml.safe_dump(chosen))
    without = built(EXAMPLE, tmp_path)
    assert [fault for manifest in without for fault in schemas.faults(manifest)] == []
    assert len(without) < len(example)


WRONG_FIELDS: Final[dict[str, Break]] = {
    "Deployment": lambda made: only(made, "Deployment")["spec"].update(replica=3),
    "ConfigMap": lambda made: of_kind(made, "ConfigMap")[0]["data"].update(port=8080),
    "NetworkPolicy": lambda made: of_kind(made, "NetworkPolicy")[0]["spec"].update(policyType=["Ingress"]),
    "PodDisruptionBudget": lambda made: only(made, "PodDisruptionBudget")["spec"].update(selector="worker"),
    "Service": lambda made: only(made, "Service")["spec"]["ports"][0].update(port="eighty"),
    "ServiceAccount": lambda made: only(made, "ServiceAccount").update(automountServiceAccountToken="no"),
    "Namespace": lambda made: only(made, "Namespace")["metadata"].update(labels=["restricted"]),
    "KafkaTopic": lambda made: of_kind(made, "KafkaTopic")[0]["spec"].update(partitions="12"),
    "KafkaUser": lambda made: of_kind(made, "KafkaUser")[0]["spec"]["authorization"]["acls"][0].update(
        operation="Read"
    ),
    "ScaledObject": lambda made: only(made, "ScaledObject")["spec"].update(minReplicas=2),
    "TriggerAuthentication": lambda made: only(made, "TriggerAuthentication")["spec"].update(
        secret="password"
    ),
    "PodMonitor": lambda made: only(made, "PodMonitor")["spec"]["podMetricsEndpoints"][0].update(every="15s"),
    "PrometheusRule": lambda made: only(made, "PrometheusRule")["spec"]["groups"][0].update(rule=[]),
}


def test_every_kind_is_broken_once(example: Sequence[Manifest]) -> None:
    assert {manifest["kind"] for manifest in example} == set(WRONG_FIELDS)


@pytest.mark.parametrize("kind", WRONG_FIELDS)
def test_a_wrong_field_is_noticed(kind: str, example: Sequence[Manifest], schemas: Schemas) -> None:
    broken = copy.deepcopy(list(example))
    WRONG_FIELDS[kind](broken)
    faults = [fault for manifest in broken for fault in schemas.faults(manifest)]
    assert [fault.partition(" ")[0] for fault in faults] == [kind]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_kept(rule: Rule, example: Sequence[Manifest], settings: Settings) -> None:
    assert list(rule(example, settings)) == []


def mount(made: Sequence[Manifest], **changed: Any) -> None:
    container(made)["volumeMounts"][2].update(changed)


BROKEN: Final[dict[Rule, tuple[Break, ...]]] = {
    rules.the_pod_is_restricted: (
        lambda made: pod(made)["spec"]["securityContext"].update(runAsUser=0),
        lambda made: pod(made)["spec"]["securityContext"].pop("seccompProfile"),
        lambda made: container(made)["securityContext"].pop("readOnlyRootFilesystem"),
        lambda made: container(made)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
        lambda made: pod(made)["spec"].update(hostNetwork=True),
        lambda made: pod(made)["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ),
    rules.the_namespace_enforces_it: (lambda made: only(made, "Namespace")["metadata"].pop("labels"),),
    rules.secrets_are_files_that_follow: (
        lambda made: mount(made, subPath="private.pem"),
        lambda made: mount(made, readOnly=False),
        lambda made: container(made)["env"].append({"name": "KEY", "valueFrom": {"secretKeyRef": {}}}),
        lambda made: container(made).update(envFrom=[{"secretRef": {"name": "keys"}}]),
    ),
    rules.secrets_are_for_the_worker_alone: (
        lambda made: pod(made)["spec"]["volumes"][2]["secret"].pop("defaultMode"),
        lambda made: pod(made)["spec"]["securityContext"].pop("fsGroup"),
    ),
    rules.every_secret_comes_from_somewhere: (
        lambda made: pod(made)["spec"]["volumes"][2]["secret"].update(secretName="elsewhere"),
        lambda made: only(made, "KafkaUser", "refund-worker")["metadata"].update(name="worker"),
    ),
    rules.every_file_of_the_settings_is_mounted: (
        lambda made: container(made)["volumeMounts"].pop(1),
        lambda made: mount(made, mountPath="/keys"),
    ),
    rules.a_stop_is_given_the_time_it_needs: (
        lambda made: pod(made)["spec"].update(terminationGracePeriodSeconds=49),
    ),
    rules.the_probes_ask_what_they_should: (
        lambda made: container(made)["livenessProbe"]["httpGet"].update(path="/ready"),
        lambda made: container(made).pop("readinessProbe"),
        lambda made: container(made)["ports"][0].update(containerPort=8000),
    ),
    rules.notifications_have_a_port: (lambda made: container(made)["ports"].pop(),),
    rules.one_worker_after_the_other: (
        lambda made: only(made, "Deployment")["spec"]["strategy"]["rollingUpdate"].update(maxSurge=1),
        lambda made: only(made, "PodDisruptionBudget")["spec"].update(maxUnavailable="50%"),
    ),
    rules.every_selector_finds_the_workers: (
        lambda made: only(made, "PodDisruptionBudget")["spec"].update(selector={}),
        lambda made: pod(made)["metadata"].update(labels={"app": "worker"}),
    ),
    rules.only_what_is_needed_passes: (
        lambda made: only(made, "NetworkPolicy", "refund-worker")["spec"]["policyTypes"].remove("Egress"),
        lambda made: only(made, "NetworkPolicy", "refund-worker")["spec"]["egress"].append({}),
        lambda made: only(made, "NetworkPolicy", "refund-worker")["spec"]["ingress"][0].pop("from"),
        lambda made: only(made, "NetworkPolicy", "refund-worker")["spec"]["egress"].pop(1),
    ),
    rules.scaling_fits_the_partitions: (
        lambda made: only(made, "ScaledObject")["spec"].update(minReplicaCount=1),
        lambda made: only(made, "ScaledObject")["spec"].update(maxReplicaCount=13),
        lambda made: only(made, "ScaledObject")["spec"].update(cooldownPeriod=30),
        lambda made: only(made, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(topic="commands"),
        lambda made: only(made, "Deployment")["spec"].update(replicas=2),
    ),
    rules.images_are_named_by_digest: (lambda made: container(made).update(image="refund-worker:latest"),),
}


def test_the_settings_that_are_only_proposed_are_settings_too(tmp_path: Path) -> None:
    text = (KUBERNETES / EXAMPLE / "worker.toml").read_text()
    proposed = re.sub(r"^# (\[\w+\]|\w+ = .*)$", r"\1", text, flags=re.MULTILINE)
    assert proposed != text
    (tmp_path / "worker.toml").write_text(proposed)
    assert parse(tmp_path / "worker.toml", {}).console.enabled


def test_every_rule_is_broken_once() -> None:
    assert BROKEN.keys() == set(RULES)


@pytest.mark.parametrize(
    ("rule", "breaks"), [(rule, breaks) for rule, all_breaks in BROKEN.items() for breaks in all_breaks]
)
def test_a_broken_rule_is_noticed(
    rule: Rule, breaks: Break, example: Sequence[Manifest], settings: Settings
) -> None:
    broken = copy.deepcopy(list(example))
    breaks(broken)
    assert list(rule(broken, settings))


def test_the_topics_are_those_that_the_worker_wants(example: Sequence[Manifest], settings: Settings) -> None:
    declared = {
        topic["metadata"]["name"]: (
            topic["spec"]["partitions"],
            topic["spec"]["replicas"],
            {name: as_kafka_has_it(value) for name, value in topic["spec"]["config"].items()},
        )
        for topic in of_kind(example, "KafkaTopic")
    }
    assert declared == {
        plan.name: (plan.partitions, plan.replication_factor, dict(plan.configs)) for plan in plans(settings)
    }


def as_kafka_has_it(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_everything_of_strimzi_belongs_to_the_same_cluster(example: Sequence[Manifest]) -> None:
    strimzi = of_kind(example, "KafkaTopic") + of_kind(example, "KafkaUser")
    clusters = {name_of(one): one["metadata"]["labels"]["strimzi.io/cluster"] for one in strimzi}
    assert set(clusters.values()) == {"kafka"}


def test_the_alerts_are_the_ones_that_prometheus_is_tested_with() -> None:
    assert prometheus_rule.FILE.read_text() == prometheus_rule.resource(prometheus_rule.RULES.read_text())
    groups = yaml.safe_load(prometheus_rule.FILE.read_text())["spec"]["groups"]
    assert groups == yaml.safe_load(prometheus_rule.RULES.read_text())["groups"]
