"""Records of the signals topic: read, sent after a refund that has moved, and handed to who follows them."""

from collections.abc import Mapping
from typing import assert_never

from worker.messages.instructed import Instructed
from worker.messages.invalid import Invalid
from worker.messages.notified import Notified
from worker.messages.signal import read_signal
from worker.refunds.issue import first_issue, first_issue_seen
from worker.stream import writing
from worker.stream.books import Books
from worker.stream.chains import Chains
from worker.stream.changes import Changes
from worker.stream.instructions import Instructions
from worker.stream.intake import unreadable
from worker.stream.notices import Notices
from worker.stream.offsets import Reader
from worker.stream.ports import Record
from worker.stream.routing import home, was_forwarded
from worker.stream.schedule import Schedule
from worker.stream.scope import Scope
from worker.stream.takeover import Takeover
from worker.stream.waking import Waking


class Signals:
    """Those of one partition."""

    def __init__(
        self,
        number: int,
        chains: Chains,
        books: Books,
        schedule: Schedule,
        changes: Changes,
        takeover: Takeover,
        readers: Mapping[str, Reader],
        scope: Scope,
    ) -> None:
        self.waking = Waking(schedule, changes, takeover, readers, scope)
        self.notices = Notices(number, chains, books, self.waking, changes, scope)
        self._instructions = Instructions(
            number, chains, books, schedule, self.waking, changes, self.notices, takeover, scope
        )
        self._number = number
        self._books = books
        self._scope = scope

    def accept(self, record: Record, now: float, mono: float) -> bool:
        """Take a signal over; False if another record replaces it, with which the books then release it."""
        read = unreadable(record) if record.unreadable else None
        signal = read or read_signal(record.value, record.headers, writing.origin(record))
        match signal:
            case Invalid():
                self._scope.meter.signalled("invalid")
                self._books.replace(record, writing.dead_letter(self._scope, record, signal))
                return False
            case Notified(notice=notice, cause=cause):
                if self._moved(record, first_issue_seen(notice.provider_request_id)):
                    return False
                self.notices.heed(notice, cause, now)
            case Instructed(instruction=instruction):
                if self._moved(record, first_issue(instruction.order.refund_request_id)):
                    return False
                self._instructions.follow(signal, writing.origin(record), now, mono)
            case _:
                assert_never(signal)
        return True

    def _moved(self, record: Record, first: str) -> bool:
        """Whether partitions were added while it was on its way, and the record now follows its refund.

        By payment nobody knows where to: a signal does not say whose payment it is about.
        """
        partitions = self._books.head.partitions
        if self._scope.by_payment or not first or was_forwarded(record.headers, partitions):
            return False
        at_home = home(first, partitions)
        follows = writing.forwarded(record, at_home, partitions)
        if at_home == self._number or follows.size > self._scope.limits.record_size_max:
            return False
        self._scope.meter.signalled("stray")
        self._books.replace(record, follows)
        return True
