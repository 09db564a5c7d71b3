"""docs/policy.md, made from the tables themselves: what follows from an answer, and what each result code means.

Run `python -m worker.alipay.policy_page > docs/policy.md` after a change of a table.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from worker.alipay.ams import codes as ams
from worker.alipay.codes import Row
from worker.alipay.mainland import codes as mainland
from worker.refunds.attempt import Stage
from worker.refunds.policy import POLICY, Rule, Terms
from worker.refunds.reply import REPLIES, NextAction, Reply, Succeeded, Unknown
from worker.refunds.verdict import ParkReason


@dataclass(frozen=True, slots=True)
class Arrow:
    """Where a rule leads. `to` None: the stage it came from. `when`: under which condition, "" for always."""

    to: str | None
    when: str = ""


SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
HELD: Final = "held"
PARKED: Final = "parked"
HALTED: Final = "halted"

# What a rule's few words leave out. A test runs the policy through every case and finds exactly these arrows.
ARROWS: Final[Mapping[Rule, tuple[Arrow, ...]]] = {
    Rule.SUCCEED: (Arrow(SUCCEEDED),),
    Rule.FAIL: (
        Arrow(FAILED),
        Arrow(HELD, "a suspect code"),
        Arrow(PARKED, "a code that a person decides"),
    ),
    Rule.FAIL_IF_CERTAIN: (
        Arrow(FAILED, "never ambiguous"),
        Arrow(HELD, "a suspect code, never ambiguous"),
        Arrow(PARKED, "a code that a person decides"),
        Arrow(Stage.CONFIRM, "ambiguous, or a code that may hide a success"),
    ),
    Rule.SUBMIT: (Arrow(Stage.SUBMIT),),
    Rule.SUBMIT_SLOWLY: (Arrow(Stage.SUBMIT, "balance_interval_s later"),),
    Rule.INQUIRE: (Arrow(Stage.INQUIRE),),
    Rule.CONFIRM: (Arrow(Stage.CONFIRM),),
    Rule.SUBMIT_IF_ABSENT: (
        Arrow(None, "not absent often enough"),
        Arrow(Stage.SUBMIT, "absent often enough"),
        Arrow(PARKED, "the provider may have forgotten the id"),
    ),
    Rule.FAIL_IF_ABSENT: (
        Arrow(None, "not absent often enough"),
        Arrow(FAILED, "absent often enough"),
        Arrow(HELD, "a suspect code"),
        Arrow(PARKED, "a code that a person decides"),
    ),
    Rule.HALT: (Arrow(HALTED), Arrow(PARKED, "a later refund has succeeded")),
    Rule.PARK: (Arrow(PARKED),),
}

# Of one cell alone: footnotes 1 and 3 of the policy.
MORE_ARROWS: Final[Mapping[tuple[Stage, type[Reply]], Arrow]] = {
    (Stage.SUBMIT, Succeeded): Arrow(Stage.INQUIRE, "asynchronous channel"),
    (Stage.SUBMIT, Unknown): Arrow(Stage.INQUIRE, "in doubt, and first sent submit_for_s ago"),
}

PARK_REASONS: Final[Mapping[ParkReason, str]] = {
    ParkReason.CONTRADICTED: "A signed answer was about another id, payment, amount or currency; or the id was used "
    "before for something else",
    ParkReason.ATTEMPTS_USED_UP: "`attempts_max` calls brought no final answer",
    ParkReason.TIME_USED_UP: "`age_max_s` passed without a final answer; time in a halt does not count",
    ParkReason.PROVIDER_ID_WINDOW: "Proven absent, but so late that Alipay may have forgotten the id: sending it again "
    "could refund twice",
    ParkReason.MERCHANT_BALANCE: "The merchant's balance is too low; fund it, then do as `next_action` says",
    ParkReason.UNLISTED_CODE: "A confirmed decline with a code that is not in Alipay's documents, or one that its row "
    "leaves to a person",
    ParkReason.MISCONFIGURED_ALONE: "Alipay refuses the credential for this refund, yet accepts it for later ones",
    ParkReason.IMPOSSIBLE_REPLY: "An answer that this call cannot have",
    ParkReason.SUSPECT_DECLINE: "A decline that our own configuration can cause, and no success of the account came to "
    "prove the configuration within `age_max_s`",
}

NEXT_ACTIONS: Final[Mapping[NextAction, str]] = {
    NextAction.NONE: "nothing",
    NextAction.PAY_OFFLINE: "pay the buyer by other means",
    NextAction.NEW_REFUND: "a new refund under a new id may be asked for",
    NextAction.FIX_AND_NEW_REFUND: "correct the command, then ask under a new id",
    NextAction.FUND_AND_NEW_REFUND: "fund the merchant's account, then ask under a new id",
    NextAction.REISSUE: "the refund may be issued again under the same number at the provider",
    NextAction.FIX_AND_REISSUE: "correct the command, then issue it again under the same number there",
    NextAction.FUND_AND_REISSUE: "fund the merchant's account, then issue it again under the same number there",
    NextAction.CONTACT_PROVIDER: "ask Alipay's support",
    NextAction.ASK_A_HUMAN: "a person must look before anything else is done",
}


def arrows(stage: Stage, reply: type[Reply]) -> tuple[Arrow, ...]:
    """Where a refund at `stage` can go after `reply`, as long as its attempts and time are not used up."""
    more = MORE_ARROWS.get((stage, reply))
    return (*ARROWS[POLICY[stage, reply]], *([more] if more else []))


def page() -> str:
    """docs/policy.md."""
    parts = [HEADER, _policy(), LIFECYCLE, _diagram(), CODES]
    parts += ["## Global API: a refund call's codes", GLOBAL, _codes(ams.REFUND_CODES, ams.UNLISTED_REFUND)]
    parts += ["## Global API: an inquiry's codes", INQUIRIES, _codes(ams.INQUIRY_CODES, ams.UNLISTED_INQUIRY)]
    parts += ["## Mainland: a refund call's codes", MAINLAND]
    parts += [_codes(mainland.REFUND_CODES, mainland.UNLISTED_REFUND)]
    parts += ["## Mainland: a query's codes", QUERIES]
    parts += [_codes(mainland.INQUIRY_CODES, mainland.UNLISTED_INQUIRY)]
    parts += ["## Why a refund is parked", PARKS, _named(PARK_REASONS, "reason")]
    parts += ["## What `next_action` advises", _named(NEXT_ACTIONS, "next_action")]
    parts += ["## The numbers", NUMBERS, _terms()]
    return "\n\n".join(parts) + "\n"


HEADER: Final = """# Policy

