"""The broker that other tests stand on: it is Kafka, it keeps what it was given, it does not stay behind."""

import asyncio
import importlib
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiokafka.protocol
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.api import Request

from tests.conftest import brokers_used, not_run
from worker.demo import artifacts
from worker.demo.artifacts import CannotHave
from worker.demo.broker import ADDRESS_VARIABLE, Broker, broker
from worker.demo.local import BrokerFailed, serves_metadata
from worker.demo.local_kafka import LocalKafka

WAIT_MAX_S = 90.0


async def make_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def write(bootstrap: str, topic: str, transactional_id: str, values: dict[bytes, bool]) -> None:
    """One transaction for each value, committed or aborted as the flag says."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=transactional_id, retry_backoff_ms=10
    )
    await producer.start()
    try:
        for value, commit in values.items():
            await producer.begin_transaction()
            await (await producer.send(topic, value, partition=0))
            if commit:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """Read committed from the start until `count` values or WAIT_MAX_S."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        values: list[bytes] = []
        async with asyncio.timeout(WAIT_MAX_S):
            while len(values) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    values += [record.value or b"" for record in records]
        return values
    finally:
        await consumer.stop()


async def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(
    kafka: Broker, topic_prefix: str
) -> None:
    topic = topic_prefix + "t"
    await make_topic(kafka.bootstrap_servers, topic)
    await write(kafka.bootstrap_servers, topic, topic, {b"first": True, b"aborted": False, b"last": True})
    assert await read(kafka.bootstrap_servers, topic, 2) == [b"first", b"last"]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_what_was_committed_survives_a_restart(
    own_kafka: LocalKafka, topic_prefix: str, kill: bool
) -> None:
    topic = topic_prefix + "t"
    address = own_kafka.bootstrap_servers
    await make_topic(address, topic)
    await write(address, topic, topic, {b"before": True})

    await asyncio.to_thread(own_kafka.restart, kill=kill)
    brokers_used.append(f"restart, {'killed' if kill else 'stopped'}: back in {own_kafka.start_s:.1f} s")

    assert own_kafka.bootstrap_servers == address
    await write(address, topic, topic, {b"after": True})
    assert await read(address, topic, 2) == [b"before", b"after"]


def test_a_frozen_broker_answers_nobody_until_it_is_thawed(own_kafka: LocalKafka) -> None:
    deadline = time.monotonic() + WAIT_MAX_S
    own_kafka.freeze()
    while serves_metadata(own_kafka.port):  # the signal takes a moment to stop every thread
        assert time.monotonic() < deadline
    assert not serves_metadata(own_kafka.port)
    own_kafka.thaw()
    while not serves_metadata(own_kafka.port):
        assert time.monotonic() < deadline


def test_broker_and_client_share_a_version_of_every_request(real_kafka: Broker) -> None:
    """Kafka 4 dropped old versions (KIP-896), the client speaks old ones: asked whenever either moves."""
    for module in pkgutil.iter_modules(aiokafka.protocol.__path__):
        importlib.import_module(f"aiokafka.protocol.{module.name}")
    accepted = api_versions(real_kafka.bootstrap_servers)
    refused = [
        f"{request.__name__}: client {versions(request)}, broker {accepted.get(request.API_KEY)}"
        for request in Request.__subclasses__()
        if not versions(request) & set(accepted.get(request.API_KEY, ()))
    ]
    assert refused == []


def versions(request: type[Request[Any]]) -> set[int]:
    return {struct.API_VERSION for struct in request._CLASSES}


def api_versions(bootstrap: str) -> dict[int, range]:
    first, *_ = bootstrap.split(",")
    host, _, port = first.rpartition(":")
    request = struct.pack(">hhi6s", 18, 0, 0, b"\0\4test")
    with socket.create_connection((host, int(port)), timeout=WAIT_MAX_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:
            body = answer.read(struct.unpack(">i", answer.read(4))[0])
    _correlation, error, count = struct.unpack_from(">ihi", body)
    assert error == 0
    rows = (struct.unpack_from(">hhh", body, 10 + 6 * row) for row in range(count))
    return {key: range(lowest, highest + 1) for key, lowest, highest in rows}


OWNER = """
import sys
from worker.demo.broker import local_broker
with local_broker(sys.argv[1]) as broker:
    print(broker.pid, broker.home, flush=True)
    sys.stdin.read()
"""


def test_a_broker_does_not_outlive_an_owner_that_was_killed(real_kafka: Broker) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, "kafka"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        pid, home = owner.stdout.readline().split()
        process = Path("/proc") / pid
        assert Path(home).exists()
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + WAIT_MAX_S
    while Path(home).exists() or (process.exists() and "Z" not in state(process)):
        assert time.monotonic() < deadline, f"broker {pid} or its folder {home} is still there"


def state(process: Path) -> str:
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_a_start_that_fails_shows_the_brokers_own_words(real_kafka: Broker) -> None:
    failing = LocalKafka(settings={"message.max.bytes": "plenty"})
    try:
        with pytest.raises(BrokerFailed, match=r"ended while it started[\s\S]*plenty"):
            failing.start()
    finally:
        failing.close()
    assert not failing.home.exists()


def test_jars_other_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "a-1.jar").write_bytes(b"a")
    sums = tmp_path / "jars.sha256"
    sums.write_text("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a-1.jar\n")
    assert artifacts.check(jars, sums) == (jars / "a-1.jar",)

    (jars / "a-1.jar").write_bytes(b"b")
    with pytest.raises(CannotHave, match=r"a-1\.jar"):
        artifacts.check(jars, sums)
    (jars / "a-1.jar").write_bytes(b"a")
    (jars / "uninvited-2.jar").write_bytes(b"")
    with pytest.raises(CannotHave, match=r"uninvited-2\.jar"):
        artifacts.check(jars, sums)
    (jars / "uninvited-2.jar").unlink()
    (jars / "a-1.jar").unlink()
    with pytest.raises(CannotHave, match=r"a-1\.jar"):
        artifacts.check(jars, sums)


def test_a_broker_named_by_the_user_is_used_and_left_alone() -> None:
    with broker(environ={ADDRESS_VARIABLE: "kafka.example:9092"}) as used:
        assert used.bootstrap_servers == "kafka.example:9092"
        assert used.real
        assert "not ours to stop" in used.limits[0]


async def test_the_stand_in_starts_and_says_what_it_cannot_prove(
    topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        with broker("noida") as stand_in:
            said = capsys.readouterr().err
            assert not stand_in.real
            assert all(limit in said for limit in stand_in.limits)
            topic = topic_prefix + "t"
            await make_topic(stand_in.bootstrap_servers, topic)
            await write(stand_in.bootstrap_servers, topic, topic, {b"aborted": False, b"kept": True})
            assert await read(stand_in.bootstrap_servers, topic, 1) == [b"kept"]
    except CannotHave as error:
        not_run(str(error))


def test_apache_kafka_runs_on_the_jdk_from_pypi() -> None:
    """What a machine without Java uses."""
    try:
        java = artifacts.wheel_jdk()
        kafka = artifacts.kafka()
    except CannotHave as error:
        not_run(str(error))
    with LocalKafka(artifacts.Distribution(kafka.version, java, kafka.jars, kafka.formatted)) as started:
        assert artifacts.java_version(java) >= artifacts.JAVA_MIN
        brokers_used.append(f"on the JDK from PyPI in {started.start_s:.1f} s")


def test_a_second_start_of_what_runs_is_refused(own_kafka: LocalKafka) -> None:
    with pytest.raises(BrokerFailed, match="running already"):
        own_kafka.start()
