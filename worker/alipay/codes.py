"""What a result code means: one row of a channel's table, and the reply that the row makes of an answer.

The tables are data: finance people review them and the documentation prints them. There are two for each of Alipay's
interfaces, one of refund calls and one of inquiries, because the same code means other things there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Throttled,
    Unfunded,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One code. `kind`: the reply it becomes; `confirm`, `suspect`, `park`, `next_action`: as in `Declined`.

    `status`: what comes with the code, in the words of its interface; whether it has to is that interface's rule.
    `credential`: about key, client or endpoint, so that it is believed even unsigned: Alipay cannot sign for
    a client that it does not know, and the worst a forger achieves with it is a halt. `merchant`: as in
    `Misconfigured`.
    """

    status: str
    kind: type[Reply]
    meaning: str
    what_to_do: str
    next_action: NextAction = NextAction.NONE
    confirm: bool = False
    suspect: bool = False
    park: bool = False
    credential: bool = False
    merchant: bool = False


def reply_of(row: Row, code: str, message: str, provider: Mapping[str, Any]) -> Reply | None:
    """The reply that `row` makes of an answer; None if it says Succeeded, so that the other fields decide."""
    if row.kind is Declined:
        return Declined(
            code=code,
            message=message,
            confirm=row.confirm,
            suspect=row.suspect,
            park=row.park,
            next_action=row.next_action,
            provider=dict(provider),
        )
    if row.kind is Misconfigured:
        return Misconfigured(code, message, merchant=row.merchant)
    if row.kind is Contradicted:
        return Contradicted(f"{code}: {message}" if message else code)
    if row.kind is Unfunded:
        return Unfunded(code, message)
    if row.kind is Unknown:
        return Unknown(code)
    if row.kind is Pending:
        return Pending(code)
    if row.kind is Throttled:
        return Throttled(code)
    return NotFound(code) if row.kind is NotFound else None
