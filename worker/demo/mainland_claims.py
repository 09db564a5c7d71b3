"""What the mainland's act says of itself, checked against the topics, Alipay's books and the worker's log. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from worker.demo import accounts
from worker.demo.evidence import Evidence, Index, index
from worker.demo.mainland_workload import MainlandWork
from worker.demo.setting import TIMES
from worker.messages.events import PARKED, RETURNED, SUCCEEDED
from worker.refunds.verdict import Proof
from worker.simulator.notifier import Sending
from worker.stream.ports import Record

SPACING_S: Final = TIMES["mainland"]["payment_spacing_s"]
REPEATS_MIN: Final = 2  # calls about a refund that waits for the seller's balance, before this is refilled
SECRETS: Final = (*accounts.TOKENS.values(), accounts.WRONG_TOKEN, accounts.UNKNOWN_TOKEN)

Claim = tuple[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The refunds that were open before anything was mended: of the halted merchant, of the empty balance, others."""

    halted: int = 0
    unfunded: int = 0
    others: int = 0


def mainland_claims(
    evidence: Evidence, work: MainlandWork, waiting: Waiting, sendings: Sequence[Sending], log: str
) -> Iterator[Claim]:
    """Each with what is wrong with it."""
    known = index(evidence)
    halted, unfunded, whole, half = (work.of(fate) for fate in ("halted", "unfunded", "whole", "half"))
    yield (
        f"the wrong token of {accounts.HALTED_SHOP} halted its {len(halted)} refunds and no other",
        [*_alone(waiting, halted, unfunded), *_not_ended(known, halted, succeeded=True)],
    )
    yield (
        f"{len(unfunded)} refunds of {accounts.EMPTY_SHOP} waited for its balance, under their own numbers",
        [*_repeated(known, unfunded), *_not_ended(known, unfunded, succeeded=True)],
    )
    yield (
        f"{len(whole)} orders were refunded once, as a whole, though each was clicked twice",
        [*_clicked(known, whole), *_not_ended(known, whole, succeeded=True)],
    )
    yield (
        f"{len(half)} parts of orders without a request number were refused",
        list(_not_ended(known, half, succeeded=False)),
    )
    late, returned = work.of("late"), work.of("returned")
    yield (
        f"{len(late)} parked refunds were settled by an inquiry, once Alipay had notified of their success",
        [*_not_settled_later(evidence, late), *_not_ended(known, late, succeeded=True)],
    )
    yield (
        f"{len(returned)} refunds that a bank sent back were announced, and their outcome stayed",
        [*_not_told(evidence, returned, RETURNED), *_not_ended(known, returned, succeeded=True)],
    )
    notified = {sending.notify_id for sending in sendings if sending.acknowledged}
    yield (
        f"{len(notified)} notifications were acknowledged, none with a wrong signature",
        list(_misjudged(sendings, notified)),
    )
    yield f"refund calls of one trade are at least {SPACING_S:g} s apart", list(_too_close(evidence))
    yield (
        "no merchant's token is in a topic that the worker writes, or in its log",
        list(_leaks(evidence, log)),
    )


def _alone(waiting: Waiting, halted: Collection[str], unfunded: Collection[str]) -> Iterator[str]:
    expected = Waiting(len(halted), len(unfunded))
    if waiting != expected:
        yield f"open while the token was wrong: {waiting}, expected {expected}"


def _not_ended(known: Index, names: Collection[str], *, succeeded: bool) -> Iterator[str]:
    for name in names:
        told = known.outcomes.get(name)
        if not told or told[0].succeeded is not succeeded:
            said = told[0].type if told else "no outcome"
            yield f"{name}: {said}; expected it to have {'succeeded' if succeeded else 'failed'}"


def _repeated(known: Index, names: Collection[str]) -> Iterator[str]:
    for name in names:
        told = known.outcomes.get(name)
        treated = known.evidence.alipay.refunds.get(told[0].key) if told else None
        calls = treated.refund_calls if treated else 0
        if calls <= REPEATS_MIN:
            yield f"{name}: {calls} refund calls; expected more than {REPEATS_MIN}"


def _clicked(known: Index, names: Collection[str]) -> Iterator[str]:
    clicks = Counter((asked.record.key or b"").decode() for asked in known.asked)
    for name in names:
        told = known.outcomes.get(name)
        treated = known.evidence.alipay.refunds.get(told[0].key) if told else None
        if clicks[name] < 2:
            yield f"{name}: asked for {clicks[name]} times; expected 2 or more"
        if treated is not None and not (
            len(treated.moved) == 1 and all(sent.whole for sent in treated.requests)
        ):
            yield f"{name}: money moved {len(treated.moved)} times; expected once, and calls without a number"


def _not_settled_later(evidence: Evidence, names: Collection[str]) -> Iterator[str]:
    yield from _not_told(evidence, names, PARKED)
    for record in evidence.results:
        kind, name = said(record)
        if name in names and kind == SUCCEEDED:
            proof = orjson.loads(record.value or b"{}").get("proof")
            if proof != Proof.INQUIRY:
                yield f"{name}: settled by {proof}; expected {Proof.INQUIRY}"


def _not_told(evidence: Evidence, names: Collection[str], kind: str) -> Iterator[str]:
    events = {said(record) for record in evidence.results}
    for name in names:
        if (kind, name) not in events:
            yield f"{name}: no {kind}"


def _misjudged(sendings: Sequence[Sending], acknowledged: Collection[str]) -> Iterator[str]:
    for sending in sendings:
        spoilt = sending.mode == "wrong_signature"
        if spoilt is (sending.notify_id in acknowledged):
            was = "acknowledged" if spoilt else "not acknowledged"
            yield f"{sending.key}: notification {sending.notify_id} ({sending.mode}) was {was}"


def said(record: Record) -> tuple[str, str]:
    """The type of an event, and which refund it is about."""
    headers = dict(record.headers)
    kind, subject = (headers.get(name) or b"" for name in ("ce_type", "ce_subject"))
    return kind.decode(), subject.decode()


def _too_close(evidence: Evidence) -> Iterator[str]:
    alipay = evidence.alipay
    for payment, gap_s in alipay.gap_min_s.items():
        if alipay.is_trade(payment) and gap_s < SPACING_S:
            yield f"{payment}: {gap_s:.3f} s"


def _leaks(evidence: Evidence, log: str) -> Iterator[str]:
    for secret in SECRETS:
        token = secret.encode()
        for record in (*evidence.results, *evidence.dead_letters):
            texts = (record.value, *(text for _, text in record.headers))
            if any(token in text for text in texts if text):
                yield f"{record.topic}-{record.partition}@{record.offset} has the token …{secret[-4:]}"
        for (partition, key), entry in evidence.ledger.items():
            if secret in repr(entry):
                yield f"ledger partition {partition}, {key} has the token …{secret[-4:]}"
        if secret in log:
            yield f"the log has the token …{secret[-4:]}"
