"""What operators have halted, as the records of refund.control say in their order; and who waits for its end."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from worker.messages.control import EVERYTHING, Control, read_control
from worker.stream.call import Call, Owner
from worker.stream.ports import Record


class Halts:
    """The last record of a key is what holds. A channel is halted by its own, or by the kill switch."""

    def __init__(self) -> None:
        self._said: dict[str, Control] = {}

    def take(self, records: Iterable[Record]) -> list[Control]:
        """Take note of records, together: what is different after all of them."""
        before = dict(self._said)
        for record in records:
            if (said := _read(record)) is not None:
                self._said[said.channel] = said
        changed = [said for name, said in self._said.items() if said is not before.get(name)]
        return [said for said in changed if said.halted or _halted(before.get(said.channel))]

    def of(self, channel: str) -> Control | None:
        """What halts this channel, None if nothing does."""
        return next((said for name in (EVERYTHING, channel) if _halted(said := self._said.get(name))), None)

    def in_force(self) -> Sequence[Control]:
        """All that holds now, in the order in which it was first said of a channel."""
        return [said for said in self._said.values() if said.halted]


def _halted(said: Control | None) -> bool:
    return said is not None and said.halted


def _read(record: Record) -> Control | None:
    if not record.unreadable:
        return read_control(record.key, record.value)
    # Which channel somebody wanted to halt is not known.
    reason = f"a record in {record.topic} cannot be read: {record.unreadable}"
    return Control(EVERYTHING, halted=True, by="", reason=reason, at="")


@dataclass(eq=False)
class Switch:
    """A channel as its operators want it. `since`: seconds on the monotonic clock at which their halt was heard of.

    `waiting`: calls that wait for its end.
    """

    halted: bool = False
    since: float = 0.0
    waiting: deque[Call] = field(default_factory=deque)

    def forget(self, owner: Owner) -> None:
        """The opening has ended: what waited here for it is taken up again by the next one."""
        self.waiting = deque(call for call in self.waiting if call.owner is not owner)
