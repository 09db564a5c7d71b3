"""What one partition has to write: entries that changed, records to publish, its head; a batch at a time."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from worker.refunds.entry import FinalEntry, Head, Reading
from worker.stream import writing
from worker.stream.offsets import GroupOffsets, Reader
from worker.stream.outbox import Outbox
from worker.stream.ports import Batch, Outgoing, Record
from worker.stream.refund import Refund
from worker.stream.scope import Scope
from worker.stream.takeover import Takeover

SEVERAL_READINGS: Final = "several"
"""What a head says while records may have been read by more than one fingerprint of settings; equal to none."""


class Books:
    """One rule holds everything together: an input offset is released only in the batch that holds what replaces it.

    `mono` is seconds on the monotonic clock. `in_use` tells whether an id is known to the partition. `named`: the
    reading that the committed head has, alone or as one of several.
    """

    def __init__(
        self,
        number: int,
        head: Head,
        takeover: Takeover,
        readers: Mapping[str, Reader],
        scope: Scope,
        in_use: Callable[[str], bool],
    ) -> None:
        self.head = head
        self.braked = head.braked
        self._number = number
        self._takeover = takeover
        self._readers = readers
        self._scope = scope
        self._in_use = in_use
        self._group = GroupOffsets(scope.limits.offsets_interval_s)
        self._outbox = Outbox(scope.limits.record_size_max)
        self._dirty: dict[str, Refund] = {}
        # Refunds whose input offset is held back, oldest first.
        self._fresh: deque[Refund] = deque()
        # Refunds with a doubt that the ledger does not have yet.
        self._doubted: set[str] = set()
        self._vouches = True
        self._reading = self._said = self.named = scope.reading
        # Records below may have been read by other settings than those of now.
        self._read_alike_from: Mapping[str, int] = {}
        self._expired: deque[str] = deque()

    def fresh(self, refund: Refund) -> None:
        """A new refund: its input offset stands for it until something is written."""
        self._fresh.append(refund)

    def doubted(self, refund: Refund) -> None:
        """The ledger holds this refund with less doubt than there is."""
        self._doubted.add(refund.entry.refund_request_id)

    def cannot_vouch(self) -> None:
        """Some entries are not understood: what a predecessor may have sent of them is as doubtful as it was found."""
        self._vouches = self._takeover.clean

    def expired(self, refund_request_ids: Iterable[str]) -> None:
        """Final entries to be forgotten."""
        self._expired.extend(refund_request_ids)

    def publish(self, record: Outgoing) -> None:
        """In the next batch."""
        self._outbox.add(record)

    def write(self, refund: Refund) -> None:
        """Have the ledger say what the entry says; from then on the input offset is not needed any more."""
        self._dirty[refund.entry.refund_request_id] = refund
        self._doubted.discard(refund.entry.refund_request_id)
        self._release(refund)

    def close(self, refund: Refund, outcome: Outgoing, final: FinalEntry) -> None:
        """The outcome and the final entry, together."""
        self._outbox.add(outcome, writing.ledger(self._scope, self._number, final))
        self._dirty.pop(final.refund_request_id, None)
        self._doubted.discard(final.refund_request_id)
        self._release(refund)

    def replace(self, record: Record, *replacements: Outgoing) -> None:
        """The record is answered by these alone, so they are written when the position passes it."""
        for replacement in replacements:
            self._outbox.hold_back(record.topic, record.offset, replacement)
        self._readers[record.topic].release(record.offset)

    def _release(self, refund: Refund) -> None:
        if not refund.journaled:
            refund.journaled = True
            origin = refund.entry.origin
            self._readers[origin.topic].release(origin.offset)

    @property
    def pending(self) -> int:
        """Records that the next batch would hold because something happened."""
        return len(self._outbox) + len(self._dirty)

    @property
    def unjournaled(self) -> bool:
        """Whether some refund's input offset is held back by it."""
        while self._fresh and self._fresh[0].journaled:
            self._fresh.popleft()
        return bool(self._fresh)

    def late(self, mono: float) -> bool:
        """Whether some refund has taken so long that the ledger must hold it instead of the input offset."""
        return self.unjournaled and mono - self._fresh[0].read_at >= self._scope.limits.journal_after_s

    @property
    def offsets_due(self) -> float:
        """When a batch is needed, if only for the group's committed offsets; inf if none is."""
        return self._group.due

    def batch(self, mono: float) -> Batch:
        """Everything since the last batch, and the head; not each time the group's committed offsets."""
        while self.late(mono):
            self.write(self._fresh.popleft())
        return self._batch(mono, last=False)

    def last_batch(self, calling: Iterable[Refund]) -> Batch:
        """No call follows. Every open refund is journaled; of those `calling`, the ledger says that they are."""
        while self.unjournaled:
            self.write(self._fresh.popleft())
        for refund in calling:
            self.write(refund)
        return self._batch(math.inf, last=True)

    def _batch(self, mono: float, *, last: bool) -> Batch:
        scope, number = self._scope, self._number
        entries = [writing.ledger(scope, number, refund.written) for refund in self._dirty.values()]
        self._dirty.clear()
        # An id that was forgotten may have come back meanwhile as a new refund.
        gone = [name for name in self._take_expired() if not self._in_use(name)]
        tombstones = [writing.forgotten(scope, number, name) for name in gone]
        self.head = self._next_head(last=last)
        head = writing.ledger_head(scope, number, self.head)
        records = self._outbox.take(self._readers, [*entries, *tombstones, head])
        positions = {topic: self.head.inputs[topic].position for topic in self._readers}
        return Batch(self._group.take(positions, mono), records)

    def committed(self) -> None:
        """The last batch is visible: calls may reach as far as its head says."""
        for topic, reader in self._readers.items():
            reader.reach = self.head.inputs[topic].reach
        self.named = self._said

    def _take_expired(self) -> Iterator[str]:
        for _ in range(min(len(self._expired), self._scope.limits.expire_records_max)):
            yield self._expired.popleft()

    def _next_head(self, *, last: bool) -> Head:
        past = all(reader.next_offset >= reader.inherited for reader in self._readers.values())
        self._said = self._scope.reading
        return replace(
            self.head,
            # An input that is not read this time, as while partitions are added, is read on where it was left.
            inputs={**self.head.inputs, **dict(self._readings(last=last))},
            braked=self.braked,
            closed=last and self._vouches and not self._doubted,
            accounts=(self._scope if past else self._takeover).accounts,
            reading=self._next_reading(past=past),
        )

    def _next_reading(self, *, past: bool) -> str:
        """By what the records were read that may have been sent and are still to be read again by a successor."""
        if self._reading != self._scope.reading:
            self._reading = self._scope.reading
            self._read_alike_from = {topic: reader.next_offset for topic, reader in self._readers.items()}
        since = self._read_alike_from
        ours_alike = all(reader.position >= since.get(topic, 0) for topic, reader in self._readers.items())
        alike = ours_alike and (past or self._takeover.reading == self._reading)
        return self._reading if alike else SEVERAL_READINGS

    def _readings(self, *, last: bool) -> Iterator[tuple[str, Reading]]:
        for topic, reader in self._readers.items():
            if topic != self._scope.topics.commands:
                # Of other inputs no record is called for.
                yield topic, Reading(reader.position, reader.position)
                continue
            # After a clean end nothing that was not read was sent, but for what a predecessor may have sent: an
            # opening can end before it has come to those records.
            clean = max(reader.next_offset, reader.inherited)
            ahead = max(reader.next_offset + self._scope.limits.reach_records, reader.reach)
            yield topic, Reading(reader.position, clean if last else ahead)
