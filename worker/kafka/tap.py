"""Sees a client's requests and answers, where aiokafka offers no public way to (its issue #1154).

With `foreign`, all that reaches into aiokafka; a test on the real broker fails if a release moves what it touches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.protocol.transaction import EndTxnRequest
from typing_extensions import override

NO_ERROR = 0
REBALANCE_IN_PROGRESS = 27  # still a member: the group is only being rearranged

Send = Callable[..., Awaitable[Any]]
Moment = tuple[float, float]  # by both clocks


class EndTxnRepeated(Exception):
    """aiokafka was about to send a second EndTxn of one transaction on its own."""


def watch_membership(
    consumer: AIOKafkaConsumer, now: Callable[[], Moment], seen: Callable[[Moment], None]
) -> None:
    """Call `seen` for each answer of the coordinator that says we are a member, with `now` as it was when asked."""
    client = consumer._client  # noqa: SLF001 -- see the module's docstring
    send: Send = client.send

    async def watched(node_id: int, request: Any, **options: Any) -> Any:
        asked = now()
        answer = await send(node_id, request, **options)
        membership = isinstance(request, HeartbeatRequest | SyncGroupRequest)
        if membership and answer.error_code in (NO_ERROR, REBALANCE_IN_PROGRESS):
            seen(asked)
        return answer

    client.send = watched  # type: ignore[method-assign]  # that is what a tap is


def forbid_repeated_end(producer: AIOKafkaProducer) -> Callable[[], None]:
    """Have the second EndTxn of a transaction fail; call the returned function when a transaction begins.

    After a lost connection aiokafka repeats EndTxn on a new one. The first may still arrive afterwards and end
    the *next* transaction, half written. So the end of a transaction is asked for once; after that it is in doubt.
    """
    client = producer.client
    send: Send = client.send
    ended = False

    def begun() -> None:
        nonlocal ended
        ended = False

    async def guarded(node_id: int, request: Any, **options: Any) -> Any:
        nonlocal ended
        if isinstance(request, EndTxnRequest):
            if ended:
                raise EndTxnRepeated("the answer to EndTxn was lost")
            ended = True
        return await send(node_id, request, **options)

    client.send = guarded  # type: ignore[method-assign]  # that is what a guard is
    return begun


def silence(producer: AIOKafkaProducer) -> None:
    """End a producer without flushing: nothing that it still has reaches the broker, or is heard of, any more.

    For whoever used it: a task that waits for it elsewhere is cancelled. In place of stop(), which flushes first and
    hangs where the broker is gone, and of its client's close(), after which tasks connect anew or wait for ever.
    """
    client, sender = producer.client, producer._sender  # noqa: SLF001 -- see the module's docstring, here and below
    if (task := sender.sender_task) is not None:
        # It would hand the error in which the sender may end now to futures that nobody waits for.
        task.remove_done_callback(sender._fail_all)  # noqa: SLF001
        task.add_done_callback(_heard)
        task.cancel()
    for future in _told(producer):
        _heard(future)
    client._get_conn = _no_connection  # type: ignore[method-assign]  # noqa: SLF001 -- that is how it ends
    client._conns = _Closed(client._conns)  # noqa: SLF001
    # Who brings news of the cluster, and who waits for them.
    if client._sync_task is not None:  # noqa: SLF001
        client._sync_task.cancel()  # noqa: SLF001
    news = client._md_update_fut or asyncio.get_running_loop().create_future()  # noqa: SLF001
    news.cancel()
    client._md_update_fut = news  # noqa: SLF001
    producer._closed = True  # noqa: SLF001 -- or its destructor would complain


class _Closed(dict[Any, Any]):
    """Connections, all of them closed: one that is still being made is when it comes."""

    def __init__(self, connections: Mapping[Any, Any]) -> None:
        super().__init__()
        for place, connection in connections.items():
            self[place] = connection

    @override
    def __setitem__(self, place: Any, connection: Any) -> None:
        super().__setitem__(place, connection)
        connection.close()


async def _no_connection(*_: Any, **__: Any) -> Any:
    """Ends the task that asks."""
    raise asyncio.CancelledError


def _told(producer: AIOKafkaProducer) -> Iterable[asyncio.Future[Any]]:
    """Whom a sender that ends by itself, as by a fence, tells its error, whether or not somebody waits."""
    if (waiter := producer._txn_manager._transaction_waiter) is not None:  # noqa: SLF001 -- begun by a transaction
        yield waiter
    for batches in producer._message_accumulator._batches.values():  # noqa: SLF001
        yield from (batch._drain_waiter for batch in batches)  # noqa: SLF001


def _heard(future: asyncio.Future[Any]) -> None:
    if future.done() and not future.cancelled():
        future.exception()
