"""Work in threads: everybody gets what is theirs, whatever becomes of the others."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from worker.alipay.signing_threads import PER_HOP_MAX, SigningThreads

WAIT_MAX_S = 10.0


class Panic(BaseException):
    """How a fault in Rust arrives in Python, as in cryptography: it is no Exception."""


@asynccontextmanager
async def busy(
    threads: SigningThreads[int], begin: threading.Event | None = None
) -> AsyncIterator[threading.Event]:
    """A thread at work until the event is set, or to the end; `begin`: what it has to be freed from first."""
    begun, free = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert free.wait(WAIT_MAX_S)
        return -1

    at_work = asyncio.create_task(threads.have(work))
    await asyncio.wait([at_work], timeout=0)
    if begin is not None:
        begin.set()
    try:
        assert await asyncio.to_thread(begun.wait, WAIT_MAX_S)
        yield free
    finally:
        free.set()
        assert await at_work == -1


async def asked(threads: SigningThreads[int], count: int) -> list[asyncio.Task[int]]:
    """That many callers, all waiting: the first wants 0, the second 1."""
    tasks = [asyncio.create_task(threads.have(partial(int, number))) for number in range(count)]
    await asyncio.wait(tasks, timeout=0)
    return tasks


async def test_everybody_gets_what_they_asked_for() -> None:
    threads = SigningThreads[int](2, "test")
    tasks = await asked(threads, 100)
    assert await asyncio.gather(*tasks) == list(range(100))
    threads.close()


async def test_who_waits_for_a_thread_shares_a_hop_up_to_a_limit() -> None:
    threads = SigningThreads[int](1, "test")
    async with busy(threads) as free:
        # One place in the first hop has gone to what keeps the thread busy.
        first = await asked(threads, PER_HOP_MAX - 2)
        async with busy(threads, begin=free) as last_of_hop:
            assert not any(task.done() for task in first)
            second = await asked(threads, 3)
            async with busy(threads, begin=last_of_hop):
                assert all(task.done() for task in first)
                assert not any(task.done() for task in second)
    assert await asyncio.gather(*first, *second) == [*range(PER_HOP_MAX - 2), 0, 1, 2]
    threads.close()


async def test_a_thread_that_is_free_takes_what_comes_while_another_is_busy() -> None:
    threads = SigningThreads[int](2, "test")
    async with busy(threads):
        tasks = await asked(threads, 3)
        assert await asyncio.gather(*tasks) == [0, 1, 2]


async def test_an_error_reaches_only_who_asked() -> None:
    threads = SigningThreads[int](1, "test")
    async with busy(threads) as free:
        broken = asyncio.create_task(threads.have(partial(int, "none")))
        tasks = await asked(threads, 3)
        free.set()
        with pytest.raises(ValueError, match="invalid literal"):
            await broken
        assert await asyncio.gather(*tasks) == [0, 1, 2]


async def test_a_panic_reaches_only_who_asked_and_costs_no_thread() -> None:
    def panic() -> int:
        raise Panic

    threads = SigningThreads[int](1, "test")
    async with busy(threads) as free:
        broken = asyncio.create_task(threads.have(panic))
        tasks = await asked(threads, 3)
        free.set()
        with pytest.raises(Panic):
            await broken
        assert await asyncio.gather(*tasks) == [0, 1, 2]
    assert await threads.have(partial(int, 3)) == 3


async def test_who_is_cancelled_leaves_the_others_what_is_theirs() -> None:
    threads = SigningThreads[int](1, "test")
    async with busy(threads) as free:
        tasks = await asked(threads, 3)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        free.set()
        assert (await tasks[0], await tasks[2]) == (0, 2)


async def test_who_is_cancelled_while_it_is_their_turn_leaves_the_others_what_is_theirs() -> None:
    threads = SigningThreads[int](1, "test")
    begun, free = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert free.wait(WAIT_MAX_S)
        return -1

    async with busy(threads) as before:
        cancelled = asyncio.create_task(threads.have(work))
        tasks = await asked(threads, 3)
        before.set()
        assert await asyncio.to_thread(begun.wait, WAIT_MAX_S)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        free.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2]


async def test_a_thread_that_has_rested_works_again() -> None:
    threads = SigningThreads[int](1, "test")
    assert [await threads.have(partial(int, number)) for number in range(5)] == list(range(5))
    threads.close()


async def test_nothing_begins_after_the_end_and_nobody_waits_for_it() -> None:
    threads = SigningThreads[int](1, "test")
    begun = threading.Event()

    def work() -> int:
        begun.set()
        return 0

    async with busy(threads) as free:
        first, *others = asyncio.create_task(threads.have(work)), *await asked(threads, 2)
        threads.close()
        free.set()
    done, waiting = await asyncio.wait([first, *others], timeout=WAIT_MAX_S)
    assert (len(waiting), all(task.cancelled() for task in done), begun.is_set()) == (0, True, False)


async def test_whoever_asks_after_the_end_is_told() -> None:
    threads = SigningThreads[int](1, "test")
    threads.close()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await threads.have(partial(int, 0))
