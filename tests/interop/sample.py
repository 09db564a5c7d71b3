"""Answers and notifications, good and bad, and who believes them. The page's tables are these; the tests try each cell.

What is good is known beforehand: Alipay's key has signed exactly what the documents say, or it has not. Whoever says
otherwise is wrong, and so the vectors decide every disagreement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.alipay.mainland.sample import COMMAND as MAINLAND_COMMAND
from worker.refunds.command import Command
from worker.refunds.money import Money

AMS_COMMAND: Final = Command(
    "rq-20261122-0001", "rq-20261122-0001", "20261122194010800100188000200000001", Money("USD", 100), "global"
)
COMMANDS: Final = {"ams": AMS_COMMAND, "v2": MAINLAND_COMMAND, "v3": MAINLAND_COMMAND}

YES: Final = "yes"
"""Its content is given out as Alipay's."""
CODE: Final = "code"
"""Raised, with the code in it as Alipay's."""
NO: Final = "no"
"""Refused."""
ASKS: Final = ", to be confirmed"
"""Of the worker's Declined: not believed before a signed inquiry says so."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`good`: whether Alipay has signed it. `cells`: who does what with it, by peer. `ours`: the worker's Reply."""

    id: str
    interface: str
    text: str
    good: bool
    ours: str
    cells: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    operation: str = "refund"


@dataclass(frozen=True, slots=True)
class Posting:
    """A mainland notification; as `Sample`. `ours`: whether the worker believes it. `decided`: whether a document or a
    vector says that Alipay signs so.
    """

    id: str
    text: str
    good: bool
    ours: bool
    cells: Mapping[str, str]
    form: Mapping[str, str]
    encoding: str = "utf-8"
    decided: bool = True
