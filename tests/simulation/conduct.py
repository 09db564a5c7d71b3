"""The promises about a worker's conduct, G5 to G8, under the README's names; and that everything ends."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

from typing_extensions import override

from tests.simulation.events import (
    Answered,
    Called,
    Committed,
    Ended,
    Event,
    Fault,
    Opened,
    Silent,
    Started,
    Stopping,
    Unfinished,
)
from tests.simulation.guarantee import CLOCKS_APART_S, Guarantee, Truth
from worker.refunds.reply import Contradicted, Declined, Misconfigured, Succeeded, Unknown, Unreadable
from worker.refunds.verdict import ParkReason
from worker.simulator.results import GATEWAY_CODES
from worker.stream.routing import home

UNREACHABLE: Final = ("KafkaConnectionError", "RequestTimedOutError", "TimeoutError")
STOP_TAIL_S: Final = 3.0 + 10.0
"""After a drain: giving up the connections (worker/kafka: CLOSE_S, STOP_S)."""


class OneAtATimePerPayment(Guarantee):
    number = "G5"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._flights: defaultdict[tuple[int, str], dict[str, tuple[float, str]]] = defaultdict(dict)

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called(process=process, attempt=attempt):
                self._not_after(process, attempt.command.refund_request_id, at)
                command = attempt.command
                flights = self._flights[self._partition(command.refund_request_id), command.payment_id]
                for key, (until, other) in flights.items():
                    if until > at:
                        self.breaks(
                            f"{process} calls for {command.refund_request_id} while {other}'s call for {key} about "
                            f"the same payment {command.payment_id} is under way"
                        )
                flights[command.refund_request_id] = (at + self.terms.deadline_s, process)
            case Answered(attempt=attempt):
                command = attempt.command
                flights = self._flights[self._partition(command.refund_request_id), command.payment_id]
                flights.pop(command.refund_request_id, None)
            case _:
                pass

    def _not_after(self, process: str, key: str, at: float) -> None:
        """Who was replaced may not know it yet, but its lease ends."""
        owner, since = self.view.owners.get(self._partition(key), (process, at))
        if owner != process and at - since > self.limits.lease_s + 0.1:
            self.breaks(f"{process} calls for {key} {at - since:.1f} s after {owner} has taken over")

    def _partition(self, key: str) -> int:
        return home(key, self.view.partitions)


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


class StopTheLine(Guarantee):
    number = "G7"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._halted: dict[str, int] = {}  # process → calls under way that were begun after the halt
        self._begun: dict[tuple[str, str], int] = {}
        self._serial = 0
        self._success: Counter[str] = Counter()
        self._halted_since: dict[str, int] = {}
        self._proven: set[str] = set()

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called(process=process, attempt=attempt):
                self._serial += 1
                self._begun[process, attempt.command.refund_request_id] = self._serial
                if process in self._halted:
                    self._halted[process] += 1
                    if self._halted[process] > 1:
                        self.breaks(
                            f"{process} calls for {attempt.command.refund_request_id}, though its account is halted "
                            "and a probe is under way"
                        )
            case Answered():
                self._answer(event)
            case Committed():
                self._no_failure(event)
            case Started(process=process):
                self._halted.pop(process, None)
            case _:
                pass

    def _answer(self, event: Answered) -> None:
        process, reply = event.process, event.reply
        begun = self._begun.pop((process, event.attempt.command.refund_request_id), 0)
        probe = process in self._halted and begun > self._halted_since[process]
        if probe:
            self._halted[process] -= 1
        if isinstance(reply, Misconfigured):
            if process not in self._halted and self._success[process] <= begun:
                self._halted[process] = 0
                self._halted_since[process] = self._serial
        elif probe and not isinstance(reply, Unknown | Unreadable):
            del self._halted[process]
        if isinstance(reply, Succeeded):
            self._proven.add(process)
            self._success[process] = max(self._success[process], begun)

    def _no_failure(self, event: Committed) -> None:
        for record in event.records:
            if record.topic != "refund.results":
                continue
            key = dict(record.headers).get("ce_subject", b"").decode()
            told = self.view.outcomes.get(key)
            if not told or told[-1].succeeded or told[-1].replayed:
                continue
            code = told[-1].data["result"]["code"]
            if code in GATEWAY_CODES - {"PARAM_ILLEGAL"}:
                self.breaks(f"{key} has failed with {code}, which is our own fault")
            replies = (one.reply for one in self.view.replies[key])
            suspect = any(isinstance(one, Declined) and one.suspect and one.code == code for one in replies)
            if suspect and event.process not in self._proven:
                self.breaks(
                    f"{key} has failed with {code}, though nothing has succeeded for {event.process} yet"
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
        self._silent = False

    @override
    def saw(self, event: Event, at: float) -> None:
        if isinstance(event, Silent):
            self._silent = True
        if isinstance(event, Unfinished):
            self.breaks(f"partition {event.partition}: the lag is {event.lag}, and nothing is left to do")
        # A worker that cannot reach Kafka at its start ends with an error, and is started again.
        unreachable = isinstance(event, Ended) and event.error.startswith(UNREACHABLE)
        if isinstance(event, Ended) and event.error and (self._silent or not unreachable):
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
            case ParkReason.MERCHANT_BALANCE | ParkReason.UNLISTED_CODE:
                return any(decline.park for decline in declines)
            case ParkReason.SUSPECT_DECLINE:
                return any(decline.suspect for decline in declines)
            case ParkReason.MISCONFIGURED_ALONE:
                return any(isinstance(reply, Misconfigured) for reply in replies)
            case ParkReason.CONTRADICTED:
                return any(isinstance(reply, Contradicted) for reply in replies)
            case _:
                return False
