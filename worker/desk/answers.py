"""The desk's answers, as values. Times are Unix seconds, amounts integer minor units in a Money.

Sentences for people come in the language that was asked for; all else is the words of the protocol.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from worker.refunds.money import Money

Language = Literal["en", "zh"]
FINAL: tuple[str, ...] = ("succeeded", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """A refund in a list. `state`: an open entry's (worker.refunds.entry.State), `succeeded` or `failed`.

    `reason`: why it is parked (ParkReason), halted or held, "" else. `since`: when the command was accepted, of a final
    refund when it became final.
    """

    refund_request_id: str
    channel: str
    merchant: str
    payment: str
    amount: Money
    state: str
    reason: str
    code: str
    since: float
    next_at: float | None
    attempts: int
    partition: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why is it in this state, what happens next, when, and what a person can do. `money`: where the money may be."""

    why: str
    next: str
    next_at: float | None
    money: str
    advice: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a refund: when, what (a word), a plain sentence, who, and the facts as they are."""

    at: float
    kind: str
    sentence: str
    by: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """One refund in full. `instructions`: which could be followed now, by name. `issues`: its chain's ids, in order."""

    row: Row
    explanation: Explanation
    instructions: tuple[str, ...]
    issues: tuple[str, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an instruction. `result`: an Effect, a Refusal, or "no_answer" where its owner was too slow."""

    accepted: bool
    result: str
    sentence: str
    reissued_as: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """A channel. `halted`: by whom, "" not at all; `by`: the operator's name; `everything`: by the kill switch."""

    channel: str
    halted: Literal["", "operator", "provider"]
    by: str
    reason: str
    since: str
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Total:
    """Open refunds of one state and currency."""

    state: str
    currency: str
    refunds: int
    value: int
    oldest_since: float


@dataclass(frozen=True, slots=True)
class Overview:
    """`progress`: 0 to 1 while the ledger is being read, 1 once the view is complete and follows it."""

    progress: float
    totals: Sequence[Total]
    credentials: Sequence[Credential]
    braked: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Submitted:
    """An event that answers a submitted command, as it comes; `final` ends the waiting."""

    refund_request_id: str
    type: str
    final: bool
    sentence: str
    data: Mapping[str, Any]


class NotPossible(Exception):
    """What was asked for cannot be done; the text says what is wrong and what to do."""


class Desk(Protocol):
    """What a page or a command line asks of the desk. Raises NotPossible, and Unreachable where Kafka is away."""

    async def overview(self) -> Overview: ...

    async def rows(self, state: str, limit: int) -> Sequence[Row]:
        """Open refunds in `state` ("" for all), oldest first."""
        ...

    async def show(self, refund_request_id: str, language: Language) -> Shown: ...

    async def history(self, refund_request_id: str, language: Language) -> Sequence[Moment]: ...

    async def instruct(
        self,
        name: str,
        refund_request_id: str,
        by: str,
        reason: str,
        details: Mapping[str, str],
        language: Language,
    ) -> Answered:
        """`name`: of INSTRUCTIONS.

        `details` of settle: as (succeeded, failed), evidence, next_action or "", attempts (as many calls as the person
        has seen, "" for what the ledger has now).
        """
        ...

    async def halt(self, channel: str, by: str, reason: str, *, halted: bool) -> None:
        """Halt or resume a channel, or everything ("*")."""
        ...

    def submit(self, asked: Mapping[str, str], by: str, language: Language) -> AsyncIterator[Submitted]:
        """Write a command with the name of who asks for it, then tell what answers it.

        `asked`: channel, payment or order, amount, currency, id, merchant, reason.
        """
        ...
