"""What operators are promised: each instruction is answered once, and issues of a refund follow one another."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tests.simulation.events import LEDGER, RESULTS, Committed, Event, Instructed, Stored
from tests.simulation.guarantee import Guarantee, Truth
from worker.messages.events import FAILED, INSTRUCTED
from worker.refunds.issue import first_issue, issue_before
from worker.simulator.entries import Movement


class EveryInstructionAnswered(Guarantee):
    """What is done and what is said of it are visible together, once for each signal."""

    number = "G1"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._given: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Instructed(signal_id=signal_id):
                self._given[signal_id] += 1
            case Committed():
                for record in event.records:
                    headers = dict(record.headers)
                    if record.topic == RESULTS and headers.get("ce_type") == INSTRUCTED.encode():
                        self._answered[headers["ce_causationid"].decode()] += 1
            case _:
                pass

    @override
    def check(self) -> None:
        for signal_id in sorted({*self._given, *self._answered}):
            given, answered = self._given[signal_id], self._answered[signal_id]
            if given != answered:
                self.breaks(f"{signal_id} was given {given} times and answered {answered} times")


class OneIssueAtATime(Guarantee):
    """A refund is issued anew only after the issue before has failed, and the money of a chain moves once."""

    number = "G3"

    @override
    def saw(self, event: Event, at: float) -> None:
        if not isinstance(event, Committed):
            return
        for record in event.records:
            if record.topic == LEDGER and b"~" in (record.key or b"") and record.value is not None:
                self._follows(record)

    def _follows(self, record: Stored) -> None:
        name, entries = (record.key or b"").decode(), self.view.ledger[record.partition]
        before = entries.get(issue_before(name))
        if before is None or before["kind"] != "final" or before["event_headers"]["ce_type"] != FAILED:
            self.breaks(f"{name} is in the ledger, though {issue_before(name)} is {_word(before)}")

    @override
    def check(self) -> None:
        moved: defaultdict[str, dict[Movement, None]] = defaultdict(dict)
        for key, told in self.view.outcomes.items():
            first, data = first_issue(key), told[0].data
            moved[first].update(dict.fromkeys(self.ledger.moved(data["providerRequestId"])))
        for first, movements in moved.items():
            if len(movements) > 1 and not self._mistaken(first):
                self.breaks(f"the money of {first} moved {len(movements)} times in its issues")

    def _mistaken(self, first: str) -> bool:
        """Whether an operator's word was old: what it calls failed moved after the look and before the outcome."""
        return any(
            one.data["proof"] == "operator"
            and not one.succeeded
            and (key in self.view.unsure or one.data["providerRequestId"] in self.alipay.by_hand)
            and self.ledger.moved(one.data["providerRequestId"])
            for key, told in self.view.outcomes.items()
            if first_issue(key) == first
            for one in told[:1]
        )


def _word(entry: Mapping[str, Any] | None) -> str:
    return "not known" if entry is None else f"{entry['kind']}"
