"""The writer of signals: where a signal goes, and what becomes of the producer after a fault."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaConnectionError, NotEnoughReplicasError

from tests.messages.samples import notified
from worker.kafka.clients import Clients
from worker.kafka.signals import KafkaSignals, NotStored
from worker.settings import KafkaSettings
from worker.stream.routing import home

KAFKA: Final = KafkaSettings(bootstrap_servers="127.0.0.1:1")
TOPIC: Final = "refund.signals"
COUNT: Final = 4


class Broker:
    """`troubles`: what the next start, or the next acknowledgement, raises. `made`: the producers' options."""

    def __init__(self) -> None:
        self.made: list[Mapping[str, Any]] = []
        self.stopped = 0
        self.written: list[tuple[int, bytes | None, bytes | None]] = []
        self.start_trouble: Exception | None = None
        self.send_trouble: Exception | None = None

    def signals(self) -> KafkaSignals:
        return KafkaSignals(KAFKA, TOPIC, Clients(producer=self._producer))  # type: ignore[arg-type] # looks like it

    def _producer(self, **options: Any) -> "Producer":
        self.made.append(options)
        return Producer(self)


class Producer:
    """As much of aiokafka's as is used."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def start(self) -> None:
        if self._broker.start_trouble is not None:
            raise self._broker.start_trouble

    async def stop(self) -> None:
        self._broker.stopped += 1

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic == TOPIC
        return set(range(COUNT))

    async def send(
        self, topic: str, value: bytes, key: bytes, partition: int, headers: list[Any]
    ) -> asyncio.Future[None]:
        kept = asyncio.get_running_loop().create_future()
        if self._broker.send_trouble is None:
            self._broker.written.append((partition, key, dict(headers)["ce_type"]))
            kept.set_result(None)
        else:
            kept.set_exception(self._broker.send_trouble)
        return kept


async def test_a_signal_goes_to_the_home_of_its_owner() -> None:
    broker = Broker()
    await broker.signals().write(notified(), "refund-4711")
    assert broker.written == [(home("refund-4711", COUNT), b"refund-4711", b"refund.signal.notified.v1")]


async def test_a_signal_whose_owner_is_not_known_goes_everywhere() -> None:
    broker = Broker()
    await broker.signals().write(notified(), "")
    assert [partition for partition, _, _ in broker.written] == list(range(COUNT))


async def test_what_all_replicas_keep_is_kept_once_by_one_producer() -> None:
    broker = Broker()
    signals = broker.signals()
    await asyncio.gather(*(signals.write(notified(), "a") for _ in range(3)))
    (options,) = broker.made
    assert (options["acks"], options["enable_idempotence"]) == ("all", True)
    await signals.close()
    assert broker.stopped == 1


async def test_after_a_fault_the_next_signal_has_a_new_producer() -> None:
    broker = Broker()
    signals = broker.signals()
    broker.send_trouble = NotEnoughReplicasError()
    with pytest.raises(NotStored, match="NotEnoughReplicas"):
        await signals.write(notified(), "")
    broker.send_trouble = None
    await signals.write(notified(), "a")
    assert (len(broker.made), broker.stopped) == (2, 1)


async def test_a_broker_that_cannot_be_reached_is_tried_again_with_the_next_signal() -> None:
    broker = Broker()
    signals = broker.signals()
    broker.start_trouble = KafkaConnectionError()
    with pytest.raises(NotStored, match="cannot be reached"):
        await signals.write(notified(), "a")
    broker.start_trouble = None
    await signals.write(notified(), "a")
    assert (len(broker.made), broker.stopped) == (2, 1)


async def test_closing_what_was_never_used_is_nothing() -> None:
    broker = Broker()
    await broker.signals().close()
    assert broker.made == []
