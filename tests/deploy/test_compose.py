"""deploy/compose.yaml is what the Compose specification allows, keeps our rules, and its steps lead to a refund.

There is no container engine here. The steps are the containers' own commands, run as processes in their order, with
the same settings, on a broker with the same settings; only ports and folders are others.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.conftest import not_run
from tests.deploy.manifests import ROOT
from worker.demo.artifacts import CannotHave, kafka_version
from worker.demo.local import GUARD, free_port
from worker.demo.local_kafka import SETTINGS, LocalKafka
from worker.settings import parse

FILE: Final = ROOT / "deploy" / "compose.yaml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = [name for name, service in SERVICES.items() if service["image"] == "refund-worker"]
PLACED: Final = (
    "KAFKA_LISTENERS",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_CONTROLLER_QUORUM_VOTERS",
    "KAFKA_LOG_DIRS",
)
"""The broker's settings that say where it is, which is elsewhere here."""

READY_MAX_S: Final = 90.0

JUDGE: Final = """
import compose_spec, sys
options = compose_spec.PyOptions()
options.apply_merge = True
try:
    options.from_yaml(sys.stdin.read()).validate()
except ValueError as error:
    sys.exit(str(error))
"""


def judged(tools: Path, text: str) -> str:
    """What is wrong with a compose file; "" if nothing is."""
    program = [str(tools / "bin" / "python"), "-c", JUDGE]
    run = subprocess.run(program, input=text, capture_output=True, text=True, check=False)
    return run.stderr


def test_it_is_what_the_specification_allows(tools: Path) -> None:
    assert judged(tools, FILE.read_text()) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "readonly: true"),
        ("condition: service_healthy", "condition: service_well"),
        ("aliases: [worker]", "alias: [worker]"),
        ("interval: 5s", "interval: often"),
    ],
)
def test_what_it_does_not_allow_is_noticed(right: str, wrong: str, tools: Path) -> None:
    text = FILE.read_text()
    assert right in text
    assert judged(tools, text.replace(right, wrong))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_do_nothing_but_their_work(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    gives_away = name == "keys"
    assert service.get("user") == ("0:0" if gives_away else None)
    assert service.get("cap_add") == (["CHOWN"] if gives_away else None)
    assert not service.get("privileged")


def test_no_port_is_open_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_file_and_volume_that_is_mounted_is_there() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    for source, *_, mode in mounts:
        if source.startswith("."):
            assert (FILE.parent / source).is_file(), source
            assert mode == "ro", source
    named = {source for source, *_ in mounts if not source.startswith(".")}
    assert named == COMPOSE["volumes"].keys()


def test_images_have_a_version_and_kafka_has_the_tested_one() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}
    for image in images.values():
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image), image
    assert images["kafka"] == f"apache/kafka:{kafka_version()}"


def test_a_stop_is_given_the_time_it_needs() -> None:
    drain_s = parse(ROOT / "deploy" / "worker.local.toml", {}).stream.drain_s
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) >= drain_s + 25


def test_prometheus_finds_the_worker_and_its_rules() -> None:
    config = yaml.safe_load((FILE.parent / "compose" / "prometheus.yaml").read_text())
    [job] = config["scrape_configs"]
    port = parse(ROOT / "deploy" / "worker.local.toml", {}).http.port
    assert job["static_configs"] == [{"targets": [f"worker:{port}"]}]
    assert "worker" in SERVICES["alipay"]["networks"]["default"]["aliases"]
    mounted = {mount.split(":")[1] for mount in SERVICES["prometheus"]["volumes"]}
    assert set(config["rule_files"]) <= mounted
    promtool = shutil.which("promtool")
    if promtool is None:
        not_run("promtool is not installed (Debian's package prometheus)")
    subprocess.run(
        [promtool, "check", "config", "--syntax-only", FILE.parent / "compose" / "prometheus.yaml"],
        check=True,
    )


def test_grafana_shows_the_dashboard_first() -> None:
    providers = yaml.safe_load((FILE.parent / "compose" / "grafana-dashboards.yaml").read_text())["providers"]
    service = SERVICES["grafana"]
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert f"./grafana/dashboard.json:{home}:ro" in service["volumes"]
    assert [provider["options"]["path"] for provider in providers] == [str(Path(home).parent)]


