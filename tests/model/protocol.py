"""What can happen next: the steps of the workers, of the broker and of Alipay, and the faults among them.

Written after `worker.stream`: opening, takeover, partition, books, owner. Leases and waiting times are left out:
safety must not rest on them; a worker that was fenced may start calls until it learns of it, and a call that nobody
waits for may arrive at any time.
"""

from collections.abc import Iterator

from tests.model.alipay import declines_believed, learnt, replies
from tests.model.commits import applied_to, begins_to_commit, commits
from tests.model.moves import BOTH, Step, decided, ended, may_call, put, spent, with_slot, with_worker
from tests.model.opening import fencing, opened, replayed, starts
from tests.model.state import (
    CLOSING,
    DOWN,
    LAST,
    NAMES,
    OPEN,
    READ_EARLY,
    SUBMIT,
    UNDECIDED,
    UNREADABLE,
    Broken,
    Closed,
    Memory,
    Protocol,
    Refund,
    State,
    Worker,
)


def steps(state: State, protocol: Protocol) -> Iterator[Step]:
    """All that can happen next, each with its description."""
    for who in BOTH:
        worker = state.workers[who]
        if worker.phase == DOWN:
            yield from starts(state, who, protocol)
        else:
            if state.faults:
                yield f"kill -9 of W{who}", ended(spent(state), who, protocol)
            yield from _works(state, who, worker, protocol)
    if state.orphan is not None:
        applied = applied_to(state, state.orphan)._replace(orphan=None)
        yield "the broker applies the transaction whose end nobody waits for", applied
    for refund in BOTH:
        if state.wire[refund]:
            for truth in replies(UNDECIDED, SUBMIT).values():
                yield (
                    f"the call for {NAMES[refund]} that nobody waits for arrives",
                    decided(state, refund, truth),
                )


def _works(state: State, who: int, worker: Worker, protocol: Protocol) -> Iterator[Step]:
    memory = worker.memory
    if memory is None:
        yield (
            f"W{who} reads the ledger",
            opened(state, who, replayed(state.ledger, protocol, able=True), protocol),
        )
        if state.faults:
            unable = replayed(state.ledger, protocol, able=False)
            yield (
                f"W{who}, which has lost the account, reads the ledger",
                opened(spent(state), who, unable, protocol),
            )
        return
    if worker.phase == READ_EARLY:
        after = opened(state, who, memory, protocol)
        yield f"W{who} initialises the transactional id", fencing(after, who, after.workers[who], protocol)
        return
    if worker.batch is not None:
        yield from commits(state, who, worker, worker.batch, protocol)
    if worker.phase in {OPEN, CLOSING}:
        if memory.able:
            yield from _reads(state, who, worker, memory, protocol)
            yield from _hears(state, who, worker, memory, protocol)
        if worker.batch is None:
            yield from begins_to_commit(state, who, worker, memory, protocol)
    if worker.phase == OPEN or (worker.phase == LAST and protocol.broken is Broken.CALL_AFTER_LAST_WORDS):
        yield from _calls(state, who, worker, memory, protocol)
    if not memory.able:
        yield f"W{who} is ended, to be given its account again", ended(state, who, protocol)
    if worker.phase == OPEN and state.faults:
        yield f"W{who} is told to close", with_worker(spent(state), who, worker._replace(phase=CLOSING))


def _remember(state: State, who: int, worker: Worker, memory: Memory) -> State:
    return with_worker(state, who, worker._replace(memory=memory))


def _reads(state: State, who: int, worker: Worker, memory: Memory, protocol: Protocol) -> Iterator[Step]:
    offset = memory.next
    if offset == len(protocol.log):
        return
    refund, memory = protocol.log[offset], memory._replace(next=offset + 1)
    if refund == UNREADABLE:
        memory = memory._replace(letter=True)
    elif memory.slots[refund] is None:
        doubt = offset < memory.inherited and protocol.broken is not Broken.DOUBT_ONLY_IN_MEMORY
        memory = with_slot(
            memory, refund, Refund(False, SUBMIT, doubt, doubt, offset, True, False, False, 0, False)
        )
    yield f"W{who} reads offset {offset}", _remember(state, who, worker, memory)


def _calls(state: State, who: int, worker: Worker, memory: Memory, protocol: Protocol) -> Iterator[Step]:
    for refund in BOTH:
        slot = memory.slots[refund]
        if not isinstance(slot, Refund) or slot.calling or not memory.able:
            continue
        if slot.halted and protocol.broken is Broken.HALT_NEVER_LIFTED:
            continue
        if slot.halted:
            waits = 0 if protocol.broken is Broken.HALT_LIFTED_UNSAID else 1
            awake = slot._replace(halted=False, dirty=True, waits=waits)
            yield (
                f"W{who} lifts the halt of {NAMES[refund]}",
                _remember(state, who, worker, with_slot(memory, refund, awake)),
            )
            continue
        if may_call(slot, memory, protocol):
            calling = with_slot(memory, refund, slot._replace(calling=True))
            yield f"W{who} calls for {NAMES[refund]}: {slot.stage}", _remember(state, who, worker, calling)
        other = memory.slots[1 - refund]
        if isinstance(other, Refund) and other.halted and not slot.waits:
            halted = with_slot(memory, refund, slot._replace(halted=True, dirty=True, held=False))
            yield f"W{who} halts {NAMES[refund]} unsent", _remember(state, who, worker, halted)


def _hears(state: State, who: int, worker: Worker, memory: Memory, protocol: Protocol) -> Iterator[Step]:
    for refund in BOTH:
        slot = memory.slots[refund]
        if not isinstance(slot, Refund) or not slot.calling:
            continue
        found = [
            (name, decided(state, refund, truth) if truth != state.truth[refund] else state)
            for name, truth in replies(state.truth[refund], slot.stage).items()
        ]
        if state.faults and slot.stage == SUBMIT:
            found.append(("misconfigured", spent(state)))
            lost = spent(state)._replace(wire=put(state.wire, refund, state.truth[refund] == UNDECIDED))
            found += [("timed out", lost), ("unreadable", lost)]
        for name, after in found:
            believed = declines_believed(protocol.broken)
            is_final, outcome, halted, stage, ambiguous, sent = learnt(
                slot.stage, slot.ambiguous, slot.sent, name, believed=believed
            )
            closed = Closed(outcome)
            if is_final and protocol.broken is Broken.OUTCOME_OUTSIDE:
                shown = after.shown[refund] + outcome
                after, closed = after._replace(shown=put(after.shown, refund, shown)), Closed("")  # noqa: PLW2901 -- the same step, shown
            waiting = Refund(halted, stage, ambiguous, sent, slot.origin, False, True, False, 0, False)
            heard = with_slot(memory, refund, closed if is_final else waiting)
            yield f"W{who} hears of {NAMES[refund]}: {name}", _remember(after, who, worker, heard)
