"""Partitions are added to the commands under workers at work: every refund's home would be another one.

The only fault after which nobody may go on. It has topics and workers of its own.
"""

import asyncio
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.broker.harness import refund, world

CURE = "the input topics and the ledger must have one partition count"
NAMES = 20


async def grow(bootstrap_servers: str, folder: Path) -> list[str]:
    """What was wrong with how the workers took it; empty if they ended, named the cure and had lost nothing.

    `folder`: theirs alone.
    """
    async with world(bootstrap_servers, "grown.", folder) as here:
        workers = [await here.started(), await here.start()]
        names = here.ids(NAMES)
        await here.ask(*(refund(name) for name in names))
        await here.until(here.final(names), "outcomes")
        await here.settled()
        calls = {name: here.simulator.observed.seen(name).refunds for name in names}
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        await admin.start()
        try:
            more = NewPartitions(total_count=here.partitions + 2)
            await admin.create_partitions({here.settings.topics.commands: more})
        finally:
            await admin.close()
        # A change of the group: whoever is given partitions now looks at the topics again.
        workers.append(await here.start())
        codes = await asyncio.gather(*(worker.ended() for worker in workers))
        wrong = [
            f"{worker.name} ended with exit code {code} and did not say: {CURE}"
            for worker, code in zip(workers, codes, strict=True)
            if code != 1 or not worker.logged(CURE)
        ]
        await here.caught_up()
        wrong += [f"{name} has outcomes {kinds}" for name in names if len(kinds := here.outcomes(name)) != 1]
        if {name: here.simulator.observed.seen(name).refunds for name in names} != calls:
            wrong.append("refunds were sent again")
        return wrong
