"""What a rule finds wrong."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`path`: the setting's; `text`: what is wrong; what was expected; what to do."""

    path: str
    text: str


Findings = Iterator[Finding]
