"""The promises about a worker's conduct, G5, G6 and G8, under the README's names; and that everything ends."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from typing_extensions import override

from tests.simulation.events import (
    COMMANDS,
    Answered,
    Called,
    Committed,
    Ended,
    Event,
    Fault,
    Opened,
    Silent,
    Stopping,
    Unfinished,
)
from tests.simulation.guarantee import CLOCKS_APART_S, Guarantee, Truth
from tests.simulation.tempo import KAFKA
from tests.simulation.view import partition_of
from worker.refunds.command import Command
from worker.refunds.reply import Contradicted, Declined, Misconfigured, Unfunded
from worker.refunds.verdict import ParkReason

UNREACHABLE: Final = ("Unreachable", "KafkaConnectionError", "RequestTimedOutError", "TimeoutError")
STOP_TAIL_S: Final = 3.0 + 10.0
"""After a drain: giving up the connections (worker/kafka: CLOSE_S, STOP_S)."""


class OneAtATimePerPayment(Guarantee):
    number = "G5"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._flights: defaultdict[tuple[int, str], dict[str, tuple[float, str]]] = defaultdict(dict)
        self._called: dict[tuple[int, str], tuple[float, str]] = {}
        # By whom and when a partition was opened last, and what may have been under way; `_opening`: tried since.
        self._opened: dict[int, tuple[str, float, frozenset[str]]] = {}
        self._opening: dict[int, tuple[str, float, frozenset[str]]] = {}
        self._openings: dict[int, int] = {}

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called(process=process, attempt=attempt):
                command = attempt.command
                place = self.view.home(command), command.payment
                self._not_after(process, command, at)
                self._not_before(process, command, at)
                self._rested(process, command, place, at)
                flights = self._flights[place]
                for key, (until, other) in flights.items():
                    if until > at:
                        self.breaks(
                            f"{process} calls for {command.refund_request_id} while {other}'s call for {key} about "
                            f"the same payment {command.payment} is under way"
                        )
                flights[command.refund_request_id] = (at + self.terms.deadline_s, process)
            case Answered(attempt=attempt):
                command = attempt.command
                self._flights[self.view.home(command), command.payment].pop(command.refund_request_id, None)
            case Opened(process=process, transactional_id=name):
                number = partition_of(name)
                self._opening[number] = process, at, frozenset(self._possible(number))
            case Committed(transactional_id=name):
                number = partition_of(name)
                # An initialisation may come late, from an opening that was given up: only a head opens.
                if self._openings.get(number) != self.view.heads[number]["opening"]:
                    self._openings[number] = self.view.heads[number]["opening"]
                    self._opened[number] = self._opening[number]
            case Fault(kind="clock step"):
                # What rests, rests by the clock of the process.
                self._called.clear()
            case _:
                pass

    def _rested(self, process: str, command: Command, place: tuple[int, str], at: float) -> None:
        """The mainland wants some seconds between two refunds of a trade."""
        before, other = self._called.get(place, (float("-inf"), ""))
        self._called[place] = (at, process)
        if at - before < self.terms.payment_spacing_s - 0.001:
            self.breaks(
                f"{process} calls for {command.refund_request_id} {at - before:.3f} s after {other} called about the "
                f"same payment {command.payment}; {self.terms.payment_spacing_s:g} s have to be between"
            )

    def _not_after(self, process: str, command: Command, at: float) -> None:
        """Who was replaced may not know it yet, but its lease ends."""
        owner, since = self.view.owners.get(self.view.home(command), (process, at))
        if owner != process and at - since > self.limits.lease_s + 0.1:
            self.breaks(
                f"{process} calls for {command.refund_request_id} {at - since:.1f} s after {owner} has taken over"
            )

    def _not_before(self, process: str, command: Command, at: float) -> None:
        """Nor does who replaces him know what he has sent: it waits until all that must have come to its end."""
        owner, since, possible = self._opened.get(self.view.home(command), ("", at, frozenset()))
        allowed_at = since + self.limits.lease_s + self.terms.deadline_s - CLOCKS_APART_S
        if owner == process and at < allowed_at and command.refund_request_id in possible:
            self.breaks(
                f"{process} calls for {command.refund_request_id} {at - since:.1f} s after it has taken over, though "
                "its predecessor's call may be under way"
            )

    def _possible(self, partition: int) -> Iterator[str]:
        """Refunds for which whoever had the partition may be calling, as far as its ledger says."""
        head, entries = self.view.heads.get(partition), self.view.ledger[partition]
        if head is None:
            return
        reading = head["inputs"].get(COMMANDS, {"position": 0, "reach": 0})
        for offset in range(reading["position"], reading["reach"]):
            order = self.view.orders[partition].get(offset)
            if order is None or order.command is None or order.home != partition:
                continue
            if order.command.refund_request_id not in entries:
                yield order.command.refund_request_id
        for key, entry in entries.items():
            waits = entry["kind"] == "open" and entry["state"] == "waiting"
            if waits and (entry["calling"] or not head["closed"]):
                yield key


class PatienceSurvives(Guarantee):
    number = "G6"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._disturbed_at: defaultdict[str, float] = defaultdict(float)

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called():
                self._patient(event)
            case Committed():
                self._not_pinned(event, at)
            case Fault(process=process) | Opened(process=process):
                self._disturbed_at[process] = at
            case _:
                pass

    def _patient(self, event: Called) -> None:
        key = event.attempt.command.refund_request_id
        if key in self.view.hurried:
            return
        for entries in self.view.ledger.values():
            entry = entries.get(key)
            if entry is None or entry["kind"] != "open":
                continue
            early_s = entry["next_at"] - event.now
            if early_s > CLOCKS_APART_S:
                self.breaks(f"{event.process} calls for {key} {early_s:.1f} s before its back-off is over")

    def _not_pinned(self, event: Committed, at: float) -> None:
        """Journaled after `journal_after_s`; a commit may wait for the one before it."""
        for partition, (_, position) in self.view.moved.items():
            handed_at = self.view.handed.get((event.process, partition, position))
            if handed_at is None or self.view.heads.get(partition, {}).get("braked"):
                continue
            since = max(handed_at, self._disturbed_at[event.process])
            allowed_s = self.limits.journal_after_s + 2 * self.limits.commit_deadline_s + 1.0
            if at - since > allowed_s:
                self.breaks(
                    f"partition {partition}: offset {position} is held back {at - since:.1f} s after it was read by "
                    f"{event.process}"
                )


class Bounded(Guarantee):
    number = "G8"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._calls: defaultdict[str, set[str]] = defaultdict(set)
        self._stopping: dict[str, float] = {}

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called(process=process, attempt=attempt):
                calls = self._calls[process]
                calls.add(attempt.command.refund_request_id)
                if len(calls) > self.limits.in_flight_max:
                    self.breaks(
                        f"{process} has {len(calls)} calls under way, {self.limits.in_flight_max} allowed"
                    )
            case Answered(process=process, attempt=attempt):
                self._calls[process].discard(attempt.command.refund_request_id)
            case Committed(process=process):
                for partition in self.view.moved:
                    self._open(partition)
            case Stopping(process=process):
                self._stopping[process] = at
            case Fault(process=process):
                self._stopping.pop(process, None)
            case Ended(process=process):
                took_s = at - self._stopping.pop(process, at)
                if took_s > self.limits.drain_s + STOP_TAIL_S:
                    self.breaks(f"{process} took {took_s:.1f} s to stop; drain_s is {self.limits.drain_s}")
            case _:
                pass

    def _open(self, partition: int) -> None:
        entries = self.view.ledger[partition].values()
        count = sum(entry["kind"] == "open" for entry in entries)
        # A poll that was under way when the limit was reached still brings its records.
        if count > self.limits.open_max + 2 * self.limits.poll_records_max:
            self.breaks(f"partition {partition} has {count} open refunds; open_max is {self.limits.open_max}")

    @override
    def check(self) -> None:
        for process in self._stopping:
            self.breaks(f"{process} has not stopped")


class EverythingEnds(Guarantee):
    """Once the faults are over: no worker ends by itself, and every refund is final, or parked with good reason."""

    number = "L"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._silent_at = math.inf

    @override
    def saw(self, event: Event, at: float) -> None:
        if isinstance(event, Silent):
            self._silent_at = at
        if isinstance(event, Unfinished):
            self.breaks(f"partition {event.partition}: the lag is {event.lag}, and nothing is left to do")
        # A worker that cannot reach Kafka at its start ends with an error, and is started again.
        if isinstance(event, Ended) and event.error:
            unreachable = event.error.startswith(UNREACHABLE)
            if at > self._silent_at + KAFKA.request_timeout_s or not unreachable:
                self.breaks(f"{event.process} ended: {event.error}")

    @override
    def check(self) -> None:
        for partition, entries in self.view.ledger.items():
            for key, entry in entries.items():
                if entry["kind"] != "open":
                    continue
                if entry["state"] != "parked":
                    self.breaks(f"partition {partition}: {key} is still open, {entry['state']}")
                elif key not in self.view.parked:
                    self.breaks(f"partition {partition}: {key} is parked, and nobody was told")
                elif not self._explained(key, entry):
                    reason = entry["park"]["reason"]
                    self.breaks(f"partition {partition}: {key} is parked as {reason}, for no good reason")

    def _explained(self, key: str, entry: Mapping[str, Any]) -> bool:
        """Whether what this refund was told, and how long it took, lead to where it is."""
        replies = [one.reply for one in self.view.replies[key]]
        declines = [reply for reply in replies if isinstance(reply, Declined)]
        match entry["park"]["reason"]:
            case ParkReason.ATTEMPTS_USED_UP:
                return bool(entry["attempt"]["number"] >= self.terms.attempts_max)
            case ParkReason.TIME_USED_UP:
                return bool(entry["attempt"]["age_s"] >= self.terms.age_max_s)
            case ParkReason.MERCHANT_BALANCE:
                return any(
                    isinstance(reply, Unfunded) or (reply in declines and reply.park) for reply in replies
                )
            case ParkReason.UNLISTED_CODE:
                return any(decline.park for decline in declines)
            case ParkReason.SUSPECT_DECLINE:
                return any(decline.suspect for decline in declines)
            case ParkReason.MISCONFIGURED_ALONE:
                return any(isinstance(reply, Misconfigured) for reply in replies)
            case ParkReason.CONTRADICTED:
                return any(isinstance(reply, Contradicted) for reply in replies)
            case _:
                return False
