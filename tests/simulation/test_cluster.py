"""The simulated cluster does what Kafka does where the worker relies on it."""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

import pytest
from aiokafka import TopicPartition

from tests.simulation.cluster import Cluster, Refused
from tests.simulation.events import LEDGER, RESULTS
from tests.simulation.faults import Faults
from tests.simulation.processes import ProcessLoop
from worker.stream.ports import Outgoing

PART = TopicPartition(RESULTS, 0)
INPUT = TopicPartition("refund.commands", 0)
ID = "group:refund.commands:0"


def cluster() -> Cluster:
    faults = Faults(0, lambda event: None, lambda process: False)
    faults.active = False
    return Cluster(1, 0, faults, lambda event: None, copy_context())


def run(main: Coroutine[Any, Any, None]) -> None:
    loop = ProcessLoop()
    loop.run_until_complete(main)
    loop.close()


def produce(
    kafka: Cluster, epoch: int, sequence: int = 1, key: bytes = b"k", part: TopicPartition = PART
) -> None:
    kafka.produce(ID, "w", epoch, 4.0, part, sequence, [Outgoing(part.topic, key, b"v", (), 0)])


def seen(kafka: Cluster, part: TopicPartition = PART) -> int:
    return len(kafka.read(part, 0, 100, committed=True)[0])


def test_an_open_transaction_holds_back_those_who_read_committed() -> None:
    async def main() -> None:
        kafka = cluster()
        produce(kafka, kafka.initialise(ID, "w", 4.0))
        kafka.ask(RESULTS, 0, None, b"plain", (), 0.0)
        assert (seen(kafka), kafka.last_stable(PART), kafka.end(PART)) == (0, 0, 2)
        kafka.end_transaction(ID, 0, commit=True)
        assert seen(kafka) == 0  # decided, but not marked yet
        await asyncio.sleep(0.1)
        assert (seen(kafka), kafka.last_stable(PART)) == (2, 3)

    run(main())


def test_an_initialisation_fences_and_ends_what_was_open() -> None:
    async def main() -> None:
        kafka = cluster()
        produce(kafka, kafka.initialise(ID, "w", 4.0))
        with pytest.raises(Refused, match="CONCURRENT_TRANSACTIONS"):
            kafka.initialise(ID, "w2", 4.0)
        with pytest.raises(Refused, match="INVALID_PRODUCER_EPOCH"):
            kafka.end_transaction(ID, 0, commit=True)
        await asyncio.sleep(0.1)
        assert kafka.initialise(ID, "w2", 4.0) == 2
        assert (seen(kafka), kafka.last_stable(PART)) == (0, 2)

    run(main())


def test_an_end_that_arrives_late_ends_the_next_transaction_of_the_same_producer() -> None:
    """That is why a producer that saw a time-out is never used again."""

    async def main() -> None:
        kafka = cluster()
        epoch = kafka.initialise(ID, "w", 4.0)
        produce(kafka, epoch, 1)
        kafka.end_transaction(ID, epoch, commit=True)
        await asyncio.sleep(0.1)
        kafka.add_offsets(ID, "w", epoch, 4.0, {INPUT: 7})
        kafka.end_transaction(ID, epoch, commit=True)  # the first one's, on another connection
        await asyncio.sleep(0.1)
        assert kafka.committed == {INPUT: 7}
        assert seen(kafka) == 1

    run(main())


def test_a_request_that_is_repeated_is_applied_once() -> None:
    async def main() -> None:
        kafka = cluster()
        epoch = kafka.initialise(ID, "w", 4.0)
        produce(kafka, epoch, 1)
        produce(kafka, epoch, 1)
        assert kafka.end(PART) == 1

    run(main())


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() -> None:
    async def main() -> None:
        kafka = cluster()
        epoch = kafka.initialise(ID, "w", 4.0)
        produce(kafka, epoch)
        await asyncio.sleep(5)
        assert (seen(kafka), kafka.last_stable(PART)) == (0, 2)
        with pytest.raises(Refused, match="INVALID_PRODUCER_EPOCH"):
            produce(kafka, epoch, 2)

    run(main())


def test_of_each_key_compaction_keeps_the_last_committed_entry() -> None:
    async def main() -> None:
        kafka = cluster()
        ledger = TopicPartition(LEDGER, 0)
        epoch = kafka.initialise(ID, "w", 4.0)
        for sequence, key in enumerate((b"a", b"b", b"a")):
            produce(kafka, epoch, sequence, key, ledger)
        kafka.end_transaction(ID, epoch, commit=True)
        await asyncio.sleep(0.1)
        produce(kafka, epoch, 9, b"b", ledger)
        kafka.compact(0)
        assert [record.offset for record in kafka.read(ledger, 0, 9, committed=True)[0]] == [1, 2]

    run(main())
