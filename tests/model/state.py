"""The values of the model: two workers, one partition, a ledger, and what Alipay really did.

Every value is a tuple, so that a state is its own key. Offsets are places in `Protocol.log`; a refund is 0 or 1, its
place in every pair.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from typing_extensions import override

from worker.refunds.attempt import Stage

NAMES: Final = "AB"
"""Of the refunds, for people."""

UNREADABLE: Final = -1
"""In a log: a record that is answered by a dead letter."""

# What a worker is doing. Plain strings, because hashing an Enum costs more than the rest of a step.
DOWN: Final = "down"
READ_EARLY: Final = "read early"  # only in a broken protocol: the ledger was read before anybody was fenced
FENCING: Final = "fencing"  # the transactional id is initialised, the ledger not yet read
OPENING: Final = "opening"  # the first head is being committed
OPEN: Final = "open"
CLOSING: Final = "closing"  # no call starts any more
LAST: Final = "last words"  # the last batch is being committed

SUBMIT: Final = Stage.SUBMIT.value

# What became of a refund at Alipay. A refund that was declined stays declined: the id is used up.
UNDECIDED: Final = "undecided"
MOVED: Final = "moved"
REFUSED: Final = "refused"


class Broken(Enum):
    """A rule left out; the model must show what it was for."""

    DOUBT_ONLY_IN_MEMORY = "what a predecessor may have sent is taken for never sent"
    READ_BEFORE_FENCING = "the ledger is read before the transactional id is initialised"
    LEDGER_NOT_READ = "an opening goes by the position alone"
    OUTCOME_OUTSIDE = "an outcome is published outside the transaction"
    ID_PER_PROCESS = "each process has a transactional id of its own"
    DOUBT_TAKEN_FOR_APPLIED = "a commit whose answer is lost counts as applied"
    OFFSET_BEFORE_JOURNAL = "the position passes records that only memory holds"
    EAGER_DEAD_LETTERS = "a dead letter does not wait until the position passes its record"
    REPEATED_COMMIT = "a commit is repeated after a time-out, and the first copy ends the next transaction"
    REACH_IGNORED = "a call does not wait for a head that covers its record"
    REACH_FORGOTTEN = "an end in order forgets the reach of the predecessor before it"
    DECLINE_BELIEVED = "a decline is believed though an earlier call may have succeeded"
    CLOSED_IN_DOUBT = "an end counts as in order though a restored doubt was never written"
    CALLS_NOT_NOTED = "the last batch does not say which calls are under way"
    CALL_AFTER_LAST_WORDS = "a call starts after the last batch was made up"
    HALT_LIFTED_UNSAID = "a halted refund is called for before the ledger says that it is halted no more"
    HALT_LIFTED_BY_OPENING = "an opening takes a halted refund up again without the ledger saying so"
    HALT_NEVER_LIFTED = "a halted refund is never called for again"
    VOUCHED_UNASKED = "an opening that cannot call for a refund vouches for what its predecessor did"


class Entry(NamedTuple):
    """An open refund in the ledger. `sent`: somebody can have sent it; `calling`: a call was under way."""

    halted: bool
    stage: str
    ambiguous: bool
    sent: bool
    calling: bool


FINAL: Final = "final"
"""In the ledger and in memory: the refund is known to be final."""


class Refund(NamedTuple):
    """An open refund in memory. `origin`: its offset; `held`: which is held back, because nothing is journaled yet.

    `dirty`: the next batch has it. `doubted`: the ledger has less doubt. `waits`: 1 if the next batch must be committed
    before its call, 2 if the one under way.
    """

    halted: bool
    stage: str
    ambiguous: bool
    sent: bool
    origin: int
    held: bool
    dirty: bool
    doubted: bool
    waits: int
    calling: bool


class Closed(NamedTuple):
    """A refund that became final in memory; the next batch says so."""

    outcome: str


Slot = Refund | Closed | str | None


class Memory(NamedTuple):
    """An opening's. `letter`: a dead letter waits in it. `able`: it can call for what it restored."""

    next: int
    inherited: int
    reach: int
    slots: tuple[Slot, Slot]
    letter: bool
    able: bool


class Batch(NamedTuple):
    """One transaction: entries and outcomes per refund ("" or None: nothing), dead letters, and the head."""

    entries: tuple[Entry | str | None, Entry | str | None]
    outcomes: tuple[str, str]
    letters: int
    position: int
    reach: int
    closed: bool


class Worker(NamedTuple):
    """One process. `batch`: the transaction that it is committing."""

    phase: str = DOWN
    memory: Memory | None = None
    batch: Batch | None = None


class Ledger(NamedTuple):
    """What is committed: entries per refund, and the head."""

    entries: tuple[Entry | str | None, Entry | str | None] = (None, None)
    position: int = 0
    reach: int = 0
    closed: bool = False


class State(NamedTuple):
    """Everything there is.

    `writer`: who initialised the transactional id last. `orphan`: a transaction whose end nobody waits for any more; it
    may still be applied. `stray`: a repeated EndTxn is under way. `wire`: a refund call that nobody waits for may still
    arrive. `shown`: the outcomes that a read_committed reader sees, "S" and "F". `faults`: how many more may happen.
    """

    workers: tuple[Worker, Worker]
    writer: int
    ledger: Ledger
    orphan: Batch | None
    stray: bool
    truth: tuple[str, str]
    wire: tuple[bool, bool]
    shown: tuple[str, str]
    letters: int
    faults: int


def initial(faults: int) -> State:
    """Nobody has started yet."""
    return State(
        (Worker(), Worker()),
        -1,
        Ledger(),
        None,
        False,
        (UNDECIDED, UNDECIDED),
        (False, False),
        ("", ""),
        0,
        faults,
    )


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is modelled. `log`: the input records. `lease`: how far the reach is ahead of what was read."""

    log: tuple[int, ...]
    faults: int
    broken: Broken | None = None
    lease: int = 1

    @override
    def __str__(self) -> str:
        log = "".join("!" if refund == UNREADABLE else NAMES[refund] for refund in self.log)
        broken = f", but {self.broken.value}" if self.broken else ""
        return f"log {log}, {self.faults} faults{broken}"


def violation(state: State, log: tuple[int, ...]) -> str:
    """Which promise the state breaks, "" if none."""
    ledger = state.ledger
    for refund in (0, 1):
        shown = state.shown[refund]
        if len(shown) > 1:
            return f"G2 OneOutcome: refund {NAMES[refund]} has the outcomes {', '.join(shown)}"
        if shown == "F" and state.truth[refund] == MOVED:
            return f"G4 NeverGuess: refund {NAMES[refund]} is failed, but its money moved"
        if shown == "S" and state.truth[refund] != MOVED:
            return f"G4 NeverGuess: refund {NAMES[refund]} is succeeded, but its money did not move"
        if ledger.entries[refund] == FINAL and not shown:
            return f"G1 NothingLost: refund {NAMES[refund]} is final, but nobody was told"
    if state.letters > 1:
        return "G1 NothingLost: one record has two dead letters"
    for offset in range(ledger.position):
        gone = not state.letters if log[offset] == UNREADABLE else ledger.entries[log[offset]] is None
        if gone:
            return f"G1 NothingLost: the record at offset {offset} is passed, but neither open nor final nor a letter"
    return ""


def settled(state: State, log: tuple[int, ...]) -> bool:
    """Whether everything is done: all is read, all is final, no worker is up."""
    wanted = {refund for refund in log if refund != UNREADABLE}
    return state.ledger.position == len(log) and all(
        state.ledger.entries[refund] == FINAL for refund in wanted
    )
