"""A refund that has failed can be issued anew: the chain of its issues, and the id of each.

The first issue's id is the order system's. Those of later issues are ours, with a mark that no command's id can have:
so they meet no other refund's, and every issue of a chain has its home where the first has.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

ID_MAX: Final = 64
"""Characters, of ours and of what a provider sees."""
ISSUES_MAX: Final = 9_999
_MARK: Final = "~"
_PROVIDER_ID: Final = re.compile(r"(.+)_r([1-9][0-9]{0,3})_([0-9a-f]{8})")


def first_issue(refund_request_id: str) -> str:
    """The id of the chain's first issue, which decides where all of them have their home."""
    return refund_request_id.partition(_MARK)[0]


def issue_number(refund_request_id: str) -> int:
    """Counted from 1."""
    _, marked, number = refund_request_id.partition(_MARK)
    return int(number) if marked else 1


def issue_id(first: str, number: int) -> str:
    """The refundRequestId of the issue with this number: "refund-4711~2"."""
    return first if number == 1 else f"{first}{_MARK}{number}"


def issue_before(refund_request_id: str) -> str:
    """The id of the issue that this one follows, "" for a first one."""
    number = issue_number(refund_request_id)
    return "" if number == 1 else issue_id(first_issue(refund_request_id), number - 1)


def issues_until(refund_request_id: str) -> Iterator[str]:
    """The ids of its chain, from the first one to itself."""
    first = first_issue(refund_request_id)
    return (issue_id(first, number) for number in range(1, issue_number(refund_request_id) + 1))


def provider_id(first: str, number: int) -> str:
    """What a provider is to see of this issue where a failure burns the id: "refund-4711_r2_0c1f2a3b".

    Letters, digits, '_' and '-' only (global API, "refund": the inquiry takes no others). The sum keeps it apart from
    all that an order system may call a refund.
    """
    return first if number == 1 else f"{first}_r{number}_{_sum(first, number)}"


def first_issue_seen(provider_request_id: str) -> str:
    """The first issue's id from what a provider calls any of them."""
    return _seen(provider_request_id)[0]


def issue_seen(provider_request_id: str) -> int:
    """The number of the issue for which this provider id was made."""
    return _seen(provider_request_id)[1]


def _seen(provider_request_id: str) -> tuple[str, int]:
    match = _PROVIDER_ID.fullmatch(provider_request_id)
    if match is not None and match[3] == _sum(match[1], int(match[2])):
        return match[1], int(match[2])
    return provider_request_id, 1


def _sum(first: str, number: int) -> str:
    return hashlib.sha256(f"{first}{_MARK}{number}".encode()).hexdigest()[:8]