Made from the tables in `worker/refunds/policy.py`, `worker/alipay/ams/codes.py` and `worker/alipay/mainland/codes.py`
by `python -m worker.alipay.policy_page > docs/policy.md`; a test fails when this page is stale.

## What follows from an answer

A refund is at one of three stages, which say what its next call asks. **SUBMIT** asks for the refund, **INQUIRE** asks
what became of it, **CONFIRM** asks whether it is really not done, because a decline came that cannot be believed yet.
A refund is *ambiguous* once any call may have reached Alipay without a trusted answer, or a predecessor of this worker
may have made one."""

LIFECYCLE: Final = """## A refund's life

Every arrow is a cell of the table above; conditions are in brackets. From any stage a refund is also parked when an
answer leaves it open and its attempts or its time are used up. A halted refund goes back to the stage it came from once
its credential works again; a held one is asked about anew if its partition gets another owner. `parked` waits for a
person. Only `succeeded` and `failed` are final."""

CODES: Final = """## Result codes

The same code means other things in another interface, and on an inquiry. With another status than its row lists a code
counts as unlisted. Flags:

- *confirm*: asked about before it is believed, because a success of ours may hide behind it or Alipay says so.
- *suspect*: published only once the same account has had a success, because our configuration can cause it.
- *park*: never failed by the worker on its own.
- *merchant*: halts only the merchant that the command names; the channel's account if it names none."""

GLOBAL: Final = """\
The status is `resultStatus`: S done, F failed, U unknown."""

