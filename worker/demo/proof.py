"""The promises as executable classes, under the names the README gives them. Pure: evidence in, violations out.

The demo and the tests on a real broker use the same classes. `worker.demo.witness.read_evidence` collects what they
judge; nothing here or there asks the worker.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from typing_extensions import override

from worker.demo.alipay_view import Moved, Sent, asked_for
from worker.demo.evidence import (
    FINAL_TYPES,
    Asked,
    Evidence,
    Index,
    Told,
    digest_of,
    index,
    is_forwarded,
)
from worker.messages.invalid import Invalid
from worker.messages.ledger import BadEntry
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry, OpenEntry, State
from worker.refunds.issue import first_issue, first_issue_seen, issue_number

IN_PROCESS: Final = "PROCESSING"  # the books' status of a refund that may still move money


class Promise(ABC):
    """`number` and `words` are the README's."""

    number: ClassVar[str]
    words: ClassVar[str]

    @classmethod
    def check(cls, evidence: Evidence) -> list[str]:
        """What breaks the promise, one sentence each; empty if nothing does."""
        return list(cls.violations(index(evidence)))

    @classmethod
    @abstractmethod
    def violations(cls, known: Index) -> Iterator[str]: ...


class NothingLost(Promise):
    number = "G1"
    words = "every command is uncommitted, open in the ledger, final in results, or a dead letter"

    @override
    @classmethod
    def violations(cls, known: Index) -> Iterator[str]:
        places = {asked.place for asked in known.asked}
        for place, count in known.letters.items():
            if count > 1:
                yield f"{place} was dead-lettered {count} times"
            if place not in places:
                yield f"a dead letter names {place} as its origin, where no command is"
        for asked in known.asked:
            if problem := _lost(asked, known):
                yield f"{asked.place}: {problem}"
        for (partition, key), entry in known.evidence.ledger.items():
            if isinstance(entry, BadEntry):
                yield f"ledger partition {partition}, key {key!r}: {entry.problem}"
            elif isinstance(entry, FinalEntry) and not _published(key, entry, known):
                yield f"{key} is final in the ledger, but results have no outcome of it"


def _published(key: str, entry: FinalEntry, known: Index) -> bool:
    """Whether results have what the entry remembers: an outcome, or what became known after one."""
    if entry.event_headers.get("ce_type") in FINAL_TYPES:
        return key in known.outcomes
    return entry.event_headers.get("ce_id") in known.event_ids


def _lost(asked: Asked, known: Index) -> str:
    """Why this command is nowhere; "" if it is somewhere."""
    place, command = asked.place, asked.command
    if place.offset >= known.evidence.committed.get(place.partition, 0) or known.letters.get(place):
        return ""
    if isinstance(command, Invalid):
        return f"is committed and no dead letter, but cannot be read: {command.message}"
    if asked.stray and not is_forwarded(asked.record):
        arrived = any((at, asked.record.value) in known.forwarded for at in {asked.home, *asked.homes})
        return "" if arrived else f"belongs to partition {asked.home}, but was not forwarded there"
    key = command.refund_request_id
    entry = known.evidence.ledger.get((asked.home, key))
    if entry is None and key not in known.outcomes:
        return f"{key} is committed, but neither open, final nor a dead letter"
    if isinstance(entry, OpenEntry) and entry.state is State.PARKED and key in known.outcomes:
        return f"{key} is parked and has an outcome too"
    if digest_of(entry) not in {None, command.digest()}:
        return f"is in conflict with an earlier {key}, but is no dead letter"
    return ""


class OneOutcome(Promise):
    number = "G2"
    words = "a read_committed reader finds one final outcome per refund"

    @override
    @classmethod
    def violations(cls, known: Index) -> Iterator[str]:
        ids = {a.command.refund_request_id for a in known.asked if isinstance(a.command, Command)}
        for key, told in known.outcomes.items():
            first, *more = sorted(told, key=lambda one: one.replayed)
            if key not in ids and key not in known.reissued:
                yield f"{first.place} is an outcome of {key}, for which there is no command and no instruction"
            if first.replayed:
                yield f"{first.place} replays an outcome of {key} that was never published"
            for other in more:
                if not other.replayed:
                    yield f"{key} has a second outcome: {first.place} {first.type}, {other.place} {other.type}"
                elif (first.event_id, first.type, first.value) != (other.event_id, other.type, other.value):
                    yield f"{other.place} replays the outcome of {key}, but differs from {first.place}"
        for (_, key), entry in known.evidence.ledger.items():
            if isinstance(entry, FinalEntry):
                remembered = entry.event_headers.get("ce_id")
                for one in known.outcomes.get(key, ()):
                    if one.event_id != remembered:
                        yield f"{one.place}: the ledger remembers another outcome of {key}, {remembered}"


