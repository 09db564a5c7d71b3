"""Nobody has a right too many: the worker uses each of its own, and others are refused what is not theirs."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from tests.broker.harness import World, mode, refund, world
from tests.security.authorizer_log import judged, listening
from tests.security.rights import Right, give, manifest_rights
from tests.security.secured import Secured
from worker.kafka.connection import connection_options
from worker.settings import parse

COMMANDS, RESULTS, LEDGER, LETTERS = "commands", "results", "ledger", "commands.dlt"
SIGNALS, CONTROL = "signals", "control"
TOPICS: Final = (COMMANDS, RESULTS, LEDGER, LETTERS, SIGNALS, CONTROL)

MAY: Final[dict[str, dict[str, str]]] = {
    "refund-order-system": {COMMANDS: "w", RESULTS: "r"},
    "refund-bookkeeping": {RESULTS: "r"},
    "refund-operator": {
        COMMANDS: "rw", RESULTS: "r", LEDGER: "r", LETTERS: "r", SIGNALS: "rw", CONTROL: "rw",
    },
}  # fmt: skip
"""Who may read and write which topic. The worker may do both everywhere."""

PATIENCE: Final = {"channels.hasty": {"attempts_max": 2}}
ORDER: Final = ("--by", "ana", "--reason", "to see what is needed")
OPERATED: Final = {
    "refund-worker": (
        ("check",),
        ("retry", "parked", *ORDER),
        ("halt", "--all", *ORDER),
        ("dead-letters", "list"),
    ),
    "refund-operator": (
        ("check",),
        ("parked",),
        ("history", "parked"),
        ("retry", "parked", *ORDER),
        ("resume", "--all", *ORDER),
        ("dead-letters", "replay", "--all", "--yes", *ORDER),
    ),
}
"""What operators do, in a worker's container and elsewhere."""


@pytest.fixture
async def here(secured: Secured, topic_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose workers have the rights of the manifest."""
    await give(secured.bootstrap_servers, topic_prefix)
    async with world(
        secured.bootstrap_servers, topic_prefix, tmp_path, sections=PATIENCE, reached=secured.kafka()
    ) as made:
        yield made


async def ended(*words: str) -> str:
    """What a worker's command says; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.timeout(900)
async def test_nothing_is_refused_and_every_right_is_used(secured: Secured, here: World) -> None:
    """In a worker's whole work, and in what operators do as its user and as theirs."""
    begin = secured.log.stat().st_size
    with listening(secured.bootstrap_servers):
        worker = await here.started()
        here.simulator.behaviour.script("parked", mode("in_process_then_success", inquiries=99))
        names = here.ids(4)
        await here.ask(*map(refund, names), refund("parked", channel="hasty"))
        await here.write(b"no command", 0, key=b"k")
        (stray,) = here.ids(1, partition=1, start="stray")
        await here.write(orjson.dumps(refund(stray)), 0, key=stray.encode())
        await here.until(here.final([*names, stray]), "outcomes")
        await here.until(lambda: bool(here.letters), "a dead letter")
        await here.until(lambda: bool(here.events("refund.parked.v1")), "a refund is parked")
        for user, commands in OPERATED.items():
            config = str(here.configured(kafka=secured.kafka(user=user), **PATIENCE))
            for words in commands:
                await ended(*words, "--config", config)
        assert await worker.stop() == 0
    decisions = list(judged(secured.log, begin))
    assert [one for one in decisions if not one.allowed and one.user in OPERATED] == []
    for user in OPERATED:
        used = {one.right for one in decisions if one.user == user}
        assert [
            right for right in manifest_rights()[user] if not exercised(right.under(here.prefix), used)
        ] == []


def exercised(right: Right, used: Iterable[Right]) -> bool:
    return any(right.covers(one.resource, one.name) and right.operation == one.operation for one in used)


def options(secured: Secured, here: World, user: str) -> Any:
    """How a user reaches the broker, in the client's words."""
    return connection_options(parse(here.configured(kafka=secured.kafka(user=user)), {}).kafka)


async def may_write(reached: Any, topic: str) -> bool:
    producer = AIOKafkaProducer(**reached)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"{}", key=b"k")
    except TopicAuthorizationFailedError:
        return False
    finally:
        await producer.stop()
    return True


async def may_read(reached: Any, topic: str) -> bool:
    """Of a topic with a record in its first partition."""
    consumer = AIOKafkaConsumer(**reached, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(90):
            while not await consumer.getmany(timeout_ms=100):
                # To whoever may not even describe it, the client says nothing and asks again.
                if topic in consumer._client.cluster.unauthorized_topics:
                    return False
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()
    return True


@pytest.mark.parametrize("user", MAY)
async def test_another_user_may_do_what_is_its_own_and_nothing_else(
    user: str, secured: Secured, here: World
) -> None:
    reached = options(secured, here, user)
    found: dict[str, str] = {}
    for topic in TOPICS:
        name = f"{here.prefix}{topic}"
        await here.producer.send_and_wait(name, b"{}", key=b"k", partition=0)
        rights = "r" * await may_read(reached, name) + "w" * await may_write(reached, name)
        found |= {topic: rights} if rights else {}
    assert found == MAY[user]


@pytest.mark.parametrize("user", MAY)
async def test_another_user_can_neither_join_the_workers_nor_fence_them(
    user: str, secured: Secured, here: World
) -> None:
    reached = options(secured, here, user)
    with pytest.raises(GroupAuthorizationFailedError):
        await joined(reached, here.settings.kafka.group_id, here.settings.topics.results)
    transactional = f"{here.settings.kafka.group_id}:{here.settings.topics.commands}:0"
    producer = AIOKafkaProducer(**reached, transactional_id=transactional)
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await producer.start()
    await producer.stop()


@pytest.mark.parametrize("user", ["refund-order-system", "refund-bookkeeping"])
async def test_a_reader_has_groups_of_its_own(user: str, secured: Secured, here: World) -> None:
    reached = options(secured, here, user)
    await joined(reached, f"{here.prefix}{user}-1", here.settings.topics.results)


async def joined(reached: Any, group: str, topic: str) -> None:
    """Read a topic as a member of a group. Raises what Kafka refuses with."""
    consumer = AIOKafkaConsumer(topic, **reached, group_id=group)
    try:
        await consumer.start()
        async with asyncio.timeout(90):
            while not consumer.assignment():
                await consumer.getmany(timeout_ms=100)
    finally:
        await consumer.stop()
