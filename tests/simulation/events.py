"""What can be seen happening from outside: what the guarantees judge, and what a trace shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from typing_extensions import override

from worker.refunds.attempt import Attempt
from worker.refunds.reply import Reply

COMMANDS: Final = "refund.commands"
RESULTS: Final = "refund.results"
LEDGER: Final = "refund.ledger"
LETTERS: Final = "refund.commands.dlt"
CONTROL: Final = "refund.control"
SIGNALS: Final = "refund.signals"
Stored = ConsumerRecord[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """An order system's record is in the commands topic, and committed."""

    record: Stored

    @override
    def __str__(self) -> str:
        return f"asked       {COMMANDS}-{self.record.partition}@{self.record.offset} {self.record.value!r}"


@dataclass(frozen=True, slots=True)
class Called:
    """A request to Alipay starts. `now`: Unix seconds by the worker's own clock."""

    process: str
    attempt: Attempt
    body: bytes
    now: float

    @override
    def __str__(self) -> str:
        attempt = self.attempt
        doubt = " ambiguous" if attempt.ambiguous else ""
        return (
            f"called      {attempt.command.refund_request_id} {attempt.stage} {attempt.number}{doubt}"
            f" (payment {attempt.command.payment_id})"
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """The worker has read an answer, or waited long enough."""

    process: str
    attempt: Attempt
    reply: Reply

    @override
    def __str__(self) -> str:
        told = getattr(self.reply, "code", "") or getattr(self.reply, "reason", "")
        return f"answered    {self.attempt.command.refund_request_id} {type(self.reply).__name__} {told}"


@dataclass(frozen=True, slots=True)
class Switched:
    """An operator's record is in refund.control: a channel, or "*" for all, is halted, or goes on."""

    channel: str
    halted: bool

    @override
    def __str__(self) -> str:
        return f"operator    {'halts' if self.halted else 'resumes'} {self.channel}"


@dataclass(frozen=True, slots=True)
class Instructed:
    """An operator's instruction is in the signals topic. `signal_id`: its `ce_id`. `sure`: a verdict of who looked when
    nothing was on its way, and who tells how many calls there were.
    """

    partition: int
    refund_request_id: str
    name: str
    signal_id: str
    sure: bool

    @override
    def __str__(self) -> str:
        return f"operator    {self.signal_id}: {self.name} {self.refund_request_id}"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Commands were handed to a worker."""

    process: str
    partition: int
    offsets: tuple[int, ...]

    @override
    def __str__(self) -> str:
        return f"delivered   {COMMANDS}-{self.partition}@{self.offsets[0]}..{self.offsets[-1]}"


@dataclass(frozen=True, slots=True)
class Opened:
    """A transactional id was initialised: the predecessor is fenced."""

    process: str
    transactional_id: str
    epoch: int

    @override
    def __str__(self) -> str:
        return f"initialised {self.transactional_id} epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction will be visible, whatever happens from now on."""

    process: str
    transactional_id: str
    offsets: Mapping[TopicPartition, int]
    records: tuple[Stored, ...]

    @override
    def __str__(self) -> str:
        offsets = ", ".join(f"{part.partition}→{offset}" for part, offset in self.offsets.items())
        records = "".join(f"\n{'':42}{_shown(record)}" for record in self.records)
        return f"committed   {self.transactional_id} [{offsets}]{records}"


@dataclass(frozen=True, slots=True)
class Aborted:
    """A transaction will never be visible."""

    transactional_id: str
    why: str

    @override
    def __str__(self) -> str:
        return f"aborted     {self.transactional_id}: {self.why}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something was broken on purpose."""

    kind: str
    process: str
    detail: str = ""

    @override
    def __str__(self) -> str:
        return f"FAULT       {self.kind} {self.detail}"


@dataclass(frozen=True, slots=True)
class Started:
    """A worker process was started."""

    process: str

    @override
    def __str__(self) -> str:
        return "started"


@dataclass(frozen=True, slots=True)
class Stopping:
    """A worker was asked to stop."""

    process: str

    @override
    def __str__(self) -> str:
        return "stopping"


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker process has ended by itself. `error`: what it raised, "" if nothing."""

    process: str
    error: str

    @override
    def __str__(self) -> str:
        return f"ended       {self.error}"


@dataclass(frozen=True, slots=True)
class Silent:
    """Faults are over: from now on everything must come to its end."""

    @override
    def __str__(self) -> str:
        return "------------ no more faults ------------"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """There was time enough, and the ledger says that so many offsets of a partition's log were not passed."""

    partition: int
    lag: int

    @override
    def __str__(self) -> str:
        return f"unfinished  {COMMANDS}-{self.partition} lag {self.lag}"


Event = (
    Asked
    | Switched
    | Instructed
    | Called
    | Answered
    | Delivered
    | Opened
    | Committed
    | Aborted
    | Fault
    | Started
    | Stopping
    | Ended
    | Silent
    | Unfinished
)


def _shown(record: Stored) -> str:
    place = f"{record.topic}-{record.partition}@{record.offset}"
    if record.topic == RESULTS:
        headers = dict(record.headers)
        return f"{place} {(headers.get('ce_type') or b'').decode()} {(headers.get('ce_subject') or b'').decode()}"
    key = (record.key or b"").decode(errors="replace")
    if record.topic != LEDGER or record.value is None:
        return f"{place} {key}"
    return f"{place} {key} {_brief(record.value)}"


def _brief(value: bytes) -> str:
    """A ledger entry in a few words; without the ledger's id, which no seed decides."""
    entry = orjson.loads(value)
    match entry["kind"]:
        case "open":
            attempt = entry["attempt"]
            return (
                f"open {entry['state']} {attempt['stage']} {attempt['number']}"
                f"{' ambiguous' if attempt['ambiguous'] else ''}{' calling' if entry['calling'] else ''}"
                f" next {entry['next_at']:.3f}"
            )
        case "head":
            inputs = ", ".join(f"{one['position']} reach {one['reach']}" for one in entry["inputs"].values())
            return f"opening {entry['opening']} position {inputs}{' closed' if entry['closed'] else ''}"
        case kind:
            return str(kind)
