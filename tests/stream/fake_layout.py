"""Topics that get more partitions, and a process that dies while it adds them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from tests.stream.fake_kafka import FakeInputs, FakeJournals, FakeKafka
from tests.stream.stage import COMMANDS, LEDGER, LETTERS
from worker.stream.ports import Batch, Bounds, Journal, Record, Stretch


class Killed(BaseException):
    """The process is gone."""


@dataclass(slots=True)
class Life:
    """Ends after `steps` more of them: a step is the moment before, or after, something has an effect."""

    steps: int = 1_000_000

    def step(self) -> None:
        if not self.steps:
            raise Killed
        self.steps -= 1


class FakeLayout:
    """The topics of a FakeKafka. `members`: of the group."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.sizes = kafka.sizes
        self.sizes.update(dict.fromkeys((COMMANDS, LEDGER, LETTERS), kafka.count))
        self.present = 0
        self.life = Life()

    @property
    def uneven(self) -> bool:
        """Whether input and ledger differ."""
        return self.sizes[COMMANDS] != self.sizes[LEDGER]

    async def members(self) -> int:
        return self.present

    async def counts(self) -> Mapping[str, int]:
        return dict(self.sizes)

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        assert partition < self.sizes[COMMANDS]
        return await FakeInputs(self._kafka, [COMMANDS]).bounds(partition)

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Sequence[Record]]:
        yield [record for record in self._kafka.logs[topic, partition] if start <= record.offset < end]

    async def grow(self, topic: str, partitions: int) -> None:
        self.life.step()
        assert partitions > self.sizes[topic]
        self.sizes[topic] = partitions
        self._kafka.count = self.sizes[COMMANDS]
        self.life.step()


class MortalJournals:
    """Journals of a process that may die before and after each commit."""

    def __init__(self, journals: FakeJournals, life: Life) -> None:
        self._journals = journals
        self._life = life

    async def open(self, partition: int) -> Journal:
        return MortalJournal(await self._journals.open(partition), self._life)

    def replay(self, partition: int) -> AsyncIterator[Stretch]:
        return self._journals.replay(partition)


class MortalJournal:
    def __init__(self, journal: Journal, life: Life) -> None:
        self._journal = journal
        self._life = life

    def replay(self, start: int | None = None) -> AsyncIterator[Stretch]:
        return self._journal.replay(start)

    async def commit(self, batch: Batch) -> int | None:
        self._life.step()
        position = await self._journal.commit(batch)
        self._life.step()
        return position

    async def close(self) -> None:
        await self._journal.close()
