"""Refunds that people ask for at the desk, beside a real worker: who, and which answer is whose."""

import asyncio
from collections.abc import Mapping
from typing import Final

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World
from tests.broker.sight import text
from worker.desk.answers import Submitted
from worker.desk.desk import SUBMITTED_BY, KafkaDesk
from worker.messages.events import REJECTED, SUCCEEDED

ASKED: Final[Mapping[str, str]] = {
    "id": "console-1",
    "channel": "global",
    "payment": "pay-1",
    "amount": "1.00",
    "currency": "USD",
}
WAIT_S: Final = 90.0


async def told(desk: KafkaDesk, asked: Mapping[str, str], by: str, written: asyncio.Event) -> list[Submitted]:
    """All that somebody is told; `written` once the command is."""
    found = []
    async with asyncio.timeout(WAIT_S):
        async for one in desk.submit(asked, by, "en"):
            found.append(one)
            written.set()
    return found


async def both(here: World, desk: KafkaDesk) -> tuple[list[Submitted], list[Submitted]]:
    """Two people use one id for two amounts, while nothing can be called."""
    await desk.halt("global", "ana", "it rains", halted=True)
    written = asyncio.Event()
    first = asyncio.create_task(told(desk, ASKED, "ana", written))
    await written.wait()
    await here.until(lambda: "console-1" in here.open(), "the first waits")
    second = await told(desk, {**ASKED, "amount": "2.00"}, "ben", asyncio.Event())
    await desk.halt("global", "ana", "it is dry", halted=False)
    return await first, second


async def test_a_refund_is_not_told_to_be_rejected_because_another_command_of_its_id_was(
    make_world: MakeWorld,
) -> None:
    here = await make_world()
    await here.started()
    desk = KafkaDesk(here.settings)
    try:
        first, second = await both(here, desk)
    finally:
        await desk.close()
    assert first[-1].type == SUCCEEDED
    assert second[-1].type == REJECTED
    assert REJECTED not in {one.type for one in first}
    await here.until(lambda: len(here.commands) == 2, "both commands are seen")
    assert [text(record, SUBMITTED_BY) for record in here.commands] == ["ana", "ben"]
