"""One command, several workers on this machine."""

from functools import partial

import aiohttp

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, refund
from tests.broker.processes import Worker
from worker.demo.local import free_port


async def test_processes_divide_the_partitions_and_drain_together(make_world: MakeWorld) -> None:
    """Each has partitions, its own port for probes, and its number on each line of the log."""
    port = free_port()
    here = await make_world(sections={"http": {"host": "127.0.0.1", "port": port}})
    both = await here.start(None, "--processes", "2")
    await both_ready(here, both, port)
    names = [*here.ids(20, partition=0), *here.ids(20, partition=1)]
    await here.ask(*(refund(name) for name in names))
    await here.until(here.final(names), "outcomes")
    assert await both.stop() == 0
    await here.settled()
    assert not both.logged("killed")


async def both_ready(here: World, both: Worker, port: int) -> None:
    """Until each has opened a partition, and none is being opened."""
    for number in range(2):
        await here.until(partial(_opened, both, number), f"worker {number} has opened a partition")
        while not await ready(port + number):
            await here.look()


def _opened(both: Worker, number: int) -> bool:
    lines = both.log.read_text(errors="replace").splitlines()
    return any("open, opening" in line and line.endswith(f"worker={number}") for line in lines)


async def ready(port: int) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/ready") as answer:
        return answer.status == 200
