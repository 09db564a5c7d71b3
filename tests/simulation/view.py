"""What an outsider knows: every command, and all that committed transactions have said so far."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from tests.simulation.channels import Channel
from tests.simulation.events import (
    COMMANDS,
    LEDGER,
    LETTERS,
    RESULTS,
    SIGNALS,
    Answered,
    Asked,
    Called,
    Committed,
    Delivered,
    Event,
    Instructed,
    Opened,
    Stored,
)
from worker.demo.evidence import FINAL_TYPES, origin_of_letter
from worker.kafka.records import record_of
from worker.messages.command import CommandLimits, read_command
from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.entry import Origin
from worker.stream.routing import HOP_HEADER

HEAD: Final = "#head"


class Order(NamedTuple):
    """A record of the commands. `command` None: it cannot be read. `home`: where it belongs."""

    command: Command | None
    home: int
    forwarded: bool
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Told:
    """A final outcome. `at`: when it was committed, s."""

    event_id: str
    succeeded: bool
    replayed: bool
    data: Mapping[str, Any]
    process: str
    at: float


@dataclass(slots=True)
class View:
    """`moved`: partition → (from, to) of the last commit's head. `unsettled`: id → process, of calls whose result is
    not committed. `owners`: who initialised a partition's transactional id last, and when (s). `handed`: when a record
    (process, partition, offset) was last given to a process (s). `heeded`: the position of the signals. `hurried`:
    refunds whose calls an operator has wanted sooner. `unsure`: refunds settled by who may have looked too
    early, or did not tell what there was to see.
    """

    partitions: int
    channel: Channel
    limits: CommandLimits
    orders: defaultdict[int, dict[int, Order]] = field(default_factory=lambda: defaultdict(dict))
    offsets: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    position: Counter[int] = field(default_factory=Counter)
    heeded: Counter[int] = field(default_factory=Counter)
    hurried: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    moved: dict[int, tuple[int, int]] = field(default_factory=dict)
    ledger: defaultdict[int, dict[str, Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    heads: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    outcomes: defaultdict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    parked: set[str] = field(default_factory=set)
    letters: Counter[tuple[int, int]] = field(default_factory=Counter)
    arrived: set[tuple[int, bytes | None]] = field(default_factory=set)
    owners: dict[int, tuple[str, float]] = field(default_factory=dict)
    unsettled: dict[str, str] = field(default_factory=dict)
    replies: defaultdict[str, list[Answered]] = field(default_factory=lambda: defaultdict(list))
    handed: dict[tuple[str, int, int], float] = field(default_factory=dict)

    def saw(self, event: Event, at: float) -> None:
        """Take note; `at`: seconds since the beginning."""
        match event:
            case Asked(record=record):
                self._order(record)
            case Committed():
                self._commit(event, at)
            case Instructed(refund_request_id=key, name=name, sure=sure):
                if name in ("retry", "inquire"):
                    self.hurried.add(key)
                if name == "settle" and not sure:
                    self.unsure.add(key)
            case Called(process=process, attempt=Attempt(command=command)):
                self.unsettled[command.refund_request_id] = process
            case Answered(attempt=Attempt(command=command)):
                self.replies[command.refund_request_id].append(event)
            case Opened(process=process, transactional_id=name):
                number = partition_of(name)
                self.owners[number] = (process, at)
                self.handed = {place: since for place, since in self.handed.items() if place[1] != number}
            case Delivered(process=process, partition=partition, offsets=offsets):
                for offset in offsets:
                    self.handed[process, partition, offset] = at
            case _:
                pass

    def home(self, command: Command) -> int:
        """The partition where it belongs."""
        return self.channel.home(command, self.partitions)

    def in_between(self, process: str) -> bool:
        """Whether some call of this process (of any, for "") was made whose result is not committed."""
        return bool(self.unsettled) if not process else process in self.unsettled.values()

    def _order(self, record: Stored) -> None:
        origin = Origin(COMMANDS, record.partition, record.offset, record.timestamp)
        read = read_command(record.value, record.headers, origin, self.limits)
        command = read if isinstance(read, Command) else None
        at_home = -1 if command is None else self.home(command)
        forwarded = any(name == HOP_HEADER for name, _ in record.headers)
        self.orders[record.partition][record.offset] = Order(command, at_home, forwarded, record.value)
        if command is not None and at_home == record.partition:
            self.offsets[command.refund_request_id].append(record.offset)
        if forwarded:
            self.arrived.add((record.partition, record.value))

    def _commit(self, event: Committed, at: float) -> None:
        self.moved.clear()
        for record in event.records:
            match record.topic:
                case topic if topic == LEDGER:
                    self._entry(record)
                case topic if topic == RESULTS:
                    self._result(record, event.process, at)
                case topic if topic == LETTERS:
                    place = origin_of_letter(record_of(record))
                    self.letters[place.partition, place.offset] += 1
                case _:
                    self._order(record)

    def _entry(self, record: Stored) -> None:
        key = (record.key or b"").decode()
        if record.value is None:
            self.ledger[record.partition].pop(key, None)
            return
        entry = orjson.loads(record.value)
        if key == HEAD:
            self.heads[record.partition] = entry
            # The head's word, not the group's offset: a late request may set that back.
            position = entry["inputs"][COMMANDS]["position"]
            self.moved[record.partition] = (self.position[record.partition], position)
            self.position[record.partition] = position
            self.heeded[record.partition] = entry["inputs"].get(SIGNALS, {"position": 0})["position"]
        else:
            self.ledger[record.partition][key] = entry
            self.unsettled.pop(key, None)

    def _result(self, record: Stored, process: str, at: float) -> None:
        headers = dict(record.headers)
        kind, subject = (headers.get(name, b"").decode() for name in ("ce_type", "ce_subject"))
        if kind == "refund.parked.v1":
            self.parked.add(subject)
        if kind in FINAL_TYPES:
            data = orjson.loads(record.value or b"")
            told = Told(
                headers["ce_id"].decode(),
                kind == "refund.succeeded.v1",
                "ce_replayed" in headers,
                data,
                process,
                at,
            )
            self.outcomes[subject].append(told)


def partition_of(transactional_id: str) -> int:
    """`<group>:<topic>:<partition>`."""
    return int(transactional_id.rsplit(":", 1)[1])
