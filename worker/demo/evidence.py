"""What can be known about refunds without asking the worker: what is on the topics, and what Alipay did.

No I/O: `witness` collects it, `proof` judges it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson
from typing_extensions import override

from worker.demo.alipay_view import AlipayView, Moved, money_in
from worker.messages.command import CommandLimits, read_command
from worker.messages.dead_letter import PREFIX
from worker.messages.events import FAILED, INSTRUCTED, SUCCEEDED
from worker.messages.invalid import Invalid
from worker.messages.ledger import BadEntry
from worker.refunds.command import Command
from worker.refunds.entry import Entry, FinalEntry, Head, OpaqueEntry, OpenEntry, Origin, State
from worker.stream.ports import Record
from worker.stream.routing import HOP_HEADER, home, routing_value

FINAL_TYPES: Final = frozenset({SUCCEEDED, FAILED})
REPLAYED_HEADER: Final = "ce_replayed"


class Place(NamedTuple):
    """Where a record is: `topic-partition@offset`."""

    topic: str
    partition: int
    offset: int

    @override
    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One look at everything, by a reader that only sees what is committed.

    `commands`, `results`, `dead_letters`: every record, in offset order per partition. `ledger`: the last entry by
    partition and key, heads not among them. `committed`: by partition, the command that a successor would read next, as
    the ledger's head says; the group's own offset may be a second older. `limits`: what the worker is configured to
    accept as a command. `former`: partition counts that there were before.

    Taken while the worker runs, the parts must have been read in this order: ledger, then results, dead letters and
    commands, then Alipay. Each then shows at least what the one before it refers to.
    """

    commands: tuple[Record, ...]
    results: tuple[Record, ...]
    dead_letters: tuple[Record, ...]
    ledger: Mapping[tuple[int, str], Entry | BadEntry]
    committed: Mapping[int, int]
    alipay: AlipayView
    partitions: int
    limits: CommandLimits
    routing_key: str = "refundRequestId"
    former: tuple[int, ...] = ()

    @property
    def unread(self) -> int:
        """Commands that no commit has released yet."""
        return sum(record.offset >= self.committed.get(record.partition, 0) for record in self.commands)

    @property
    def open(self) -> int:
        """Refunds on which the worker still works."""
        return sum(
            isinstance(entry, OpenEntry) and entry.state is not State.PARKED for entry in self.ledger.values()
        )

    @property
    def at_rest(self) -> bool:
        """Every command was read, and every refund is final or parked."""
        return not self.unread and not self.open


@dataclass(frozen=True, slots=True)
class Asked:
    """A record of the commands topic, and what it says. `home`: where its refund belongs, -1 if unreadable.

    `homes`: with those that it had by former partition counts.
    """

    place: Place
    record: Record
    command: Command | Invalid
    home: int
    homes: frozenset[int] = frozenset()

    @property
    def stray(self) -> bool:
        """Whether it never belonged where it is."""
        return self.place.partition not in {self.home, *self.homes} and self.home != -1


@dataclass(frozen=True, slots=True)
class Told:
    """A final outcome on the results topic. `key`: what Alipay knows the refund by."""

    place: Place
    type: str
    event_id: str
    replayed: bool
    refund_request_id: str
    channel: str
    key: str
    moved: Moved
    value: bytes
    timestamp_ms: int

    @property
    def succeeded(self) -> bool:
        return self.type == SUCCEEDED


@dataclass(frozen=True, slots=True)
class Index:
    """Evidence, taken apart once. `letters`: how often the record at a place was dead-lettered. `event_ids`: of all
    results. `reissued`: refunds that operators have had issued anew, by the new issue's id.
    """

    evidence: Evidence
    asked: tuple[Asked, ...]
    outcomes: Mapping[str, tuple[Told, ...]]
    event_ids: frozenset[str]
    letters: Mapping[Place, int]
    forwarded: frozenset[tuple[int, bytes | None]]
    reissued: frozenset[str]


