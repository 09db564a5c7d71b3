"""Transactions: what they hold, and what may become of them."""

from collections.abc import Iterator

from tests.model.moves import BOTH, Step, ended, fenced, put, spent, with_slot, with_worker
from tests.model.state import (
    CLOSING,
    FINAL,
    LAST,
    OPEN,
    OPENING,
    UNREADABLE,
    Batch,
    Broken,
    Closed,
    Entry,
    Ledger,
    Memory,
    Protocol,
    Refund,
    State,
    Worker,
)


def batch_of(
    memory: Memory, protocol: Protocol, late: int = 0, *, last: bool = False
) -> tuple[Memory, Batch]:
    """What the next transaction holds, and memory once it is made up. `late`: how many held back records to journal."""
    broken, doubted = protocol.broken, False
    held = sorted(slot.origin for slot in memory.slots if isinstance(slot, Refund) and slot.held)
    journaled = held if last else held[:late]
    entries: tuple[Entry | str | None, Entry | str | None] = (None, None)
    outcomes = ("", "")
    for refund in BOTH:
        slot = memory.slots[refund]
        if isinstance(slot, Closed):
            entries, outcomes = put(entries, refund, FINAL), put(outcomes, refund, slot.outcome)
            memory = with_slot(memory, refund, FINAL)
        elif isinstance(slot, Refund):
            noted = slot.calling and not (last and broken is Broken.CALLS_NOT_NOTED)
            if slot.dirty or (slot.held and slot.origin in journaled) or (last and noted):
                entry = Entry(slot.halted, slot.stage, slot.ambiguous, slot.sent, noted)
                entries = put(entries, refund, entry)
                slot = slot._replace(dirty=False, doubted=False, held=False)
            doubted = doubted or slot.doubted
            memory = with_slot(memory, refund, slot._replace(waits=2 if slot.waits else 0))
    position = min([memory.next, *held[len(journaled) :]])
    if broken is Broken.OFFSET_BEFORE_JOURNAL:
        position = memory.next
    letters = 0
    if memory.letter and (position > protocol.log.index(UNREADABLE) or broken is Broken.EAGER_DEAD_LETTERS):
        memory, letters = memory._replace(letter=False), 1
    if last:
        reach = memory.next if broken is Broken.REACH_FORGOTTEN else max(memory.next, memory.inherited)
    else:
        reach = min(max(memory.next + protocol.lease, memory.reach), len(protocol.log))
    closed = last and (not doubted or broken is Broken.CLOSED_IN_DOUBT)
    return memory, Batch(entries, outcomes, letters, position, reach, closed)


def begins_to_commit(
    state: State, who: int, worker: Worker, memory: Memory, protocol: Protocol
) -> Iterator[Step]:
    if fenced(state, who, protocol):
        yield f"W{who} learns at a commit that it is fenced", ended(state, who, protocol)
        return
    if worker.phase == CLOSING:
        after, batch = batch_of(memory, protocol, last=True)
        yield f"W{who} commits its last batch", with_worker(state, who, Worker(LAST, after, batch))
        return
    held = sum(isinstance(slot, Refund) and slot.held for slot in memory.slots)
    for late in range(held + 1):
        after, batch = batch_of(memory, protocol, late)
        if after != memory or applied_to(state, batch) != state:
            yield f"W{who} commits, {late} late", with_worker(state, who, Worker(OPEN, after, batch))


def applied_to(state: State, batch: Batch) -> State:
    old = state.ledger
    ledger = Ledger(
        (batch.entries[0] or old.entries[0], batch.entries[1] or old.entries[1]),
        batch.position,
        batch.reach,
        batch.closed,
    )
    shown = (state.shown[0] + batch.outcomes[0], state.shown[1] + batch.outcomes[1])
    return state._replace(ledger=ledger, shown=shown, letters=state.letters + batch.letters)


def commits(state: State, who: int, worker: Worker, batch: Batch, protocol: Protocol) -> Iterator[Step]:
    if fenced(state, who, protocol):
        yield f"W{who} is fenced", ended(state, who, protocol)
        return
    applied = _acknowledged(applied_to(state, batch), who, worker, batch, protocol)
    yield f"the commit of W{who} succeeds", applied
    if state.stray:
        half = state._replace(shown=(state.shown[0] + batch.outcomes[0], state.shown[1] + batch.outcomes[1]))
        broken_off = ended(with_worker(half, who, worker._replace(batch=None)), who, protocol)
        yield (
            f"the first copy of a commit ends the transaction of W{who} half-way",
            broken_off._replace(stray=False),
        )
    if not state.faults:
        return
    if protocol.broken is Broken.DOUBT_TAKEN_FOR_APPLIED:
        unheard = _acknowledged(spent(state), who, worker, batch, protocol)
        yield f"the commit of W{who} is lost, and taken for applied", unheard
    elif protocol.broken is Broken.REPEATED_COMMIT:
        yield f"the commit of W{who} is repeated", spent(applied)._replace(stray=True)
    else:
        yield f"the commit of W{who} is in doubt", ended(spent(state), who, protocol)


def _acknowledged(state: State, who: int, worker: Worker, batch: Batch, protocol: Protocol) -> State:
    memory = worker.memory
    if worker.phase == LAST or memory is None:
        return ended(with_worker(state, who, worker._replace(batch=None)), who, protocol)
    for refund in BOTH:
        slot = memory.slots[refund]
        if isinstance(slot, Refund):
            origin = (
                slot.origin if slot.held or slot.origin >= batch.reach else -1
            )  # else it does not matter any more
            memory = with_slot(
                memory, refund, slot._replace(origin=origin, waits=0 if slot.waits == 2 else slot.waits)
            )
    phase = OPEN if worker.phase == OPENING else worker.phase
    return with_worker(state, who, Worker(phase, memory._replace(reach=batch.reach)))
