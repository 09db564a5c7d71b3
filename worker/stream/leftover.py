"""What the last owner of a partition may have sent and did not write down, taken over without a worker.

While partitions are being added no worker can start to do it: to it the counts are wrong.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.refunds.entry import Head
from worker.stream.opening import open_partition
from worker.stream.ports import Bounds, Journals, Record
from worker.stream.rekeying import doubtful
from worker.stream.scope import Scope


class Layout(Protocol):
    """The topics and the group, as whoever adds partitions needs them."""

    async def members(self) -> int:
        """How many workers the group has now."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Of each topic that is to have the new count: its partitions now; 0 if it does not exist."""
        ...

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        """Of the input topic."""
        ...

    def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Sequence[Record]]:
        """Committed records of an input, from offset `start` on, below `end`."""
        ...

    async def grow(self, topic: str, partitions: int) -> None:
        """Add partitions; returns when every broker knows them."""
        ...


@dataclass(frozen=True, slots=True)
class _Unchanged:
    """The inputs as they were when the head was written, whatever was added since."""

    layout: Layout
    count: int

    async def partitions(self) -> int:
        return self.count

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        return await self.layout.bounds(partition)


async def take_over(head: Head, number: int, scope: Scope, layout: Layout, journals: Journals) -> None:
    """Open the partition, read what its last owner may have sent, and close it: all that is in its ledger then."""
    opened = await open_partition(number, _Unchanged(layout, head.partitions), journals, scope)
    partition, clock = opened.partition, scope.clock
    try:
        bounds = await layout.bounds(number)
        for topic, (start, end) in doubtful(head, bounds).items():
            async for records in layout.read(topic, number, start, end):
                for record in records:
                    partition.accept(record, clock.now(), clock.monotonic())
            if not partition.books.braked:
                partition.readers[topic].skip(end)
        await opened.journal.commit(partition.last_batch(clock.now()))
    finally:
        partition.forget()
        await opened.journal.close()