class OneRefund(Promise):
    number = "G3"
    words = "every attempt of a refund is the same bytes under the same id; its money moves at most once"

    @override
    @classmethod
    def violations(cls, known: Index) -> Iterator[str]:
        wanted: dict[str, set[Sent]] = {}
        for asked in known.asked:
            if isinstance(asked.command, Command):
                key, sent = asked_for(asked.command, known.evidence.alipay)
                wanted.setdefault(key, set()).add(sent)
        for key, treated in known.evidence.alipay.refunds.items():
            if len(treated.bodies) > 1:
                yield f"{key} was sent to Alipay with {len(treated.bodies)} different bodies"
            if len(treated.moved) > 1:
                yield f"money moved {len(treated.moved)} times for {key}"
            for sent in treated.requests:
                if sent not in _wanted(key, wanted):
                    yield f"Alipay was sent {key} with {_asked_in(sent)}, which no command asked for"
            for moved in treated.moved:
                if moved not in {sent.refund for sent in _wanted(key, wanted)}:
                    yield f"Alipay has {key} with {_said((moved,))}, which no command asked for"
        yield from _sums(known)


def _wanted(key: str, wanted: Mapping[str, set[Sent]]) -> set[Sent]:
    """What Alipay may be sent under this key; a later issue asks for what the first did."""
    trade, slash, number = key.rpartition("/")
    return wanted.get(key) or wanted.get(f"{trade}{slash}{first_issue_seen(number)}") or set()


def _asked_in(sent: Sent) -> str:
    return f"{_said((sent.refund,))}{' as its single full refund' if sent.whole else ''}"


def _sums(known: Index) -> Iterator[str]:
    """Alipay's own totals against the outcomes': only a refund that is not final may differ."""
    booked: Counter[str] = Counter()
    final = set()
    for told in known.outcomes.values():
        final.add(told[0].key)
        if told[0].succeeded:
            booked[told[0].moved.amount.currency] += told[0].moved.amount.value
    for key, treated in known.evidence.alipay.refunds.items():
        if key not in final:
            for moved in treated.moved:
                booked[moved.amount.currency] += moved.amount.value
    moved_in_total = known.evidence.alipay.moved
    for currency in sorted({*booked, *moved_in_total}):
        moved_value = moved_in_total.get(currency, 0)
        if booked[currency] != moved_value:
            yield (
                f"{currency}: Alipay moved {moved_value} minor units; outcomes and refunds under way "
                f"account for {booked[currency]}"
            )


class NeverGuess(Promise):
    number = "G4"
    words = "refund.succeeded means that exactly its amount moved, refund.failed that nothing did"

    @override
    @classmethod
    def violations(cls, known: Index) -> Iterator[str]:
        for told in (one for outcomes in known.outcomes.values() for one in outcomes):
            yield from _guessed(told, known)


def _guessed(told: Told, known: Index) -> Iterator[str]:
    treated = known.evidence.alipay.refunds.get(told.key)
    moved = treated.moved if treated is not None else ()
    status = treated.status if treated is not None else ""
    said = f"{told.place}: {told.type} of {told.refund_request_id}"
    if told.succeeded:
        if told.moved not in moved:
            yield f"{said}, {told.moved.amount} of {told.moved.payment_id}, but Alipay moved {_said(moved)}"
    elif (moved or status == IN_PROCESS) and not _issued_anew(told, known):
        yield f"{said}, but Alipay moved {_said(moved)} and calls it {status or 'unknown'}"


def _issued_anew(told: Told, known: Index) -> bool:
    """Whether a later issue went out under the same number: then what Alipay says of that is about the later one."""
    first, number = first_issue(told.refund_request_id), issue_number(told.refund_request_id)
    later = (name for name in known.reissued if first_issue(name) == first and issue_number(name) > number)
    return any(one.key == told.key for name in later for one in known.outcomes.get(name, ()))


def _said(moved: tuple[Moved, ...]) -> str:
    return ", ".join(f"{one.amount} of {one.payment_id}" for one in moved) or "nothing"


class OneAtATimePerPayment(Promise):
    number = "G5"
    words = "at most one request in flight per payment"

    @override
    @classmethod
    def violations(cls, known: Index) -> Iterator[str]:
        for payment, together in known.evidence.alipay.together.items():
            if together > 1:
                yield f"{together} requests about payment {payment} were in flight at once"


PROMISES: Final[tuple[type[Promise], ...]] = (
    NothingLost,
    OneOutcome,
    OneRefund,
    NeverGuess,
    OneAtATimePerPayment,
)
