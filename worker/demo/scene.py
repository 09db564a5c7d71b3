"""Who is on stage in every act of the demo, and what the acts do alike."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from worker.demo.broker import Broker
from worker.demo.evidence import Evidence
from worker.demo.mainland_workload import MainlandWork
from worker.demo.screen import Screen
from worker.demo.witness import Witness
from worker.demo.worker_process import WorkerProcess
from worker.demo.workload import Post, Scale, Workload
from worker.settings import Settings
from worker.simulator import AlipaySimulator, Rule

# A machine that does a lot else may take many times as long as a minute.
WAIT_MAX_S: Final = 180.0
POLL_S: Final = 0.02
LOOK_AGAIN_S: Final = 0.3


class StoryFailed(Exception):
    """Something that the story needs did not come about; the text says what, and what was there instead."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everybody. `folder`: of the worker's settings, keys and tokens."""

    kafka: Broker
    settings: Settings
    folder: Path
    alipay: AlipaySimulator
    worker: WorkerProcess
    producer: AIOKafkaProducer
    witness: Witness
    work: Workload
    mainland: MainlandWork
    scale: Scale
    screen: Screen

    def at_alipay(self) -> str:
        """A live line."""
        observed, moved = self.alipay.observed, self.alipay.endpoint.ledger.movements
        return f"at Alipay: {observed.in_flight} calls in flight, money moved {len(moved)} times"

    def behave(self, rules: Iterable[Rule]) -> None:
        """Alipay misbehaves like this from now on, and no other way."""
        self.alipay.behaviour.clear()
        self.alipay.behaviour.add(*rules)

    async def look(self) -> Evidence:
        """What is committed now."""
        return await self.witness.look(WAIT_MAX_S)

    async def post(self, posts: Sequence[Post]) -> None:
        """As order systems do; returns when the broker has acknowledged all."""
        topic = self.settings.topics.commands
        sent = [
            await self.producer.send(topic, post.value, post.key, post.partition, headers=list(post.headers))
            for post in posts
        ]
        await asyncio.gather(*sent)

    async def until(self, what: str, ready: Callable[[], Awaitable[str]], again_s: float) -> None:
        """Ask until `ready` says "". What it said last is in the error. Raises StoryFailed."""
        said, worker = "nothing yet", self.worker
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                while said := await ready():
                    if not worker.running:
                        raise StoryFailed(
                            f"the worker ended by itself while waiting for {what}\n{worker.tail()}"
                        )
                    await asyncio.sleep(again_s)
        except TimeoutError:
            raise StoryFailed(f"waited {WAIT_MAX_S:g} s for {what}; {said}\n{worker.tail()}") from None


def left(evidence: Evidence) -> str:
    """What there is still to do; "" if nothing."""
    if evidence.at_rest:
        return ""
    return f"{evidence.unread} commands unread, {evidence.open} refunds open"
