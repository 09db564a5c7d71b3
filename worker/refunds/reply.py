"""What a call to the provider taught us. Ten kinds; the policy has a column for each."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class NextAction(StrEnum):
    """The provider's advice to the people who wanted the refund, published with a failed or parked refund."""

    NONE = "none"
    PAY_OFFLINE = "pay_offline"
    NEW_REFUND = "new_refund"
    FIX_AND_NEW_REFUND = "fix_and_new_refund"
    FUND_AND_NEW_REFUND = "fund_and_new_refund"
    REISSUE = "reissue"
    FIX_AND_REISSUE = "fix_and_reissue"
    FUND_AND_REISSUE = "fund_and_reissue"
    CONTACT_PROVIDER = "contact_provider"
    ASK_A_HUMAN = "ask_a_human"


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money moved (or, on an asynchronous channel's refund call, the request was accepted)."""

    refund_id: str
    refund_time: str = ""
    gross_settlement_amount: dict[str, str] | None = None
    settlement_quote: dict[str, Any] | None = None
    code: str = "SUCCESS"
    message: str = ""
    provider: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Declined:
    """A trusted, listed, final no.

    `confirm`: our own earlier success may hide behind this code, or the provider asks to look first: always
    ask before believing. `suspect`: may be our configuration's fault, published only once the credential has
    proved itself. `park`: never failed by the worker on its own; once confirmed, a person decides.
    """

    code: str
    message: str = ""
    confirm: bool = False
    suspect: bool = False
    park: bool = False
    next_action: NextAction = NextAction.NEW_REFUND
    provider: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider has the refund and is still working on it."""

    code: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A signed U, a time-out, a cut, a 5xx. `sent` is False only if no byte can have left us."""

    reason: str
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An answer that cannot be trusted: bad or missing signature, broken body, missing fields.

    `signed`: whether the provider's signature was good, and only the content is not.
    """

    reason: str
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A trusted answer about something else: another id, payment, amount or currency."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """The provider's rate limit."""

    code: str = ""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The provider does not know a refund with this id (yet)."""

    code: str = ""


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The provider says that *we* are wrong: key, client, permission.

    `signed`: whether its answer was. `merchant`: only the command's merchant is, by its token or its contract.
    """

    code: str
    message: str = ""
    signed: bool = True
    merchant: bool = False


@dataclass(frozen=True, slots=True)
class Unfunded:
    """The seller's balance is empty, and the same number may be tried again once it is not. `signed`: as above."""

    code: str
    message: str = ""
    signed: bool = True


Reply = (
    Succeeded
    | Declined
    | Pending
    | Unknown
    | Unreadable
    | Contradicted
    | Throttled
    | NotFound
    | Misconfigured
    | Unfunded
)
REPLIES: tuple[type[Reply], ...] = (
    Succeeded,
    Declined,
    Pending,
    Unknown,
    Unreadable,
    Contradicted,
    Throttled,
    NotFound,
    Misconfigured,
    Unfunded,
)


@dataclass(frozen=True, slots=True)
class NotStarted:
    """No reply: no call was made. The caller said no in the last step before the write, or no turn came in time."""


def leaves_doubt(reply: Reply) -> bool:
    """Whether a refund call that got this reply may have moved money all the same."""
    match reply:
        case Unknown(sent=sent):
            return sent
        case Misconfigured(signed=signed) | Unfunded(signed=signed):
            return not signed
        case Declined():
            return False
        case _:
            return True
