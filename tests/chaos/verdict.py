"""What became of everything, judged from the topics and from Alipay's side alone. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tests.chaos.faults import Fault
from worker.demo.evidence import Evidence
from worker.demo.proof import PROMISES, OneAtATimePerPayment
from worker.demo.summary import Summary, summary
from worker.refunds.entry import OpenEntry, State
from worker.refunds.verdict import ParkReason
from worker.simulator.observed import Seen

SILENT_S: Final = 3.0  # longer than anybody waits for an answer that does not come
WAITED_FOR: Final = 0.5  # of the deadline: what reading a request late may take from the time between two


@dataclass(slots=True)
class Struck:
    """A fault that struck. `at_s`: after the first; `whom`: whom it met.

    `recovered_s`: from its beginning until every partition had made a refund asked for after it; None: never.
    """

    fault: Fault
    at_s: float
    whom: str = ""
    recovered_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`missing`: ids that were asked for and are neither final nor parked. `broken`: sentences, by promise."""

    summary: Summary
    refunds: int
    struck: Sequence[Struck]
    missing: Sequence[str]
    unexplained: Sequence[str]
    broken: Mapping[str, Sequence[str]]
    recovered_max_s: float
    seed: int

    @property
    def ok(self) -> bool:
        return not any(self.broken.values())

    def figures(self) -> dict[str, object]:
        """The last line."""
        return {
            "ok": self.ok,
            "refunds": self.refunds,
            "faults": len(self.struck),
            "lost": self.summary.lost + len(self.missing),
            "second_outcomes": self.summary.second_outcomes,
            "double_refunds": self.summary.double_refunds,
            "unexplained": len(self.unexplained),
            "seed": self.seed,
        }


def judge(
    evidence: Evidence,
    calls: Mapping[str, Seen],
    asked: Collection[str],
    struck: Sequence[Struck],
    ended: Sequence[str],
    *,
    attempts_max: int,
    deadline_s: float,
    recovered_max_s: float,
    seed: int,
) -> Verdict:
    """`asked`: ids of the refunds that order systems wrote. `ended`: what was wrong with workers' ends.

    `calls`: what Alipay saw, by provider id. `attempts_max`, `deadline_s`: the channel's.
    """
    missing = sorted(set(asked) - set(_settled(evidence)))
    unexplained = list(without_reason(evidence, calls, attempts_max))
    broken: dict[str, Sequence[str]] = {
        f"{promise.number} {promise.words}": promise.check(evidence)
        for promise in PROMISES
        if promise is not OneAtATimePerPayment
    }
    # Across partitions it is promised only where a payment has one of them.
    if evidence.routing_key == "payment":
        promise = OneAtATimePerPayment
        broken[f"{promise.number} {promise.words}"] = list(met(evidence, calls, deadline_s))
    broken["every refund that was asked for is final or parked"] = missing
    broken["every command was read, and no refund is under way"] = (
        [] if evidence.at_rest else [f"{evidence.unread} commands unread, {evidence.open} refunds open"]
    )
    broken["every parked refund has its reason in what Alipay said"] = unexplained
    broken[f"every partition went on within {recovered_max_s:g} s of every fault"] = [
        f"{one.fault.kind}, at {one.at_s:.1f} s" for one in struck if one.recovered_s is None
    ]
    broken["no worker ended by itself, and every one that was stopped drained"] = ended
    return Verdict(
        summary(evidence), len(set(asked)), struck, missing, unexplained, broken, recovered_max_s, seed
    )


def _settled(evidence: Evidence) -> Iterator[str]:
    for (_, key), entry in evidence.ledger.items():
        if not isinstance(entry, OpenEntry) or entry.state is State.PARKED:
            yield key


# Why a refund may be parked, and what of Alipay's must have been there for it. What is not in this table, no chaos
# may bring about.
EXPLANATIONS: Final[Mapping[ParkReason, Callable[[str, Seen], bool]]] = {
    ParkReason.CONTRADICTED: lambda _, seen: any(call.mode == "wrong_echo" for call in seen.calls),
    ParkReason.UNLISTED_CODE: lambda code, seen: any(call.code == code for call in seen.calls),
    ParkReason.MERCHANT_BALANCE: lambda _, seen: any(
        call.code == "MERCHANT_BALANCE_NOT_ENOUGH" for call in seen.calls
    ),
}


def without_reason(evidence: Evidence, calls: Mapping[str, Seen], attempts_max: int) -> Iterator[str]:
    """Parked refunds for which nothing that Alipay did is a reason."""
    for (_, key), entry in sorted(evidence.ledger.items()):
        if not isinstance(entry, OpenEntry) or entry.state is not State.PARKED:
            continue
        park, seen = entry.park, calls.get(entry.attempt.command.provider_request_id, Seen())
        if park is None:
            yield f"{key} is parked without a reason"
        elif park.reason is ParkReason.ATTEMPTS_USED_UP:
            if entry.attempt.number < attempts_max:
                yield f"{key} is parked because its attempts are used up, after {entry.attempt.number} of them"
        elif park.reason not in EXPLANATIONS or not EXPLANATIONS[park.reason](park.code, seen):
            said = ", ".join(f"{call.operation} {call.mode} {call.code}" for call in seen.calls[-5:])
            yield f"{key} is parked: {park.reason} {park.code} {park.message}; at Alipay: {said or 'nothing'}"


def met(evidence: Evidence, calls: Mapping[str, Seen], deadline_s: float) -> Iterator[str]:
    """Requests about one payment that were in flight at once, as callers see it.

    A caller gives an unanswered request up at its deadline and goes on; a busy Alipay notices that only later. So a
    request that came well after one without an answer is no breach, however long Alipay took to see that one's end.
    """
    for payment, most in evidence.alipay.together.items():
        gaps = list(after_silence(calls, payment)) if most > 1 else []
        early = [said for gap_s, said in gaps if gap_s < deadline_s * WAITED_FOR]
        if most > 1 and (early or not gaps):
            yield "; ".join([f"{most} requests about payment {payment} were in flight at once", *early])


def after_silence(calls: Mapping[str, Seen], payment: str) -> Iterator[tuple[float, str]]:
    """Seconds between a request that Alipay left unanswered and the next one about this payment; the pair in words."""
    about = sorted(
        (call.at, f"{name} {call.operation} {call.mode}")
        for name, seen in calls.items()
        if any(request.payment_id == payment for request in seen.requests)
        for call in seen.calls
    )
    for (first_at, first), (then_at, then) in pairwise(about):
        gap_s = then_at - first_at
        if "silent" in first and gap_s < SILENT_S:
            yield gap_s, f"{then} came {gap_s:.3f} s after {first}"