MAINLAND: Final = """\
v2 and v3. The code is `sub_code` without its prefix (`ACQ.`, `isv.`, `aop.`, …) and the status v2's public `code`;
where there is no `sub_code` the code is the public one. A refund that failed may only be issued again under its old
number."""

QUERIES: Final = """\
A query's result says whether the *query* worked. Only `refund_status` REFUND_SUCCESS, with our number and amount, is
Succeeded; a query that worked and has no `refund_status` is NotFound."""

INQUIRIES: Final = """\
An inquiry's result says whether the *inquiry* worked. Only `refundStatus` speaks of the refund: SUCCESS is Succeeded,
FAIL and CANCELLED are Declined, any other text is Pending."""

PARKS: Final = """\
A parked refund is not final, and nothing is claimed about its money. `refund.parked.v1` carries the reason."""

NUMBERS: Final = """\
Each is a setting of a channel, see [settings.md](settings.md), which has the mainland's own defaults;
`python -m worker check` shows those in force. The wait before the next call is `backoff_floor_s` plus a random part of
at most `backoff_base_s` · 2ⁿ, which never exceeds `backoff_cap_s`. The random part is derived from the refund's id, so
a redelivery repeats it."""


def _policy() -> str:
    head = ["reply", *(stage.name for stage in Stage), "meaning"]
    rows = []
    for reply in REPLIES:
        cells = [POLICY[stage, reply].value for stage in Stage]
        rows.append([f"**{reply.__name__}**", *cells, (reply.__doc__ or "").split("\n")[0]])
    return _table(head, rows)


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> SUBMIT"]
    for (start, end), labels in _edges().items():
        lines.append(f"    {start} --> {end}: {'<br/>'.join(labels)}")
    lines += [f"    {end} --> [*]" for end in (SUCCEEDED, FAILED)]
    lines += [
        f"    {HELD} --> {FAILED}: the account has had a success",
        f"    {HELD} --> {PARKED}: none in time",
    ]
    lines += ["```"]
    return "\n".join(lines)


def _edges() -> Mapping[tuple[str, str], list[str]]:
    edges: dict[tuple[str, str], list[str]] = {}
    for stage in Stage:
        for reply in REPLIES:
            for arrow in arrows(stage, reply):
                end = stage if arrow.to is None else arrow.to
                label = reply.__name__ + (f" [{arrow.when}]" if arrow.when else "")
                edges.setdefault((_name(stage), _name(end)), []).append(label)
    return edges


def _name(end: str) -> str:
    return end.name if isinstance(end, Stage) else end


def _codes(listed: Mapping[str, Row], unlisted: Mapping[ams.Status, Row] | Mapping[str, Row]) -> str:
    head = ["code", "status", "reply", "flags", "meaning", "what to do", "next_action"]
    rows = [_row(f"`{code}`", row) for code, row in listed.items()]
    rows += [_row("*unlisted*", row) for row in unlisted.values()]
    return _table(head, rows)


def _row(name: str, row: Row) -> list[str]:
    flags = [flag for flag in ("confirm", "suspect", "park", "merchant") if getattr(row, flag)]
    action = "" if row.next_action is NextAction.NONE else f"`{row.next_action}`"
    return [
        name,
        row.status or "*other*",
        row.kind.__name__,
        ", ".join(flags),
        row.meaning,
        row.what_to_do,
        action,
    ]


def _named(meanings: Mapping[ParkReason, str] | Mapping[NextAction, str], head: str) -> str:
    return _table([head, "meaning"], ([f"`{name}`", text] for name, text in meanings.items()))


def _terms() -> str:
    terms = Terms(asynchronous=True)
    numbers = {field.name: getattr(terms, field.name) for field in fields(Terms)}
    backoff = numbers.pop("backoff")
    del numbers["asynchronous"]
    numbers |= {f"backoff_{field.name}": getattr(backoff, field.name) for field in fields(backoff)}
    return _table(["number", "default"], ([f"`{name}`", f"{value:g}"] for name, value in numbers.items()))


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
