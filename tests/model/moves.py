"""Small changes of a state, and the questions that every part asks."""

from typing import Final, TypeVar

from tests.model.state import SUBMIT, UNDECIDED, Broken, Memory, Protocol, Refund, Slot, State, Worker

Step = tuple[str, State]
T = TypeVar("T")
BOTH: Final = (0, 1)


def put(pair: tuple[T, T], place: int, value: T) -> tuple[T, T]:
    """The pair with another value in one place."""
    return (value, pair[1]) if place == 0 else (pair[0], value)


def spent(state: State) -> State:
    return state._replace(faults=state.faults - 1)


def with_worker(state: State, who: int, worker: Worker) -> State:
    return state._replace(workers=put(state.workers, who, worker))


def with_slot(memory: Memory, refund: int, slot: Slot) -> Memory:
    return memory._replace(slots=put(memory.slots, refund, slot))


def decided(state: State, refund: int, truth: str) -> State:
    return state._replace(truth=put(state.truth, refund, truth), wire=put(state.wire, refund, False))


def fenced(state: State, who: int, protocol: Protocol) -> bool:
    return state.writer != who and protocol.broken is not Broken.ID_PER_PROCESS


def may_call(slot: Refund, memory: Memory, protocol: Protocol) -> bool:
    within_reach = slot.origin < memory.reach or protocol.broken is Broken.REACH_IGNORED
    return within_reach and not slot.waits and not slot.halted


def ended(state: State, who: int, protocol: Protocol) -> State:
    """The opening is over: memory is lost, calls and a transaction under way are left to themselves."""
    worker = state.workers[who]
    orphan, wire = state.orphan, state.wire
    if worker.batch is not None and not fenced(state, who, protocol):
        orphan = worker.batch
    for refund in BOTH:
        slot = worker.memory.slots[refund] if worker.memory else None
        if isinstance(slot, Refund) and slot.calling and slot.stage == SUBMIT:
            # Once it is decided, another call of the same id changes nothing.
            wire = put(wire, refund, state.truth[refund] == UNDECIDED)
    return with_worker(state, who, Worker())._replace(orphan=orphan, wire=wire)
