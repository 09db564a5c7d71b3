"""Partitions are added to topics in use, on a real broker and with real processes that are killed."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence

import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from tests.broker.processes import WAIT_MAX_S
from tests.broker.sight import text
from worker.kafka.topics import verify
from worker.messages.dead_letter import PREFIX
from worker.simulator import Rule
from worker.stream.routing import home

AFTER = 5
CURE = f"topics grow --to {AFTER} --yes"


async def run(here: World, *words: str, killed_at: int = -1) -> tuple[int, str, list[str]]:
    """`topics grow`: its exit code, its result, and the steps it told of. Killed at step `killed_at`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", "topics", "grow", *words, "--config", str(here.config)),
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    steps: list[str] = []
    async with asyncio.timeout(WAIT_MAX_S):
        async for line in process.stderr:
            steps.append(line.decode().strip())
            if len(steps) - 1 == killed_at:
                process.kill()
        said = (await process.stdout.read()).decode()
        return await process.wait(), said, steps


class Past:
    """Refunds that are done, that are in back-off, and that nobody has read yet."""

    def __init__(self, here: World) -> None:
        self.here = here
        self.done = here.ids(12, start="done")
        self.waiting = here.ids(12, start="waiting")
        self.unread = here.ids(12, start="unread")

    @property
    def names(self) -> Sequence[str]:
        return (*self.done, *self.waiting, *self.unread)

    async def happen(self) -> None:
        here = self.here
        for name in self.waiting:
            here.simulator.behaviour.add(Rule(mode("unknown"), refund_request_id=name))
        worker = await here.started()
        await here.ask(*(refund(name) for name in (*self.done, *self.waiting)))
        await here.until(here.final(self.done), "outcomes")
        await here.until(lambda: set(self.waiting) <= set(here.open()), "open refunds")
        assert await worker.stop() == 0
        await here.ask(*(refund(name) for name in self.unread))
        await here.caught_up()
        here.simulator.behaviour.clear()

    async def be_repeated(self) -> None:
        """By order systems that know of the new partitions; and once with something else under a known id."""
        await self.here.ask(*(refund(name) for name in self.names))
        await self.here.ask(refund(self.done[0], value=999))

    async def be_kept(self) -> None:
        """One outcome each, at home by the new count, and nothing was sent that was done."""
        here = self.here
        await here.until(here.final(self.names), "outcomes")
        await here.until(lambda: len(here.letters) == 1, "the dead letter of the conflict")
        await here.settled()
        assert all(len(here.outcomes(name)) == 1 for name in self.names)
        assert all(here.simulator.observed.seen(name).refunds == 1 for name in (*self.done, *self.unread))
        assert [text(letter, f"{PREFIX}exception-fqcn") for letter in here.letters] == ["Conflict"]
        for number in range(AFTER):
            assert all(home(name, AFTER) == number for name in here.entries(number))


async def test_every_refund_ends_once_when_partitions_are_added(here: World) -> None:
    past = Past(here)
    await past.happen()
    before = here.open()
    code, said, _ = await run(here, "--to", str(AFTER), "--json")
    looked = orjson.loads(said)
    assert (code, looked["ok"], looked["done"]) == (0, True, False)
    assert (looked["entries"], looked["doubtful"]) == (24, 0)
    await here.grow(AFTER)
    await here.caught_up()
    assert here.open() == before
    assert not [one for one in await verify(here.settings) if "partitions" in one.text]
    await past.be_repeated()
    await here.started()
    await past.be_kept()
    code, said, _ = await run(here, "--to", str(AFTER), "--yes")
    assert (code, "members; stop all workers" in said) == (1, True)


async def test_a_growth_that_is_killed_at_any_step_is_finished_by_the_next_one(here: World) -> None:
    """And in between a worker that is started stops and names the cure."""
    past = Past(here)
    await past.happen()
    step = killed = 0
    while True:
        code, _, steps = await run(here, "--to", str(AFTER), "--yes", killed_at=step)
        if len(steps) <= step:
            assert code == 0
            break
        step, killed = step + 1, killed + (code != 0)
        if "mark every head" not in steps[-1] and "fence" not in steps[-1] and code:
            worker = await here.start()
            assert await worker.ended() == 1
            assert worker.logged("python -m worker topics grow")
    assert killed >= 5
    await here.grow(AFTER)
    await past.be_repeated()
    await here.started()
    await past.be_kept()


async def test_what_a_killed_worker_may_have_sent_is_doubted_in_its_new_home(make_world: MakeWorld) -> None:
    """Kill -9 with calls under way and the money moved; then the same id is declined: that is confirmed first."""
    here = await make_world(
        sections={
            "stream": {"journal_after_s": 30.0},
            "kafka": {"session_timeout_s": 10.0, "rebalance_timeout_s": 12.0},
        }
    )
    names = [name for name in here.ids(60) if home(name, AFTER) >= here.partitions][:8]
    here.simulator.behaviour.add(Rule(mode("latency", ms=1400)))
    worker = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: here.simulator.observed.in_flight == len(names), "calls are in flight")
    worker.kill()
    await worker.ended()
    here.simulator.behaviour.clear()
    code, said, _ = await run(here, "--to", str(AFTER), "--yes")
    assert (code, "is a member until its session" in said) == (1, True)
    async with asyncio.timeout(WAIT_MAX_S):
        while (await run(here, "--to", str(AFTER)))[0]:
            await here.look()
    await here.grow(AFTER)
    await here.caught_up()
    assert sorted(here.open()) == sorted(names)
    await here.started()
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert {kind for name in names for kind in here.outcomes(name)} == {"refund.succeeded.v1"}


async def test_partitions_that_somebody_else_has_added_are_taken_into_use(here: World) -> None:
    """To commands and ledger alike: the counts agree, and a worker stops all the same, whatever it is given."""
    past = Past(here)
    await past.happen()
    admin = AIOKafkaAdminClient(bootstrap_servers=here.bootstrap_servers)
    await admin.start()
    try:
        for topic in (here.settings.topics.commands, here.settings.topics.ledger):
            await admin.create_partitions({topic: NewPartitions(total_count=AFTER)})
    finally:
        await admin.close()
    workers = [await here.start(), await here.start()]
    for worker in workers:
        assert await worker.ended() == 1
        assert worker.logged(CURE)
    calls = len(here.simulator.observed.by_id)
    await here.grow(AFTER)
    await past.be_repeated()
    assert len(here.simulator.observed.by_id) == calls
    await here.started()
    await past.be_kept()
