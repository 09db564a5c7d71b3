"""Operators at their desk: they look at the ledger and at Alipay's books, and give instructions at random moments.

They settle a refund only as the books have it in that moment. What they look at may be old when their signal is read:
mostly it tells how many calls they saw, and they looked when none was on its way; then it must not be followed.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.guarantee import CLOCKS_APART_S
from tests.simulation.view import HEAD
from worker.messages.instructed import instruction_signal
from worker.messages.ledger_v1_refund import read_command
from worker.refunds.command import Command
from worker.refunds.entry import State
from worker.refunds.instruction import Inquire, Instruction, Order, Reissue, Retry, Settle
from worker.refunds.reply import NextAction
from worker.simulator.ledger import RefundStatus

if TYPE_CHECKING:
    from tests.simulation.world import World

FROM_S: Final = 2.0
TO_S: Final = 35.0
LATE_S: Final = (0.0, 0.0, 0.0, 1.0, 6.0)
"""What a person takes between looking and telling."""
MEANWHILE: Final = 0.5
"""How often another operator has a parked refund retried, before what the one who looked tells is read."""
MEANWHILE_S: Final = (20.0, 26.0)
"""What it takes then: longer than what is sent meanwhile can be on its way."""
NOT_TOLD: Final = 0.2
"""How often a tool does not tell how many calls were seen."""
KINDS: Final = ("retry", "inquire", "settle", "settle", "settle", "reissue", "reissue")


class Desk:
    """`moments`: s since the beginning, at which `act` is to be called."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = Random(f"{world.seed} desk")
        busy = self._random.choice((0, 10, 40, 100))
        self.moments = sorted(self._random.uniform(FROM_S, TO_S) for _ in range(busy))
        self._count = 0

    def act(self) -> None:
        """Look at some refund, and give an instruction about it."""
        kind = self._random.choice(KINDS)
        seen = list(self._seen("final" if kind == "reissue" else "open"))
        if not seen:
            return
        if kind == "settle":
            # Most people wait until no call can be on its way, some do not look.
            now, under_way = self._world.alipay.now(), self._world.view.unsettled
            careful = [one for one in seen if one[1]["attempt"]["quiet_at"] < now]
            hasty = [one for one in seen if one[1]["command"]["refund_request_id"] in under_way]
            parked = [one for one in careful if one[1]["state"] == State.PARKED]
            seen = self._random.choice((careful, parked, parked, hasty)) or seen
        partition, entry = self._random.choice(seen)
        instruction = self._reissue(entry) if kind == "reissue" else self._instruction(kind, entry)
        if instruction is None:
            return
        sure = isinstance(instruction, Settle) and self._sure(instruction, entry)
        late_s = self._random.choice(LATE_S)
        if kind == "settle" and entry["state"] == State.PARKED and self._random.random() < MEANWHILE:
            late_s = self._random.choice(MEANWHILE_S)
            self._tell(partition, Retry(instruction.order), sure=False)
        tell = partial(self._tell, partition, instruction, sure=sure)
        self._world.loop.call_later(late_s, tell)

    def _sure(self, settle: Settle, entry: Mapping[str, Any]) -> bool:
        """Whether nothing was on its way at the look, as far as the ledger tells, and what comes later is noticed."""
        over_at = entry["attempt"]["quiet_at"] + CLOCKS_APART_S
        return (
            settle.attempts_seen is not None and not entry["calling"] and over_at < self._world.alipay.now()
        )

    def _seen(self, kind: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for partition, entries in sorted(self._world.view.ledger.items()):
            for key, entry in sorted(entries.items()):
                if key != HEAD and entry["kind"] == kind:
                    yield partition, entry

    def _tell(self, partition: int, instruction: Instruction, *, sure: bool) -> None:
        world = self._world
        self._count += 1
        # Now and then a tool writes its signal twice, because it was not told that it is there.
        for _ in range(1 + (self._random.random() < 0.1)):
            event = instruction_signal(instruction, f"instruction-{self._count}", world.alipay.now(), "/desk")
            world.instruct(partition, instruction, event, sure=sure)

    def _instruction(self, kind: str, entry: Mapping[str, Any]) -> Instruction | None:
        command = read_command(entry["command"])
        order = _order(command)
        if kind != "settle":
            return Retry(order) if kind == "retry" else Inquire(order)
        succeeded = self._booked(command)
        if succeeded is None:
            return None
        advice = None if succeeded else self._random.choice((None, NextAction.NEW_REFUND, NextAction.REISSUE))
        seen = None if self._random.random() < NOT_TOLD else entry["attempt"]["number"]
        return Settle(order, succeeded, "the books", advice, seen)

    def _booked(self, command: Command) -> bool | None:
        """Whether exactly its money has moved; None where the books leave that open."""
        alipay, number = self._world.alipay, command.provider_request_id
        moved = [(one.payment_id, one.amount) for one in alipay.ledger.moved(number)]
        if moved:
            return True if (alipay.payment_of(command), command.amount) in moved else None
        refund = alipay.ledger.refunds.get(number)
        return None if refund is not None and refund.status is RefundStatus.PROCESSING else False

    def _reissue(self, entry: Mapping[str, Any]) -> Instruction | None:
        """Of a refund that did not fail the ledger has no command: somebody takes it from the order system."""
        if "command" in entry:
            command = read_command(entry["command"])
            return Reissue(_order(command), command)
        name = entry["refund_request_id"]
        asked = (order.command for orders in self._world.view.orders.values() for order in orders.values())
        found = next((one for one in asked if one is not None and one.refund_request_id == name), None)
        return None if found is None else Reissue(_order(found), found)


def _order(command: Command) -> Order:
    return Order(command.refund_request_id, "operator", "drawn")
