"""The demo's last page: what was found, and whether each promise held. Pure but for the drawing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.demo.alipay_view import Treated, asked_for
from worker.demo.evidence import Evidence, index
from worker.demo.mainland_claims import Waiting, mainland_claims
from worker.demo.mainland_workload import MainlandWork
from worker.demo.proof import PROMISES
from worker.demo.screen import Screen
from worker.demo.summary import Summary
from worker.demo.workload import Kind, Post, Scale
from worker.refunds.entry import OpenEntry, State
from worker.refunds.money import Money
from worker.simulator.notifier import Sending

TYPE_HEADER = "ce_type"


@dataclass(frozen=True, slots=True)
class Death:
    """The end of the first worker. `at`: Unix seconds. `killed`: with -9, and not asked to end."""

    in_flight: int
    at: float
    killed: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the verdict rests on. `posts`: what was sent in both acts. `exit_code`: of the second worker's drain.

    `waiting`: what was open in the mainland's act before anything was mended. `sendings`: of
    Alipay's notifications. `log`: all that the worker said.
    """

    evidence: Evidence
    summary: Summary
    posts: tuple[Post, ...]
    scale: Scale
    death: Death
    exit_code: int
    mainland: MainlandWork
    waiting: Waiting
    sendings: tuple[Sending, ...]
    log: str


def show(screen: Screen, seen: Seen) -> bool:
    """Draw it. Whether every promise and every claim of the demo holds."""
    screen.table("What became of them", ("count", ""), _counts(seen))
    screen.table(
        "By account",
        ("channel", "succeeded", "failed", "parked"),
        [
            (name, counts.succeeded, counts.failed, counts.parked)
            for name, counts in sorted(seen.summary.channels.items())
        ],
    )
    screen.table(
        "Money, in its own books and in Alipay's",
        ("currency", "moved at Alipay", "succeeded", "parked", "difference"),
        [
            (one.currency, *(str(Money(one.currency, value)) for value in one.values), one.difference)
            for one in _money(seen.evidence)
        ],
    )
    if parked := list(_parked(seen)):
        screen.table("Parked, for a person to look at", ("refund", "why", "provider's code"), parked)
    screen.say("")
    screen.say(_times(seen))
    promises = [
        (f"{each.number} {each.__name__}", each.words, each.check(seen.evidence)) for each in PROMISES
    ]
    demo = list(_claims(seen))
    screen.verdicts("Promises, checked by a read_committed reader and Alipay's books", promises)
    screen.verdicts("And this demo did what it says", [(name, "", broken) for name, broken in demo])
    return not any(broken for _, _, broken in promises) and not any(broken for _, broken in demo)


def _counts(seen: Seen) -> Iterator[tuple[object, str]]:
    found = seen.summary
    types = Counter(
        (dict(record.headers).get(TYPE_HEADER) or b"?").decode() for record in seen.evidence.results
    )
    yield found.commands, "commands, as an independent reader finds them"
    yield found.duplicates, "of them exact duplicates: suppressed"
    yield found.strays, "of them in a wrong partition: forwarded home"
    for name, count in sorted(types.items()):
        yield count, name
    yield found.parked, "parked"
    yield found.dead_letters, f"dead letters ({found.conflicts} conflicts, {found.unreadable} unreadable)"
    yield found.lost, "lost"
    yield found.second_outcomes, "second outcomes"
    yield found.double_refunds, "double refunds"
    calls = [(one.refund_calls, one.inquiries) for one in seen.evidence.alipay.refunds.values()]
    yield sum(refunds for refunds, _ in calls), "refund calls at Alipay"
    yield sum(inquiries for _, inquiries in calls), "inquiries at Alipay"


@dataclass(frozen=True, slots=True)
class Total:
    """Minor units of one currency. `parked`: what moved of refunds of which the worker does not say so."""

    currency: str
    moved: int
    booked: int
    parked: int

    @property
    def values(self) -> tuple[int, int, int]:
        return self.moved, self.booked, self.parked

    @property
    def difference(self) -> int:
        return self.moved - self.booked - self.parked


