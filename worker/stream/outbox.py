"""What the next transaction holds."""

import heapq
from collections.abc import Iterable, Mapping

from worker.stream.offsets import Reader
from worker.stream.ports import Outgoing


class RecordTooLarge(Exception):
    """A record that no topic of ours would take: a limit was set wrong, and going on would lose it."""


class Outbox:
    """Records in the order in which they must appear, and those that wait until the position has passed their cause.

    A dead letter, a forwarded stray and a repeated outcome leave no trace in the ledger that a redelivery would be
    recognised by. They are written by the transaction whose position passes the record that caused them:
    a moment earlier, a crash would have them written twice.
    """

    def __init__(self, record_size_max: int) -> None:
        self._size_max = record_size_max
        self._records: list[Outgoing] = []
        self._held_back: dict[str, list[tuple[int, int, Outgoing]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._records) + sum(map(len, self._held_back.values()))

    def add(self, *records: Outgoing) -> None:
        """In the next transaction, all of them or, raising RecordTooLarge, none."""
        for record in records:
            if record.size > self._size_max:
                raise RecordTooLarge(
                    f"a record for {record.topic} has {record.size} bytes; at most {self._size_max} are allowed "
                    "(stream.record_size_max, which must not be above the topics' max.message.bytes)"
                )
        self._records.extend(records)

    def hold_back(self, topic: str, offset: int, record: Outgoing) -> None:
        """In the transaction whose position passes `offset` of `topic`."""
        self._count += 1
        heapq.heappush(self._held_back.setdefault(topic, []), (offset, self._count, record))

    def take(self, readers: Mapping[str, Reader], more: Iterable[Outgoing]) -> tuple[Outgoing, ...]:
        """Empty the box into a batch, `more` at its end."""
        for topic, held in self._held_back.items():
            position = readers[topic].position
            while held and held[0][0] < position:
                self.add(heapq.heappop(held)[2])
        self.add(*more)
        taken, self._records = self._records, []
        return tuple(taken)
