import asyncio
import contextlib
import time

from worker.operations.loop_lag import LoopLag


async def test_a_blocked_loop_is_seen_as_lag() -> None:
    """The loop is blocked for as long as two intervals, so the timer that was due in between ran late."""
    seen: asyncio.Queue[float] = asyncio.Queue()
    lag = LoopLag(seen.put_nowait, interval_s=0.02)
    task = asyncio.create_task(lag.run())
    try:
        await seen.get()
        blocked_until = time.monotonic() + 0.06
        while time.monotonic() < blocked_until:
            pass
        assert await seen.get() >= 0.03
        assert lag.worst_s >= 0.03
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
