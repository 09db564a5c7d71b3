"""Ends aiokafka's clients, whatever their own tasks end with."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Protocol

log = logging.getLogger(__name__)


class Client(Protocol):
    """Any of aiokafka's, or what holds some."""

    def stop(self) -> Awaitable[None]: ...


async def stopped(client: Client, limit_s: float) -> None:
    """Give a client up. Raises nothing; what is left of it after `limit_s` is cancelled.

    A consumer that stops while its broker is away raises the CancelledError of a fetch of its own (aiokafka 0.14,
    `Fetcher.close`). Awaited directly, that would end the caller's task as if somebody had cancelled it.
    """
    stopping = asyncio.ensure_future(client.stop())
    try:
        await asyncio.wait((stopping,), timeout=limit_s)
    finally:
        if not stopping.done():
            stopping.cancel()
    if not stopping.done():
        log.warning("%s has not stopped within %g s", type(client).__name__, limit_s)
    elif not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.warning("stopping %s: %r", type(client).__name__, error)
