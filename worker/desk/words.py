"""What the desk's sentences are made of: the situations, and for each a text in every language.

The texts are data (`english.py`, `chinese.py`); every mapping is total, which the tests show. Braces are places for
facts, named as the builders of `explain` and `timeline` give them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from worker.refunds.attempt import Stage
from worker.refunds.instruction import Effect, Refusal
from worker.refunds.notice import Told
from worker.refunds.reply import Reply
from worker.refunds.verdict import ParkReason, Proof


class Why(StrEnum):
    """Why a refund is in its state."""

    ACCEPTED = auto()  # waiting, and no call has ended yet
    ANSWERED = auto()  # waiting after an answer
    NOTIFIED = auto()  # waiting, and told of by the provider since
    HALTED_BY_OPERATOR = auto()
    HALTED_FOR_ALL = auto()
    HALTED_BY_PROVIDER = auto()
    HELD = auto()
    UNCONFIGURED = auto()
    PARKED = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    SETTLED = auto()  # final by a person's word


class Next(StrEnum):
    """What happens next."""

    CALLING = auto()  # a call is under way
    SUBMIT = auto()
    INQUIRE = auto()
    CONFIRM = auto()
    OVERDUE = (
        auto()
    )  # its time is over: it is about to be called, its payment's turn has to come, or no worker runs
    RESUME = auto()
    PROBE = auto()
    PROOF = auto()
    CONFIGURE = auto()
    PERSON = auto()
    NOTHING = auto()


class Where(StrEnum):
    """Where the money may be."""

    NEVER_SENT = auto()
    UNDER_WAY = auto()
    IN_DOUBT = auto()
    DECLINED = auto()
    DECLINED_FOR_CERTAIN = auto()
    TOLD_MOVED = auto()
    TOLD_FAILED = auto()
    MOVED = auto()
    NOT_MOVED = auto()
    MOVED_BY_WORD = auto()
    NOT_MOVED_BY_WORD = auto()


class Advice(StrEnum):
    """What a person can do. Of a parked refund its reason says it."""

    WAIT = auto()
    RESUME = auto()
    RESUME_ALL = auto()
    MEND = auto()
    WAIT_FOR_PROOF = auto()
    CONFIGURE = auto()
    FUND_AND_REISSUE = auto()  # parked for the balance, and the provider takes its id no more
    NOTHING = auto()
    REISSUE = auto()
    ISSUED_ANEW = auto()
    FOLLOW_ADVICE = auto()


class Kind(StrEnum):
    """What can happen to a refund: the word of a Moment. At the same moment, in this order."""

    ACCEPTED = "accepted"
    NOTIFIED = "notified"
    CALLED = "called"
    ASKED = "asked"  # an instruction that is not answered yet
    INSTRUCTED = "instructed"
    REFUSED = "refused"
    DELAYED = "delayed"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"
    CONTRADICTED = "contradicted"
    REJECTED = "rejected"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Words:
    """One language's. `park_advice`: what a person does about a parked refund. `instructions`: by name."""

    why: Mapping[Why, str]
    next: Mapping[Next, str]
    money: Mapping[Where, str]
    advice: Mapping[Advice, str]
    park_advice: Mapping[ParkReason, str]
    stages: Mapping[Stage, str]
    replies: Mapping[type[Reply], str]
    not_started: str
    proofs: Mapping[Proof, str]
    told: Mapping[Told, str]
    instructions: Mapping[str, str]
    effects: Mapping[Effect, str]
    refusals: Mapping[Refusal, str]
    moments: Mapping[Kind, str]
    code: str
    said: str
    budget: str
    nobody: str
    evidence: str
    no_answer: str
    written: str
