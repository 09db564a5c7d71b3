"""From nobody to an opening: fencing the predecessor, reading the ledger, taking open refunds over."""

from collections.abc import Iterator

from tests.model.commits import batch_of
from tests.model.moves import BOTH, Step, ended, may_call, put, spent, with_worker
from tests.model.state import (
    DOWN,
    FENCING,
    OPEN,
    OPENING,
    READ_EARLY,
    UNDECIDED,
    Broken,
    Entry,
    Ledger,
    Memory,
    Protocol,
    Refund,
    Slot,
    State,
    Worker,
)


def starts(state: State, who: int, protocol: Protocol) -> Iterator[Step]:
    if state.workers[1 - who].phase != DOWN:
        if not state.faults:
            return
        state = spent(state)  # a partition is given to a second worker while the first still holds it
    if protocol.broken is Broken.READ_BEFORE_FENCING:
        memory = replayed(state.ledger, protocol, able=True)
        yield f"W{who} reads the ledger", with_worker(state, who, Worker(READ_EARLY, memory))
    else:
        yield f"W{who} initialises the transactional id", fencing(state, who, Worker(FENCING), protocol)


def fencing(state: State, who: int, worker: Worker, protocol: Protocol) -> State:
    state = with_worker(state, who, worker)._replace(writer=who)
    if protocol.broken is Broken.ID_PER_PROCESS:
        return state
    if state.workers[1 - who].phase == READ_EARLY:
        return state._replace(orphan=None)
    return _as_zombie(state, 1 - who, protocol)._replace(orphan=None, stray=False)


def _as_zombie(state: State, who: int, protocol: Protocol) -> State:
    """A worker that was fenced can commit nothing, but call for whatever it might have called for, at any time.

    Until it learns of it, that is all it can do to the world, so its place is taken by those calls.
    """
    memory, wire = state.workers[who].memory, state.wire
    if memory is None or not memory.able or state.workers[who].phase != OPEN:
        return ended(state, who, protocol)
    unread = protocol.log[memory.next : memory.reach]
    for refund in BOTH:
        slot = memory.slots[refund]
        callable_ = (
            may_call(slot, memory, protocol)
            if isinstance(slot, Refund)
            else slot is None and refund in unread
        )
        if callable_ and state.truth[refund] == UNDECIDED:
            wire = put(wire, refund, True)
    return ended(state._replace(wire=wire), who, protocol)


def replayed(ledger: Ledger, protocol: Protocol, *, able: bool) -> Memory:
    slots: tuple[Slot, Slot] = (None, None)
    if protocol.broken is not Broken.LEDGER_NOT_READ:
        for refund in BOTH:
            entry = ledger.entries[refund]
            found = (
                restored(entry, protocol.broken, clean=ledger.closed, able=able)
                if isinstance(entry, Entry)
                else entry
            )
            slots = put(slots, refund, found)
    return Memory(ledger.position, ledger.reach, ledger.reach, slots, letter=False, able=able)


def restored(entry: Entry, broken: Broken | None = None, *, clean: bool, able: bool = True) -> Refund:
    """An open entry as an opening takes it over. `clean`: the predecessor ended in order."""
    never_sent = entry.halted and not entry.sent
    doubt = not never_sent and (entry.calling or not clean) and broken is not Broken.DOUBT_ONLY_IN_MEMORY
    if not able:
        doubted = doubt and not entry.calling and broken is not Broken.VOUCHED_UNASKED
        return Refund(
            entry.halted, entry.stage, entry.ambiguous, entry.sent, -1, False, False, doubted, 0, False
        )
    # What the ledger calls halted and never sent must be called for only once the ledger says otherwise.
    lifted = never_sent and broken is not Broken.HALT_LIFTED_BY_OPENING
    return Refund(
        False,
        entry.stage,
        entry.ambiguous or doubt,
        entry.sent or doubt,
        -1,
        False,
        lifted,
        doubt,
        int(lifted),
        False,
    )


def opened(state: State, who: int, memory: Memory, protocol: Protocol) -> State:
    memory, batch = batch_of(memory, protocol)
    return with_worker(state, who, Worker(OPENING, memory, batch))
