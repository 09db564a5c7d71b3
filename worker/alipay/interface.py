"""What a channel's gateway needs of one of Alipay's interfaces: requests from attempts, replies from answers.

An interface speaks for one account. It does no I/O, and its methods may be called from any thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from worker.alipay.signing import Signer, Verifier
from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.reply import Reply

ANSWER_SIZE_MAX: Final = 65_536


class Operation(StrEnum):
    """The two calls."""

    REFUND = "refund"
    INQUIRY = "inquiry"


@dataclass(frozen=True, slots=True)
class Request:
    """A signed POST. `target`: path and query, exactly as they are requested and, where the interface does, signed."""

    operation: Operation
    target: str
    headers: Mapping[str, str]
    body: bytes
    content_type: str = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came; one byte more than ANSWER_SIZE_MAX tells that the body was longer.

    `headers`: those the interface asked for, by their lower-case names; a missing one is absent, one that cannot be
    used (given twice, or not ASCII) is "".
    """

    http_status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Keys:
    """Ours to sign with, Alipay's to verify with."""

    signer: Signer
    verifier: Verifier


class Interface(Protocol):
    """One of Alipay's interfaces, for one account."""

    @property
    def account(self) -> str:
        """What Alipay calls the caller: the client id or the app id."""
        ...

    @property
    def environment(self) -> str:
        """`production` or `sandbox`."""
        ...

    @property
    def keys(self) -> Keys: ...

    @property
    def answer_headers(self) -> frozenset[str]:
        """The lower-case names of the headers that `read` looks at."""
        ...

    @property
    def error_bodies(self) -> bool:
        """Whether an answer with another HTTP status than 200 has a body that says something."""
        ...

    def own_token(self, command: Command) -> bool:
        """Whether calls about `command` carry a token of its merchant's own."""
        ...

    def body(self, command: Command) -> bytes:
        """The business part of the refund call, which is pinned: every attempt carries these bytes."""
        ...

    def request(self, attempt: Attempt, body: bytes, now: float) -> Request:
        """The attempt's call, signed at `now` (Unix seconds): with `body` at SUBMIT, else an inquiry."""
        ...

    def read(self, request: Request, answer: Answer, command: Command) -> Reply:
        """What the answer to `request` taught us about `command`. Never raises, whatever came back."""
        ...
