"""Clients are given up without their ends becoming ours."""

import asyncio

import pytest

from worker.kafka.stopping import stopped


class Stopping:
    """A client whose stop does this."""

    def __init__(self, seconds: float = 0.0, error: BaseException | None = None) -> None:
        self._seconds = seconds
        self._error = error
        self.cancelled = asyncio.Event()

    async def stop(self) -> None:
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self._error is not None:
            raise self._error


async def test_a_cancelled_task_of_the_clients_own_cancels_nobody_else() -> None:
    await stopped(Stopping(error=asyncio.CancelledError()), 1.0)


async def test_what_a_client_raises_at_its_end_stops_nobody() -> None:
    await stopped(Stopping(error=OSError("away")), 1.0)


async def test_a_client_that_does_not_stop_is_left_in_time() -> None:
    client = Stopping(seconds=60.0)
    async with asyncio.timeout(30):
        await stopped(client, 0.05)
        await client.cancelled.wait()


async def test_who_is_cancelled_while_a_client_stops_is_cancelled() -> None:
    client = Stopping(seconds=60.0)
    task = asyncio.create_task(stopped(client, 60.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
