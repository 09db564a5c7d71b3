"""Where the entries of a ledger belong once there are more partitions, and whether they may be moved at all.

Pure: records in, what is to be done out. `worker.stream.growth` does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.messages.ledger import HEAD_KEY, BadEntry, read_entry
from worker.refunds.entry import REKEYING, Entry, FinalEntry, Head, OpaqueEntry, OpenEntry
from worker.refunds.issue import first_issue
from worker.stream.ports import Bounds, Record, WrongLedger
from worker.stream.routing import home, routing_value

BY_PAYMENT: Final = "payment"
MARK: Final = b"#"  # in the key of what was told of a final refund later, after the refund's own


def cure(partitions: int) -> str:
    """What an operator is to do about a ledger that was written for fewer partitions than these."""
    return f"stop all workers and run: python -m worker topics grow --to {partitions} --yes"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the ledger is to be re-keyed for."""

    group: str
    routing_key: str
    partitions: int


@dataclass(slots=True)
class Survey:
    """One partition's ledger, read from its beginning: its head, and which live entries are at home elsewhere.

    `live`: key → offset of its last entry. `astray`: key → home, of those whose home is another partition.
    `unplaceable`: keys whose home cannot be computed. `entries`, `leaving`: how many of those were let go.
    """

    number: int
    wanted: Wanted
    head: Head | None = None
    live: dict[bytes, int] = field(default_factory=dict)
    astray: dict[bytes, int] = field(default_factory=dict)
    unplaceable: set[bytes] = field(default_factory=set)
    payments: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    entries: int = 0
    leaving: int = 0

    def let_go(self) -> None:
        """Keep how many entries there are, and not which: of all partitions at once that would be too much."""
        self.entries, self.leaving = len(self.live), len(self.astray)
        self.live, self.astray = {}, {}

    def take(self, record: Record) -> None:
        """Apply one record. Raises WrongLedger where the partition's opening would."""
        key, where = record.key, f"{record.topic}-{record.partition}@{record.offset}"
        if key is None:
            raise WrongLedger(f"{where}: a record without a key is not a ledger entry")
        for known in (self.live, self.astray, self.payments):
            known.pop(key, None)
        self.unplaceable.discard(key)
        if record.value is None:
            return
        match read_entry(key, record.value):
            case BadEntry(problem=problem):
                raise WrongLedger(f"{where}: {problem}; the ledger was damaged or written by something else")
            case Head() as head:
                self.head = head
            case OpaqueEntry() if key == HEAD_KEY:
                raise WrongLedger(
                    f"{where}: the head was written by a newer release; run that release or a newer one"
                )
            case entry:
                self.live[key] = record.offset
                self._place(key, entry)

    def _place(self, key: bytes, entry: Entry) -> None:
        refund, is_mark, _ = key.partition(MARK)
        if is_mark:
            self._place_mark(key, refund)
            return
        value = _routed_by(entry, self.wanted.routing_key)
        if value is None:
            self.unplaceable.add(key)
            return
        at_home = home(value, self.wanted.partitions)
        if at_home != self.number:
            self.astray[key] = at_home
        if self.wanted.routing_key == BY_PAYMENT:
            self.payments[key] = at_home, value.encode()

    def _place_mark(self, key: bytes, refund: bytes) -> None:
        """With its refund, which was written first. One that has outlived it stays where it is: it marks nothing."""
        if self.wanted.routing_key == BY_PAYMENT:
            at_home, _ = self.payments.get(refund, (self.number, b""))
        else:
            at_home = home(first_issue(refund.decode(errors="replace")), self.wanted.partitions)
        if at_home != self.number:
            self.astray[key] = at_home

    def moving(self, record: Record) -> int | None:
        """The partition that this record is to be copied to; None if it stays, or is not its key's last."""
        if record.key is None or record.value is None or self.live.get(record.key) != record.offset:
            return None
        return self.astray.get(record.key)


