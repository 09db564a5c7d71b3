"""What a record is: a new refund, a repeat, a conflict, a stray, or something that cannot be carried out."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from worker.messages.command import read_command
from worker.messages.invalid import Invalid, Problem
from worker.refunds.command import Cause, Command
from worker.refunds.entry import FinalEntry, Origin
from worker.stream import writing
from worker.stream.ports import Record
from worker.stream.routing import home, routing_value, was_forwarded
from worker.stream.scope import Readable


class Disposition(StrEnum):
    """The label under which a record is counted."""

    NEW = "new"
    DUPLICATE = "duplicate"
    REDELIVERY = "redelivery"
    CONFLICT = "conflict"
    INVALID = "invalid"
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class Known:
    """What the partition knows of an id. `digest` None: known, but not understood (written by a newer release)."""

    digest: bytes | None
    origin: Origin | None = None
    final: FinalEntry | None = None


@dataclass(frozen=True, slots=True)
class New:
    """A refund to make."""

    command: Command
    digest: bytes
    disposition: Disposition = Disposition.NEW


@dataclass(frozen=True, slots=True)
class Repeat:
    """A refund we have already. `final` is its stored outcome, if there is one and it is kept."""

    command: Command
    final: FinalEntry | None
    disposition: Disposition


@dataclass(frozen=True, slots=True)
class Stray:
    """A command that belongs to partition `home`."""

    home: int
    disposition: Disposition = Disposition.STRAY


@dataclass(frozen=True, slots=True)
class Refused:
    """A dead letter, and an answer to its sender where the id could be read."""

    invalid: Invalid
    disposition: Disposition


@dataclass(frozen=True, slots=True)
class Intake:
    """The checks every record of one partition goes through, in the order in which they are made."""

    partition: int
    partitions: int
    routing_key: str
    age_max_s: float
    record_size_max: int
    readable: Readable

    def judge(
        self, record: Record, known: Callable[[str], Known | None], now: float, *, possibly_sent: bool = False
    ) -> New | Repeat | Stray | Refused:
        """`known` looks an id up among in flight, closing, open and final refunds. `now`: Unix seconds.

        `possibly_sent`: a predecessor may have called for this record, so its refund has to be asked about at any age.
        """
        origin = Origin(record.topic, record.partition, record.offset, record.timestamp_ms)
        if record.unreadable:
            return Refused(unreadable(record), Disposition.INVALID)
        command = read_command(record.value, record.headers, origin, self.readable.limits)
        if isinstance(command, Invalid):
            return Refused(command, Disposition.INVALID)
        at_home = home(routing_value(command, self.routing_key), self.partitions)
        if at_home != self.partition:
            return self._stray(record, command, at_home)
        digest = command.digest()
        if earlier := known(command.refund_request_id):
            return _repeat(command, digest, earlier, origin)
        if not possibly_sent and now - record.timestamp_ms / 1000 > self.age_max_s:
            return self._too_old(command)
        return New(command, digest)

    def _stray(self, record: Record, command: Command, at_home: int) -> Stray | Refused:
        # By another count it had another home: partitions were added while it was on its way.
        if not was_forwarded(record.headers, self.partitions):
            size = writing.forwarded(record, at_home, self.partitions).size
            return Stray(at_home) if size <= self.record_size_max else self._too_large(command, size)
        message = (
            f"the command belongs to partition {at_home} of {self.partitions} and was forwarded once already; "
            "the topic's partition count and the ledger's do not agree"
        )
        return Refused(_invalid(Problem.MISROUTED, message, command), Disposition.INVALID)

    def _too_large(self, command: Command, size: int) -> Refused:
        message = (
            f"the record has {size} bytes with its headers, too many to be forwarded to its home partition; "
            f"expected at most {self.record_size_max}, and the key to be the refundRequestId"
        )
        return Refused(_invalid(Problem.TOO_LARGE, message, command), Disposition.INVALID)

    def _too_old(self, command: Command) -> Refused:
        message = (
            f"the command is older than {self.age_max_s:.0f} s: its refund may have been made and forgotten, so it is "
            "not carried out; look it up at the provider, and only if it was not made there, ask for it anew"
        )
        return Refused(_invalid(Problem.TOO_OLD, message, command), Disposition.INVALID)


def _repeat(command: Command, digest: bytes, earlier: Known, origin: Origin) -> Repeat | Refused:
    if earlier.digest is not None and earlier.digest != digest:
        message = (
            "refundRequestId was used before for another refund (channel, merchant, payment, amount, currency or split "
            "differ); expected a new refundRequestId for a new refund"
        )
        return Refused(_invalid(Problem.CONFLICT, message, command), Disposition.CONFLICT)
    redelivered = earlier.origin is not None and (earlier.origin.topic, earlier.origin.offset) == (
        origin.topic,
        origin.offset,
    )
    return Repeat(command, earlier.final, Disposition.REDELIVERY if redelivered else Disposition.DUPLICATE)


def unreadable(record: Record) -> Invalid:
    """Of a record that the client could not take apart."""
    message = f"{record.unreadable}; the record is still where it came from, and can be written again without the fault"
    cause = Cause(f"{record.topic}-{record.partition}-{record.offset}")
    return Invalid(Problem.UNREADABLE_RECORD, "", message, None, cause)


def _invalid(problem: Problem, message: str, command: Command) -> Invalid:
    return Invalid(problem, "refundRequestId", message, command.refund_request_id, command.cause)


def lost_sight_of(record: Record, refused: Refused) -> str:
    """Why reading must stop at a record that was read once, and no longer can be."""
    return (
        f"{record.topic}-{record.partition}@{record.offset} may have been sent under other settings, and cannot be "
        f"read under these: {refused.invalid.message}. Restore the channel or limit that it was read with"
    )
