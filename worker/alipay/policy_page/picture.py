"""Where each rule of the policy leads: the arrows of the picture of a refund's life."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from worker.refunds.attempt import Stage
from worker.refunds.policy import POLICY, Rule
from worker.refunds.reply import REPLIES, Reply, Succeeded, Unknown

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
HELD: Final = "held"
PARKED: Final = "parked"
HALTED: Final = "halted"
ENDS: Final = (SUCCEEDED, FAILED, HELD, PARKED, HALTED)


class When(StrEnum):
    """Under which condition an arrow is taken; a language has the words."""

    ALWAYS = auto()
    ASYNCHRONOUS = auto()
    LONG_IN_DOUBT = auto()
    CERTAIN = auto()
    DOUBTFUL = auto()
    SUSPECT = auto()
    SUSPECT_AND_CERTAIN = auto()
    A_PERSONS = auto()
    LATER = auto()
    ABSENT = auto()
    NOT_ABSENT = auto()
    FORGOTTEN = auto()
    OVERTAKEN = auto()
    PROVED = auto()
    NOT_PROVED = auto()
    NOTIFIED = auto()


@dataclass(frozen=True, slots=True)
class Arrow:
    """Where a rule leads. `to` None: the stage it came from."""

    to: str | None
    when: When = When.ALWAYS


# What a rule's few words leave out. A test runs the policy through every case and finds exactly these arrows.
ARROWS: Final[Mapping[Rule, tuple[Arrow, ...]]] = {
    Rule.SUCCEED: (Arrow(SUCCEEDED),),
    Rule.FAIL: (
        Arrow(FAILED),
        Arrow(HELD, When.SUSPECT),
        Arrow(PARKED, When.A_PERSONS),
    ),
    Rule.FAIL_IF_CERTAIN: (
        Arrow(FAILED, When.CERTAIN),
        Arrow(HELD, When.SUSPECT_AND_CERTAIN),
        Arrow(PARKED, When.A_PERSONS),
        Arrow(Stage.CONFIRM, When.DOUBTFUL),
    ),
    Rule.SUBMIT: (Arrow(Stage.SUBMIT),),
    Rule.SUBMIT_SLOWLY: (Arrow(Stage.SUBMIT, When.LATER),),
    Rule.INQUIRE: (Arrow(Stage.INQUIRE),),
    Rule.CONFIRM: (Arrow(Stage.CONFIRM),),
    Rule.SUBMIT_IF_ABSENT: (
        Arrow(None, When.NOT_ABSENT),
        Arrow(Stage.SUBMIT, When.ABSENT),
        Arrow(PARKED, When.FORGOTTEN),
    ),
    Rule.FAIL_IF_ABSENT: (
        Arrow(None, When.NOT_ABSENT),
        Arrow(FAILED, When.ABSENT),
        Arrow(HELD, When.SUSPECT),
        Arrow(PARKED, When.A_PERSONS),
        Arrow(PARKED, When.FORGOTTEN),
    ),
    Rule.HALT: (Arrow(HALTED), Arrow(PARKED, When.OVERTAKEN)),
    Rule.PARK: (Arrow(PARKED),),
}

# Of one cell alone: footnotes 1 and 3 of the policy.
MORE_ARROWS: Final[Mapping[tuple[Stage, type[Reply]], Arrow]] = {
    (Stage.SUBMIT, Succeeded): Arrow(Stage.INQUIRE, When.ASYNCHRONOUS),
    (Stage.SUBMIT, Unknown): Arrow(Stage.INQUIRE, When.LONG_IN_DOUBT),
}

# What no reply brings about.
OTHER_ARROWS: Final = (
    (HELD, Arrow(FAILED, When.PROVED)),
    (HELD, Arrow(PARKED, When.NOT_PROVED)),
    (PARKED, Arrow(Stage.INQUIRE, When.NOTIFIED)),
)


def arrows(stage: Stage, reply: type[Reply]) -> tuple[Arrow, ...]:
    """Where a refund at `stage` can go after `reply`, as long as its attempts and time are not used up."""
    more = MORE_ARROWS.get((stage, reply))
    return (*ARROWS[POLICY[stage, reply]], *([more] if more else []))


def diagram(words: Mapping[When, str], ends: Mapping[str, str]) -> str:
    """The picture, for Mermaid. `words`: of the conditions; `ends`: what to call the states, "" for their names."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{label}" as {name}' for name, label in ends.items() if label]
    lines += ["    [*] --> SUBMIT"]
    for (start, end), labels in _edges(words).items():
        lines.append(f"    {start} --> {end}: {'<br/>'.join(labels)}")
    lines += [f"    {start} --> {_name(arrow.to)}: {words[arrow.when]}" for start, arrow in OTHER_ARROWS]
    lines += [f"    {end} --> [*]" for end in (SUCCEEDED, FAILED)]
    return "\n".join([*lines, "```"])


def _edges(words: Mapping[When, str]) -> Mapping[tuple[str, str], list[str]]:
    edges: dict[tuple[str, str], list[str]] = {}
    for stage in Stage:
        for reply in REPLIES:
            for arrow in arrows(stage, reply):
                condition = words[arrow.when]
                label = reply.__name__ + (f" [{condition}]" if condition else "")
                edges.setdefault((stage.name, _name(arrow.to, stage)), []).append(label)
    return edges


def _name(end: str | None, stage: Stage | None = None) -> str:
    end = stage if end is None else end
    return end.name if isinstance(end, Stage) else str(end)