def test_the_broker_is_told_what_one_broker_must_be_told() -> None:
    """The rehearsal's broker has these settings anyway, so a missing one would not be noticed there."""
    alone = {name for name, _, why in SETTINGS if why in {"one broker", "one process", "required"}}
    alone |= {"node.id", "listener.security.protocol.map"}
    alone -= {"default.replication.factor"}  # is 1 by itself
    assert alone <= {kafkas_name(name) for name in SERVICES["kafka"]["environment"]}


def kafkas_name(variable: str) -> str:
    return variable.removeprefix("KAFKA_").lower().replace("_", ".")


@contextmanager
def composed_kafka() -> Iterator[LocalKafka]:
    """A broker with the settings of the compose file, somewhere else."""
    said = SERVICES["kafka"]["environment"]
    settings = {kafkas_name(name): str(value) for name, value in said.items() if name not in PLACED}
    try:
        broker = LocalKafka(settings=settings)
    except CannotHave as error:
        not_run(f"Apache Kafka: {error}")
    with broker:
        yield broker


class Rehearsal:
    """The containers' commands, in a folder that stands for /etc/refund-worker."""

    def __init__(self, folder: Path, bootstrap_servers: str) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in ("8080", "8081", "8082", "8090")}
        local = ROOT / "deploy" / "worker.local.toml"
        assert "./worker.local.toml:/etc/refund-worker/worker.toml:ro" in SERVICES["worker"]["volumes"]
        (folder / "worker.toml").write_text(self.placed(local.read_text()))
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "WORKER_CONFIG": str(folder / "worker.toml"),
            **{name: self.placed(value) for name, value in SERVICES["worker"]["environment"].items()},
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            # Defaults, which the settings need not name.
            "WORKER_HTTP__PORT": self.ports["8080"],
            "WORKER_NOTIFICATIONS__PORT": self.ports["8081"],
            "WORKER_CONSOLE__PORT": self.ports["8082"],
        }

    def placed(self, text: str) -> str:
        """The text, with the ports of here and the user of here."""
        for port, free in self.ports.items():
            text = text.replace(f":{port}", f":{free}").replace(f"1', {port}", f"1', {free}")
        return text.replace("10001:10001", f"{os.getuid()}:{os.getgid()}")

    def command(self, name: str) -> list[str]:
        """What the container of a service runs."""
        service = SERVICES[name]
        entry = service.get("entrypoint", ["python", "-m", "worker"])
        return [self.placed(word) for word in [*entry, *service.get("command", ["run"])]]

    def run(self, *words: str) -> str:
        """A command to its good end."""
        ended = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if ended.returncode:
            raise AssertionError(
                f"{words} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}\n{self.logs()}"
            )
        return ended.stdout

    @contextmanager
    def running(self, *words: str) -> Iterator[None]:
        """A command while the context is open; ended in order afterwards, and at once if the tests are."""
        home = self.folder / f"{words[-1]}.home"
        home.mkdir()
        guarded = [sys.executable, "-I", "-S", str(GUARD), str(home), *words]
        with (
            (self.folder / f"{words[-1]}.log").open("w") as log,
            subprocess.Popen(
                guarded,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            ) as guard,
        ):
            assert guard.stdin is not None
            try:
                yield
            finally:
                guard.stdin.write(f"{signal.SIGTERM.value}\n")
                guard.stdin.flush()
                guard.wait(60)

    def healthy(self, name: str) -> None:
        """Ask the service's own health check until it says yes."""
        _, *check = [self.placed(word) for word in SERVICES[name]["healthcheck"]["test"]]
        deadline = time.monotonic() + READY_MAX_S
        while subprocess.run(check, env=self.environment, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, self.logs()

    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in self.folder.glob("*.log"))


def outcome(said: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(said.splitlines()[-1])
    return found


def test_its_steps_lead_to_a_refund(tmp_path: Path) -> None:
    with composed_kafka() as kafka:
        here = Rehearsal(tmp_path, kafka.bootstrap_servers)
        for _ in range(2):  # the second start finds the keys
            here.run(*here.command("keys"))
        with here.running(*here.command("alipay"), f"--port={here.ports['8090']}"):
            here.healthy("alipay")
            here.run(*here.command("topics"))
            with here.running(*here.command("worker")):
                asked = "submit --json --channel cn --order order-1 --amount 10.50"
                said = here.run(*here.command("worker")[:3], *asked.split())
        assert outcome(said)["type"] == "refund.succeeded.v1", here.logs()
