"""The loop in which processes are killed and frozen."""

import asyncio

from tests.simulation.processes import Process, ProcessLoop


def test_a_killed_process_runs_nothing_any_more_not_even_a_finally() -> None:
    loop, process, told = ProcessLoop(), Process("w"), []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            told.append("finally")

    async def main() -> None:
        task = loop.create_task(work(), context=process.context)
        await asyncio.sleep(1)
        loop.kill(process)
        await asyncio.sleep(100)
        assert told == []
        task.cancel()
        loop.bury(process)
        await asyncio.wait([task])

    loop.run_until_complete(main())
    loop.close()


def test_a_frozen_process_does_what_was_due_once_it_is_thawed() -> None:
    loop, process, told = ProcessLoop(), Process("w"), []

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            told.append(round(loop.time()))

    async def main() -> None:
        task = loop.create_task(work(), context=process.context)
        await asyncio.sleep(1.5)
        loop.freeze(process)
        await asyncio.sleep(10)
        assert told == [1]
        loop.thaw(process)
        await task
        assert told == [1, 12, 13]

    loop.run_until_complete(main())
    loop.close()


def test_a_timer_that_is_cancelled_after_the_thaw_does_not_strike() -> None:
    """Both came due in the frozen process; the answer was first."""
    loop, process = ProcessLoop(), Process("w")

    async def work(answer: asyncio.Future[str]) -> str:
        async with asyncio.timeout(2):
            return await answer

    async def main() -> None:
        answer: asyncio.Future[str] = loop.create_future()
        task = loop.create_task(work(answer), context=process.context)
        await asyncio.sleep(0.5)
        loop.freeze(process)
        answer.set_result("in time")
        await asyncio.sleep(10)
        loop.thaw(process)
        assert await task == "in time"

    loop.run_until_complete(main())
    loop.close()


def test_the_others_do_not_notice() -> None:
    loop, frozen, told = ProcessLoop(), Process("w1"), []

    async def work(name: str) -> None:
        await asyncio.sleep(1)
        told.append(name)

    async def main() -> None:
        task = loop.create_task(work("w1"), context=frozen.context)
        other = loop.create_task(work("w2"), context=Process("w2").context)
        await asyncio.sleep(0.5)
        loop.freeze(frozen)
        await other
        assert told == ["w2"]
        loop.thaw(frozen)
        await task

    loop.run_until_complete(main())
    loop.close()
