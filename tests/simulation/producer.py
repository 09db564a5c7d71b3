"""A producer that looks like aiokafka's and does what it does, on the simulated cluster.

What counts: a flush looks at no results, a lost connection has every request repeated, EndTxn too, and after a fence
the sender is dead.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    InvalidTxnState,
    KafkaError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    ProducerFenced,
    UnknownError,
)
from aiokafka.protocol.transaction import EndTxnRequest
from aiokafka.structs import RecordMetadata

from tests.simulation.cluster import Cluster, Refused
from tests.simulation.faults import Faults
from tests.simulation.line import Line
from tests.simulation.processes import Process
from worker.stream.ports import Outgoing

Sent = asyncio.Future[RecordMetadata]
RETRIED: Final = frozenset({"CONCURRENT_TRANSACTIONS", "NOT_LEADER_OR_FOLLOWER"})
Answer = TypeVar("Answer")


class _Client:
    """What `worker.kafka.tap` takes hold of."""

    _md_update_fut: asyncio.Future[bool] | None = None
    _sync_task = None

    def __init__(self, end: Callable[[bool], Awaitable[None]]) -> None:
        self._end = end
        self._conns: Mapping[str, object] = {}

    async def send(self, node_id: int, request: Any, **options: Any) -> None:
        assert isinstance(request, EndTxnRequest)
        await self._end(request._transaction_result)


class _Transactions:
    def __init__(self) -> None:
        self._transaction_waiter = asyncio.get_running_loop().create_future()


class _Accumulator:
    def __init__(self) -> None:
        self._batches: Mapping[TopicPartition, object] = {}


class _Sender:
    sender_task: asyncio.Task[None] | None = None

    def _fail_all(self, task: asyncio.Task[None]) -> None:
        """Tells the futures of records, in aiokafka, what the sender ended with."""


class SimulatedProducer:
    """Takes the keyword arguments of AIOKafkaProducer that the worker uses."""

    def __init__(
        self,
        cluster: Cluster,
        line: Line,
        faults: Faults,
        process: Process,
        *,
        transactional_id: str,
        transaction_timeout_ms: int,
        retry_backoff_ms: int,
        request_timeout_ms: int,
        **options: Any,
    ) -> None:
        self._cluster = cluster
        self._line = line
        self._faults = faults
        self._process = process
        self._id = transactional_id
        self._timeout_s = transaction_timeout_ms / 1000
        self._retry_s = retry_backoff_ms / 1000
        self._request_s = request_timeout_ms / 1000
        self._epoch = -1
        self._sequence = 0
        self._waiting: list[tuple[TopicPartition, Sequence[Outgoing], Sent]] = []
        self._fatal: Exception | None = None
        self._sender = _Sender()
        self._txn_manager = _Transactions()
        self._message_accumulator = _Accumulator()
        self._closed = False
        self._empty = True
        self.client = _Client(self._end)

    async def start(self) -> None:
        for lookup in ("Metadata", "FindCoordinator"):
            await self._line.ask(self._process, lookup, lambda: None, self._request_s, free=True)
        self._epoch = await self._ask(
            "InitProducerId", lambda: self._cluster.initialise(self._id, self._process.name, self._timeout_s)
        )

    async def stop(self) -> None:
        """Give up what is under way: what is sent stays sent."""
        if self._sender.sender_task is not None:
            self._sender.sender_task.cancel()

    async def begin_transaction(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        self._empty = True

    async def send_offsets_to_transaction(self, offsets: dict[TopicPartition, int], group: str) -> None:
        moved = dict(offsets)
        self._empty = False
        await self._ask(
            "TxnOffsetCommit",
            lambda: self._cluster.add_offsets(
                self._id, self._process.name, self._epoch, self._timeout_s, moved
            ),
        )

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self._cluster.partitions))

    def create_batch(self) -> "_Batch":
        return _Batch()

    async def send_batch(self, batch: "_Batch", topic: str, *, partition: int) -> Sent:
        if self._fatal is not None:
            raise self._fatal
        part, loop = TopicPartition(topic, partition), asyncio.get_running_loop()
        sent: Sent = loop.create_future()
        assert all(other != part for other, *_ in self._waiting), (
            "aiokafka would wait for the first to be taken"
        )
        self._waiting.append((part, batch.outgoing(part), sent))
        self._empty = False
        if self._sender.sender_task is None or self._sender.sender_task.done():
            self._sender.sender_task = loop.create_task(self._flush())
        return sent

    async def _flush(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await asyncio.gather(*(self._produce(*batch) for batch in waiting))

    async def _produce(self, part: TopicPartition, records: Sequence[Outgoing], sent: Sent) -> None:
        self._sequence += 1
        sequence = self._sequence

        def apply() -> int:
            if self._cluster.unavailable(part):
                raise Refused("NOT_LEADER_OR_FOLLOWER")
            struck = self._faults.strikes(
                "kafka: append refused", self._process.name, f"{part.topic}-{part.partition}"
            )
            refusal = "NOT_ENOUGH_REPLICAS" if struck else ""
            return self._cluster.produce(
                self._id, self._process.name, self._epoch, self._timeout_s, part, sequence, records, refusal
            )

        answer: int | KafkaError
        try:
            answer = await self._ask(f"Produce {part.topic}-{part.partition}", apply)
        except KafkaError as refused:
            answer = refused
        if sent.done():
            return
        if isinstance(answer, int):
            sent.set_result(RecordMetadata(part.topic, part.partition, part, answer, -1, 0, None))
        else:
            sent.set_exception(answer)
            sent.exception()  # whoever does not look is not warned of it: aiokafka does not either

    async def commit_transaction(self) -> None:
        await self._end_transaction(commit=True)

    async def abort_transaction(self) -> None:
        await self._end_transaction(commit=False)

    async def _end_transaction(self, *, commit: bool) -> None:
        while self._sender.sender_task is not None and not self._sender.sender_task.done():
            await asyncio.wait([self._sender.sender_task])
        if self._fatal is not None:
            raise self._fatal
        if self._empty:
            return  # the broker has never heard of it
        request = EndTxnRequest(
            transactional_id=self._id, producer_id=1, producer_epoch=self._epoch, transaction_result=commit
        )
        while True:
            try:
                await self.client.send(0, request)
            except Refused as refused:
                if refused.code not in RETRIED:
                    raise self._error(refused) from None
            except KafkaError:
                pass  # aiokafka closes the connection and asks again on a new one
            else:
                return
            await asyncio.sleep(self._retry_s)

    async def _end(self, commit: bool) -> None:
        await self._line.ask(
            self._process,
            "EndTxn",
            lambda: self._cluster.end_transaction(self._id, self._epoch, commit=commit),
            self._request_s,
        )

    async def _ask(self, name: str, apply: Callable[[], Answer]) -> Answer:
        while True:
            try:
                return await self._line.ask(self._process, name, apply, self._request_s)
            except Refused as refused:
                if refused.code not in RETRIED:
                    raise self._error(refused) from None
            except KafkaError:
                if self._process.cut:
                    raise
            await asyncio.sleep(self._retry_s)

    def _error(self, refused: Refused) -> Exception:
        match refused.code:
            case "INVALID_PRODUCER_EPOCH":
                self._fatal = ProducerFenced()
                return self._fatal
            case "INVALID_TXN_STATE":
                return InvalidTxnState()
            case "MESSAGE_TOO_LARGE":
                return MessageSizeTooLargeError()
            case "NOT_ENOUGH_REPLICAS":
                return NotEnoughReplicasError()
            case _:
                return UnknownError(refused.code)


class _Batch:
    """Without a limit: aiokafka takes what is too much for one batch in another."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []

    def append(self, **record: Any) -> object:
        self._records.append(record)
        return record

    def outgoing(self, part: TopicPartition) -> Sequence[Outgoing]:
        return [
            Outgoing(
                part.topic,
                record["key"],
                record["value"],
                tuple(record["headers"]),
                part.partition,
                record["timestamp"],
            )
            for record in self._records
        ]
