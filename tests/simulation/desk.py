"""Operators at their desk: they look at the ledger and at Alipay's books, and give instructions at random moments.

They settle a refund only as the books have it in that moment. What they look at may be old when their signal is read.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.view import HEAD
from worker.messages.instructed import instruction_signal
from worker.messages.ledger_v1_refund import read_command
from worker.refunds.command import Command
from worker.refunds.instruction import Inquire, Instruction, Order, Reissue, Retry, Settle
from worker.refunds.reply import NextAction
from worker.simulator.ledger import RefundStatus

if TYPE_CHECKING:
    from tests.simulation.world import World

FROM_S: Final = 2.0
TO_S: Final = 35.0
LATE_S: Final = (0.0, 0.0, 0.0, 1.0, 6.0)
"""What a person takes between looking and telling."""
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
            seen = (careful if self._random.random() < 0.6 else hasty) or seen
        partition, entry = self._random.choice(seen)
        instruction = self._reissue(entry) if kind == "reissue" else self._instruction(kind, entry)
        if instruction is None:
            return
        self._world.loop.call_later(self._random.choice(LATE_S), partial(self._tell, partition, instruction))

    def _seen(self, kind: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for partition, entries in sorted(self._world.view.ledger.items()):
            for key, entry in sorted(entries.items()):
                if key != HEAD and entry["kind"] == kind:
                    yield partition, entry

    def _tell(self, partition: int, instruction: Instruction) -> None:
        world = self._world
        self._count += 1
        # Now and then a tool writes its signal twice, because it was not told that it is there.
        for _ in range(1 + (self._random.random() < 0.1)):
            event = instruction_signal(instruction, f"instruction-{self._count}", world.alipay.now(), "/desk")
            world.instruct(partition, instruction, event)

    def _instruction(self, kind: str, entry: Mapping[str, Any]) -> Instruction | None:
        command = read_command(entry["command"])
        order = _order(command)
        if kind != "settle":
            return Retry(order) if kind == "retry" else Inquire(order)
        succeeded = self._booked(command)
        if succeeded is None:
            return None
        advice = None if succeeded else self._random.choice((None, NextAction.NEW_REFUND, NextAction.REISSUE))
        return Settle(order, succeeded, "the books", advice)

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
