"""Values of every shape the ledger can be asked to remember."""

from typing import Final

from hypothesis import strategies as st

from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Cause, Command
from worker.refunds.entry import FinalEntry, Head, OpenEntry, Origin, Past, Pin, Reading, State
from worker.refunds.money import EXPONENTS, Money
from worker.refunds.notice import Notice, Told
from worker.refunds.reply import Declined, NextAction
from worker.refunds.verdict import Outcome, Park, ParkReason, Proof

# No lone surrogates: nothing that was read as UTF-8 can hold one.
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS: Final = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
TIME: Final = st.floats(0, 4e9)
WHOLE: Final = st.integers(0, 2**40)
LEAVES: Final = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e9, 1e9) | TEXT
JSON: Final = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
OBJECT: Final = st.dictionaries(TEXT, JSON, max_size=3)
AMOUNT: Final = st.fixed_dictionaries({"currency": TEXT, "value": TEXT})

CAUSES: Final = st.builds(Cause, TEXT, TEXT, TEXT, TEXT, TEXT)
MONEY: Final = st.builds(Money, st.sampled_from(sorted(EXPONENTS)), st.integers(1, 10**16 - 1))
COMMANDS: Final = st.builds(Command, IDS, IDS, TEXT, MONEY, *(TEXT,) * 10, st.booleans(), TEXT, TEXT, CAUSES)
DECLINES: Final = st.builds(
    Declined, TEXT, TEXT, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(NextAction), OBJECT
)
ATTEMPTS: Final = st.builds(
    Attempt,
    COMMANDS,
    st.sampled_from(Stage),
    WHOLE,
    st.booleans(),
    st.none() | DECLINES,
    st.none() | TIME,
    TIME,
    WHOLE,
    TIME,
    TIME,
    WHOLE,
)
OUTCOMES: Final = st.builds(
    Outcome,
    st.booleans(),
    TEXT,
    TEXT,
    st.sampled_from(Proof),
    WHOLE,
    TEXT,
    TEXT,
    st.none() | AMOUNT,
    st.none() | OBJECT,
    st.sampled_from(NextAction),
    OBJECT,
)
PINS: Final = st.builds(Pin, TEXT, TEXT, TEXT, st.binary(max_size=24) | TEXT.map(str.encode), st.booleans())
ORIGINS: Final = st.builds(Origin, TEXT, WHOLE, WHOLE, st.integers(-1, 2**50))
PASTS: Final = st.builds(Past, TIME, TEXT, TEXT, TEXT)


NOTICES: Final = st.builds(
    Notice,
    TEXT,
    TEXT,
    st.sampled_from(Told),
    TIME,
    TEXT,
    TEXT,
    TEXT,
    st.none() | MONEY,
    TEXT,
)


@st.composite
def open_entries(draw: st.DrawFn) -> OpenEntry:
    attempt = draw(ATTEMPTS)
    # The attempt that was parked: the entry's own, a later one of its command, or (never yet) of another command.
    of_park = draw(st.just(attempt) | ATTEMPTS)
    park = st.builds(
        Park, st.sampled_from(ParkReason), st.just(of_park), TEXT, TEXT, st.sampled_from(NextAction)
    )
    return OpenEntry(
        attempt,
        draw(PINS),
        draw(ORIGINS),
        draw(TIME),
        draw(TIME),
        draw(st.sampled_from(State)),
        draw(WHOLE),
        draw(st.booleans()),
        draw(st.none() | park),
        draw(st.none() | OUTCOMES),
        tuple(draw(st.lists(PASTS, max_size=3))),
        draw(st.booleans()),
        draw(st.none() | NOTICES),
    )


FINAL_ENTRIES: Final = st.builds(
    FinalEntry,
    IDS,
    st.binary(max_size=32),
    TIME,
    st.dictionaries(TEXT, TEXT, max_size=4),
    OBJECT,
    st.integers(1, 9),
    st.none() | COMMANDS,
)
HEADS: Final = st.builds(
    Head,
    TEXT,
    TEXT,
    WHOLE,
    WHOLE,
    st.dictionaries(TEXT, st.builds(Reading, WHOLE, WHOLE), max_size=2),
    TEXT,
    TEXT,
    st.booleans(),
    st.dictionaries(TEXT, TEXT, max_size=2),
    TEXT,
)