def _money(evidence: Evidence) -> Iterator[Total]:
    """Alipay's totals beside what the events say, and what nobody can say yet."""
    alipay = evidence.alipay
    booked: Counter[str] = Counter()
    for told in index(evidence).outcomes.values():
        if told[0].succeeded:
            booked[told[0].moved.amount.currency] += told[0].moved.amount.value
    parked: Counter[str] = Counter()
    for entry in evidence.ledger.values():
        if isinstance(entry, OpenEntry) and entry.state is State.PARKED:
            key, _ = asked_for(entry.attempt.command, alipay)
            for moved in alipay.refunds.get(key, Treated()).moved:
                parked[moved.amount.currency] += moved.amount.value
    for currency in sorted({*alipay.moved, *booked}):
        yield Total(currency, alipay.moved.get(currency, 0), booked[currency], parked[currency])


def _parked(seen: Seen) -> Iterator[tuple[str, str, str]]:
    for (_, key), entry in sorted(seen.evidence.ledger.items()):
        if isinstance(entry, OpenEntry) and entry.state is State.PARKED and entry.park is not None:
            yield key, entry.park.reason.value, entry.park.code or entry.park.message


def _times(seen: Seen) -> str:
    found = seen.summary
    return (
        f"Time from command to outcome: p50 {found.quantile_s(0.5):.2f} s, p99 {found.quantile_s(0.99):.2f} s, "
        f"longest {found.quantile_s(1.0):.2f} s; the first worker's end and the second one's start are in them.\n"
        f"Of {_unheard(seen)} refunds the money had moved before that end, and the outcome was written after it."
    )


def _unheard(seen: Seen) -> int:
    moved_at = seen.evidence.alipay.moved_at
    return sum(
        told[0].succeeded
        and moved_at.get(told[0].key, seen.death.at) < seen.death.at
        and told[0].timestamp_ms / 1000 > seen.death.at
        for told in index(seen.evidence).outcomes.values()
    )


def _claims(seen: Seen) -> Iterator[tuple[str, Sequence[str]]]:
    found, scale = seen.summary, seen.scale
    kinds = Counter(post.kind for post in seen.posts)
    sent = (
        ("commands", found.commands, len(seen.posts)),
        (Kind.DUPLICATE.value, found.duplicates, kinds[Kind.DUPLICATE]),
        (Kind.CONFLICT.value, found.conflicts, kinds[Kind.CONFLICT]),
        (Kind.UNREADABLE.value, found.unreadable, kinds[Kind.UNREADABLE]),
        ("strays", found.strays, scale.strays),
        ("refunds", found.succeeded + found.failed + found.parked, kinds[Kind.REFUND]),
    )
    yield (
        "what was sent is what was found",
        [f"{name}: {there} found, {posted} sent" for name, there, posted in sent if there != posted],
    )
    how = "killed with -9" if seen.death.killed else "stopped"
    yield (
        f"the worker was {how} with {seen.death.in_flight} calls in flight",
        [f"expected at least {scale.in_flight_min}"] if seen.death.in_flight < scale.in_flight_min else [],
    )
    yield (
        "nothing is left to do",
        []
        if seen.evidence.at_rest
        else [f"{seen.evidence.unread} commands unread, {seen.evidence.open} refunds open"],
    )
    yield (
        "money moved at Alipay = sum of refund.succeeded, but for what is parked",
        [
            f"{one.currency}: {one.moved} ≠ {one.booked} + {one.parked}"
            for one in _money(seen.evidence)
            if one.difference
        ],
    )
    yield "the second worker drained", [f"exit code {seen.exit_code}"] if seen.exit_code else []
    yield from mainland_claims(seen.evidence, seen.mainland, seen.waiting, seen.sendings, seen.log)
