"""What is read goes to the partitions that are open, and no more is read than they can take."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Final

from worker.stream.owner import Owner
from worker.stream.ports import Record, Source
from worker.stream.scope import Scope

log = logging.getLogger(__name__)
RESUME_BELOW: Final = 0.9  # of open_max
LAGS_EVERY_S: Final = 1.0  # not at each poll: there are hundreds a second


class Feed:
    """`owners`: the open partitions, by number; they come and go."""

    def __init__(self, source: Source, owners: Mapping[int, Owner], scope: Scope) -> None:
        self._source = source
        self._owners = owners
        self._scope = scope
        self._full: set[int] = set()
        self._told_lags = -math.inf

    def give(self, records: Sequence[Record]) -> None:
        """Hand them over, and pause what is full by them."""
        parts: dict[int, list[Record]] = {}
        for record in records:
            parts.setdefault(record.partition, []).append(record)
        for number, part in parts.items():
            # Records of a partition that is not open are read again from its head once it is.
            if owner := self._owners.get(number):
                owner.accept(part)
        for number, owner in self._owners.items():
            self.limit(number, owner)
        mono = self._scope.clock.monotonic()
        if mono - self._told_lags >= LAGS_EVERY_S:
            self._told_lags = mono
            for number, owner in self._owners.items():
                self._scope.meter.lag(number, self._lag(number, owner))

    async def skip_markers(self) -> None:
        """Let the position pass the markers at the end of a log, or its lag would never be zero."""
        for number, owner in list(self._owners.items()):
            if number in self._full or not self._lag(number, owner):
                continue
            positions = await self._source.positions(number)
            if owner is self._owners.get(number) and number not in self._full:
                for topic, position in positions.items():
                    owner.partition.readers[topic].skip(position)

    def limit(self, number: int, owner: Owner) -> None:
        """Read on, or not, by how many refunds are open and whether it is braked."""
        count, open_max = len(owner.partition.refunds), self._scope.limits.open_max
        if owner.partition.books.braked:
            if number not in self._full:
                log.error(
                    "partition %d stopped: %s",
                    number,
                    owner.partition.books.braked,
                    extra={"partition": number},
                )
                self._pause(number, "braked")
        elif count >= open_max and number not in self._full:
            log.error(
                "partition %d has %d open refunds: not fetching", number, count, extra={"partition": number}
            )
            self._pause(number, "full")
        elif count < open_max * RESUME_BELOW and number in self._full:
            self._scope.meter.partition(number, "open")
            self._full.discard(number)
            self._source.resume(number)

    def forget(self, number: int) -> None:
        """It is not open any more; whoever opens it again begins to read."""
        self._full.discard(number)

    def _pause(self, number: int, state: str) -> None:
        self._scope.meter.partition(number, state)
        self._full.add(number)
        # Signals are read on: they may be what settles some of the open refunds.
        self._source.pause(number, self._scope.topics.commands)

    def _lag(self, number: int, owner: Owner) -> int:
        ends = self._source.high_watermarks(number)
        return sum(max(end - owner.partition.readers[topic].position, 0) for topic, end in ends.items())
