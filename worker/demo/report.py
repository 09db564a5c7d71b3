"""The demo's last page: what was found, and whether each promise held. Pure but for the drawing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.demo.evidence import Evidence, index
from worker.demo.proof import PROMISES, Summary
from worker.demo.screen import Screen
from worker.demo.workload import Kind, Scale, Workload
from worker.refunds.entry import OpenEntry, State
from worker.refunds.money import Money

TYPE_HEADER = "ce_type"


@dataclass(frozen=True, slots=True)
class Death:
    """The end of the first worker. `at`: Unix seconds. `killed`: with -9, and not asked to end."""

    in_flight: int
    at: float
    killed: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the verdict rests on. `exit_code`: of the second worker's drain."""

    evidence: Evidence
    summary: Summary
    work: Workload
    scale: Scale
    death: Death
    exit_code: int


def show(screen: Screen, seen: Seen) -> bool:
    """Draw it. Whether every promise and every claim of the demo holds."""
    screen.table("What became of them", ("count", ""), _counts(seen))
    screen.table(
        "Money, in its own books and in Alipay's",
        ("currency", "moved at Alipay", "sum of refund.succeeded", "difference"),
        [
            (currency, _shown(currency, moved), _shown(currency, booked), moved - booked)
            for currency, moved, booked in _money(seen)
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


def _money(seen: Seen) -> Iterator[tuple[str, int, int]]:
    """Per currency: moved at Alipay, and the sum of refund.succeeded, in minor units."""
    booked: Counter[str] = Counter()
    for told in index(seen.evidence).outcomes.values():
        if told[0].succeeded:
            booked[told[0].moved.amount.currency] += told[0].moved.amount.value
    moved = seen.evidence.alipay.moved
    for currency in sorted({*moved, *booked}):
        yield currency, moved.get(currency, 0), booked[currency]


def _shown(currency: str, value: int) -> str:
    return str(Money(currency, value))


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
        and moved_at.get(told[0].provider_request_id, seen.death.at) < seen.death.at
        and told[0].timestamp_ms / 1000 > seen.death.at
        for told in index(seen.evidence).outcomes.values()
    )


def _claims(seen: Seen) -> Iterator[tuple[str, Sequence[str]]]:
    found, work, scale = seen.summary, seen.work, seen.scale
    sent = (
        ("commands", found.commands, len(work.posts)),
        (Kind.DUPLICATE.value, found.duplicates, work.count(Kind.DUPLICATE)),
        (Kind.CONFLICT.value, found.conflicts, work.count(Kind.CONFLICT)),
        (Kind.UNREADABLE.value, found.unreadable, work.count(Kind.UNREADABLE)),
        ("strays", found.strays, scale.strays),
        ("refunds", found.succeeded + found.failed + found.parked, work.count(Kind.REFUND)),
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
        "money moved at Alipay = sum of refund.succeeded",
        [f"{currency}: {moved} ≠ {booked}" for currency, moved, booked in _money(seen) if moved != booked],
    )
    yield "the second worker drained", [f"exit code {seen.exit_code}"] if seen.exit_code else []