def index(evidence: Evidence) -> Index:
    """Read every record as a stranger would. Raises ValueError for a result that is no event of ours."""
    outcomes: dict[str, list[Told]] = {}
    for record in evidence.results:
        told = _told(record, evidence.alipay)
        if told is not None:
            outcomes.setdefault(told.refund_request_id, []).append(told)
    return Index(
        evidence=evidence,
        asked=tuple(_asked(record, evidence) for record in evidence.commands),
        outcomes={name: tuple(told) for name, told in outcomes.items()},
        event_ids=frozenset(
            (dict(record.headers).get("ce_id") or b"").decode() for record in evidence.results
        ),
        letters=Counter(map(origin_of_letter, evidence.dead_letters)),
        forwarded=frozenset(
            (record.partition, record.value) for record in evidence.commands if is_forwarded(record)
        ),
        reissued=frozenset(filter(None, map(_reissued_as, evidence.results))),
    )


def digest_of(entry: Entry | BadEntry | None) -> bytes | None:
    """What a later command with the same id must equal; None where the entry does not say."""
    match entry:
        case OpenEntry():
            return entry.attempt.command.digest()
        case FinalEntry():
            return entry.digest
        case Head() | OpaqueEntry() | BadEntry() | None:
            return None


def is_forwarded(record: Record) -> bool:
    """Whether the worker, not an order system, wrote it: a stray's copy in its home partition."""
    return any(name == HOP_HEADER for name, _ in record.headers)


def origin_of_letter(record: Record) -> Place:
    """The place of the record that a dead letter is about. Raises ValueError if it does not say."""
    headers = dict(record.headers)  # of several with one name the last counts
    topic, partition, offset = (
        headers.get(f"{PREFIX}original-{name}") for name in ("topic", "partition", "offset")
    )
    if topic is None or partition is None or offset is None:
        here = Place(record.topic, record.partition, record.offset)
        raise ValueError(f"dead letter {here} has no origin; expected {PREFIX}original-topic and so on")
    return Place(topic.decode(), int.from_bytes(partition, "big"), int.from_bytes(offset, "big"))


def reason_of_letter(record: Record) -> str:
    """Our name for what was wrong with it."""
    return (dict(record.headers).get(f"{PREFIX}exception-fqcn") or b"").decode()


def _asked(record: Record, evidence: Evidence) -> Asked:
    place = Place(record.topic, record.partition, record.offset)
    origin = Origin(*place, record.timestamp_ms)
    command = read_command(record.value, record.headers, origin, evidence.limits)
    if isinstance(command, Invalid):
        return Asked(place, record, command, -1)
    value = routing_value(command, evidence.routing_key)
    homes = frozenset(home(value, count) for count in (evidence.partitions, *evidence.former))
    return Asked(place, record, command, home(value, evidence.partitions), homes)


def _reissued_as(record: Record) -> str:
    if dict(record.headers).get("ce_type") != INSTRUCTED.encode():
        return ""
    return str(orjson.loads(record.value or b"{}").get("reissuedAs", ""))


def _told(record: Record, alipay: AlipayView) -> Told | None:
    headers = {name: (value or b"").decode() for name, value in record.headers}
    if headers.get("ce_type") not in FINAL_TYPES:
        return None
    place = Place(record.topic, record.partition, record.offset)
    try:
        data = orjson.loads(record.value or b"")
        payment = alipay.payment(data.get("paymentId", ""), data.get("orderNumber", ""))
        if not payment:
            raise KeyError("paymentId")
        return Told(
            place=place,
            type=headers["ce_type"],
            event_id=headers["ce_id"],
            replayed=REPLAYED_HEADER in headers,
            refund_request_id=data["refundRequestId"],
            channel=data["channel"],
            key=alipay.key(data["providerRequestId"], payment),
            moved=Moved(payment, money_in(data["refundAmount"])),
            value=record.value or b"",
            timestamp_ms=record.timestamp_ms,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"result {place} is no {headers['ce_type']}: {error!r}") from error
