"""Sees a client's requests and answers, where aiokafka offers no public way to (its issue #1154).

With `foreign`, all that reaches into aiokafka; a test on the real broker fails if a release moves what it touches.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.protocol.transaction import EndTxnRequest

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


async def silence(producer: AIOKafkaProducer) -> None:
    """End a producer without flushing: nothing that it still has may reach the broker, or be heard of, any more."""
    client, sender = producer.client, producer._sender  # noqa: SLF001 -- stop() flushes first, and hangs where the broker is gone
    producer._closed = True  # noqa: SLF001 -- it is closed: or its destructor would complain
    client._get_conn = _no_connection  # type: ignore[method-assign]  # noqa: SLF001 -- close() lets it connect anew
    if (task := sender.sender_task) is not None:
        # It would hand the error in which the sender may end on to futures that nobody waits for any more.
        task.remove_done_callback(sender._fail_all)  # noqa: SLF001
        task.add_done_callback(_heard)
        task.cancel()
    try:
        await client.close()
    finally:
        # close() ends who brings news of the cluster, not who waits for them.
        news = client._md_update_fut or asyncio.get_running_loop().create_future()  # noqa: SLF001
        news.cancel()
        client._md_update_fut = news  # noqa: SLF001


async def _no_connection(*_: Any, **__: Any) -> Any:
    """Ends the task that asks."""
    raise asyncio.CancelledError


def _heard(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
