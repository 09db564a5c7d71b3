"""A halt reaches calls that were let go before it, but have not been sent yet."""

import asyncio
from collections.abc import Callable
from typing import Final

from typing_extensions import override

from tests.stream.fake_gateway import FakeGateway
from tests.stream.fake_owner import FakeOwner
from tests.stream.recording_meter import RecordingMeter
from tests.virtual_time import VirtualClock, in_virtual_time
from worker.refunds.attempt import Attempt
from worker.refunds.reply import Misconfigured, NotStarted, Reply
from worker.stream.dispatch import Dispatcher
from worker.stream.limits import Limits

TURN_S: Final = 5.0


class PacedGateway(FakeGateway):
    """A channel that was throttled: one call every five seconds."""

    turns = 0

    @override
    async def call(self, attempt: Attempt, body: bytes, may_start: Callable[[], bool]) -> Reply | NotStarted:
        self.turns += 1
        await asyncio.sleep(TURN_S * self.turns)
        return await super().call(attempt, body, may_start)


@in_virtual_time
async def test_a_call_that_waits_for_its_turn_is_not_made_once_the_account_is_halted() -> None:
    gateway = PacedGateway()
    owner = FakeOwner(gateway, VirtualClock())
    dispatcher = Dispatcher({gateway.name: gateway}, Limits(), owner.clock, RecordingMeter())
    gateway.script("r0", Misconfigured("KEY_NOT_FOUND"))
    for number in range(3):
        dispatcher.offer(owner.call(f"r{number}"))
    await asyncio.sleep(4 * TURN_S)
    assert [call.attempt.command.refund_request_id for call in gateway.calls] == ["r0"]
    assert [call.refund.entry.refund_request_id for call in owner.deferred] == ["r1", "r2"]
