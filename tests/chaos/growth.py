"""Partitions are added to the commands under workers at work: every refund's home would be another one.

The only fault after which nobody may go on before the ledger was re-keyed. It has topics and workers of its own.
"""

import asyncio
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.broker.harness import World, mode, refund, world
from worker.simulator import Rule

NAMES = 20
ADDED = 2


async def grow(bootstrap_servers: str, folder: Path) -> list[str]:
    """What was wrong; empty if the workers ended, named the cure, and after it all refunds ended once.

    `folder`: theirs alone.
    """
    async with world(bootstrap_servers, "grown.", folder) as here:
        workers = [await here.started(), await here.start()]
        done, waiting = here.ids(NAMES), here.ids(NAMES, start="waiting")
        for name in waiting:
            here.simulator.behaviour.add(Rule(mode("unknown"), refund_request_id=name))
        await here.ask(*(refund(name) for name in (*done, *waiting)))
        await here.until(here.final(done), "outcomes")
        await here.until(lambda: set(waiting) <= set(here.open()), "open refunds")
        after = here.partitions + ADDED
        cure = f"topics grow --to {after} --yes"
        await _add(here, after)
        # A change of the group: whoever is given partitions now looks at the topics again.
        workers.append(await here.start())
        codes = await asyncio.gather(*(worker.ended() for worker in workers))
        wrong = [
            f"{worker.name} ended with exit code {code} and did not say: {cure}"
            for worker, code in zip(workers, codes, strict=True)
            if code != 1 or not worker.logged(cure)
        ]
        calls = {name: here.simulator.observed.seen(name).refunds for name in done}
        here.simulator.behaviour.clear()
        await here.grow(after)
        # Order systems say it all again, by the new count.
        await here.ask(*(refund(name) for name in (*done, *waiting)))
        await here.started()
        await here.until(here.final((*done, *waiting)), "outcomes with more partitions")
        await here.settled()
        wrong += [
            f"{name} has outcomes {kinds}"
            for name in (*done, *waiting)
            if len(kinds := here.outcomes(name)) != 1
        ]
        if {name: here.simulator.observed.seen(name).refunds for name in done} != calls:
            wrong.append("refunds were sent again")
        return wrong


async def _add(here: World, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=here.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions({here.settings.topics.commands: NewPartitions(total_count=partitions)})
    finally:
        await admin.close()