def _routed_by(entry: Entry, routing_key: str) -> str | None:
    match entry:
        case OpenEntry():
            return routing_value(entry.attempt.command, routing_key)
        case FinalEntry() if routing_key == BY_PAYMENT:
            payment = entry.event_data.get("paymentId") or entry.event_data.get("orderNumber")
            return payment if isinstance(payment, str) else None
        case FinalEntry():
            return first_issue(entry.refund_request_id)
        case OpaqueEntry():
            # Not understood, but its key is the refundRequestId in every release.
            return None if routing_key == BY_PAYMENT else first_issue(entry.refund_request_id)
        case Head():
            return None


def hindrance(survey: Survey, bounds: Mapping[str, Bounds]) -> str:
    """Why this partition must not be re-keyed now, and what to do first; "" if it may be."""
    head, number, wanted = survey.head, survey.number, survey.wanted
    if survey.unplaceable:
        return (
            f"partition {number}: {len(survey.unplaceable)} entries do not say to which payment they belong (they "
            "were written by a newer release); run the release that wrote them"
        )
    if head is None:
        if survey.live or survey.entries or any(bound.committed is not None for bound in bounds.values()):
            return (
                f"partition {number}: the ledger has no head, but its group has been here; restore the topic"
            )
        return ""
    if (head.group, head.routing_key) != (wanted.group, wanted.routing_key):
        return (
            f"partition {number} was written for group {head.group!r} and routing key {head.routing_key!r}, not for "
            f"{wanted.group!r} and {wanted.routing_key!r}; correct the settings"
        )
    if head.partitions > wanted.partitions:
        return (
            f"partition {number} was written for {head.partitions} partitions: there can only be more; expected "
            f"--to {head.partitions} or above"
        )
    if head.partitions in {REKEYING, wanted.partitions}:
        return ""
    found = (_misread(number, head, topic, bound) for topic, bound in bounds.items())
    return next(filter(None, found), "")


def _misread(number: int, head: Head, topic: str, bound: Bounds) -> str:
    reading = head.inputs.get(topic)
    if reading is not None and not bound.begin <= reading.position <= bound.end:
        return (
            f"{topic}-{number} was read up to offset {reading.position}, but its log has {bound.begin}..{bound.end}: "
            "records were deleted before they were read, or the topic was made anew"
        )
    if head.braked and doubtful(head, {topic: bound}):
        return (
            f"{topic}-{number} has records that may have been sent and are not released, and its brake is on "
            f"({head.braked}); release it with: python -m worker resume-partition {number}"
        )
    return ""


def doubtful(head: Head, bounds: Mapping[str, Bounds]) -> Mapping[str, tuple[int, int]]:
    """By topic, the offsets from, and below, which records may have been sent and are in no ledger.

    Only their own partition knows that of them: were they forwarded to a new home, they would be called there as ones
    that nobody has seen, and a decline of what our own call did would be believed.
    """
    if head.partitions == REKEYING:
        # Taken over before it was marked; what was appended since then, nobody has read.
        return {}
    found = {}
    for topic, bound in bounds.items():
        reading = head.inputs.get(topic)
        if reading is not None and reading.position < (end := min(reading.reach, bound.end)):
            found[topic] = reading.position, end
    return found


def collisions(surveys: Mapping[int, Survey]) -> list[str]:
    """Ids that two payments share, and that would meet in one partition: a ledger has one entry for an id.

    Only with `routing_key` "payment", by which an id is one refund per partition.
    """
    homes: dict[tuple[int, bytes], set[bytes]] = {}
    for survey in surveys.values():
        for key, (at_home, payment) in survey.payments.items():
            homes.setdefault((at_home, key), set()).add(payment)
    return [
        f"refundRequestId {key.decode(errors='replace')!r} was used for {len(payments)} payments that would share "
        f"partition {at_home}; choose another --to"
        for (at_home, key), payments in homes.items()
        if len(payments) > 1
    ]
