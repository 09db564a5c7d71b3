"""A desk in memory: it keeps the Protocol, remembers what it was asked to change, and follows it as a worker would."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from worker.desk.answers import (
    FINAL,
    Answered,
    Credential,
    Explanation,
    Language,
    Moment,
    NotPossible,
    Overview,
    Row,
    Shown,
    Submitted,
    Total,
)
from worker.messages.control import EVERYTHING
from worker.messages.events import DELAYED, SUCCEEDED
from worker.refunds.money import Money

PARKED: Final = "refund-4711"
FAILED: Final = "refund-4712"
WAITING: Final = "refund-4713"
NOW: Final = 1_790_000_000.0
SENTENCES: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "why": "No answer in 60 attempts said what became of it.",
        "next": "Nothing happens until a person decides.",
        "money": "The money may be with the buyer or with the merchant.",
        "advice": "Look it up in Alipay's dashboard, then settle it.",
        "accepted": "The command was accepted.",
        "parked": "It was parked: all attempts are used up.",
        "settled": "Settled as succeeded.",
        "issued": "Issued anew.",
        "refused": "A call is on its way: wait for its answer.",
        "submitted": "The command was written.",
        "delayed": "It takes longer than usual.",
        "succeeded": "The money has moved.",
    },
    "zh": {
        "why": "60 次尝试均无应答说明结果。",
        "next": "在有人决定之前不会发生任何事。",
        "money": "资金可能在买家处，也可能在商户处。",
        "advice": "请在支付宝后台查询，再凭依据确定结果。",
        "accepted": "指令已受理。",
        "parked": "已挂起：尝试次数已用尽。",
        "settled": "已由人工确定为成功。",
        "issued": "已重新发起。",
        "refused": "有调用正在进行：请等待应答。",
        "submitted": "指令已写入。",
        "delayed": "耗时比平常长。",
        "succeeded": "资金已退。",
    },
}


def row(refund_request_id: str, state: str, value: int, **more: Any) -> Row:
    """A refund in a list."""
    made = Row(
        refund_request_id, "global", "", "pay-1", Money("USD", value), state, "", "", NOW - 7_500, None, 3, 0
    )
    return replace(made, **more)


@dataclass
class FakeDesk:
    """`changes`: all that was asked for. `refuse`: the next instruction is not followed. `events`: what comes after a
    submission, each once `go_on` is released; `progress` and `trouble` as the tests want them. The overview
    waits while `answering` is held.
    """

    refunds: dict[str, Row] = field(default_factory=dict)
    halted: dict[str, tuple[str, str]] = field(default_factory=dict)
    changes: list[tuple[Any, ...]] = field(default_factory=list)
    said: defaultdict[str, list[Moment]] = field(default_factory=lambda: defaultdict(list))
    events: tuple[str, ...] = (DELAYED, SUCCEEDED)
    go_on: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(100))
    halted_at: str = "2026-11-23T01:00:00.000Z"
    refuse: bool = False
    progress: float = 1.0
    trouble: Exception | None = None
    braked: dict[int, str] = field(default_factory=dict)
    answering: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def overview(self) -> Overview:
        self._trouble()
        async with self.answering:
            return self._overview()

    def _overview(self) -> Overview:
        totals: dict[tuple[str, str], Total] = {}
        for one in self.refunds.values():
            state, currency = one.state, one.amount.currency
            if state not in FINAL:
                old = totals.get((state, currency), Total(state, currency, 0, 0, one.since))
                oldest = min(old.oldest_since, one.since)
                totals[state, currency] = Total(
                    state, currency, old.refunds + 1, old.value + one.amount.value, oldest
                )
        everything = self.halted.get(EVERYTHING)
        credentials = [self._credential(name, everything) for name in ("global", "cn")]
        return Overview(self.progress, [*totals.values()], credentials, self.braked)

    def _credential(self, name: str, everything: tuple[str, str] | None) -> Credential:
        by, reason = everything or self.halted.get(name, ("", ""))
        since = self.halted_at if by else ""
        halted: Literal["", "operator"] = "operator" if by else ""
        return Credential(name, halted, by, reason, since, everything=everything is not None)

    async def rows(self, state: str, limit: int) -> Sequence[Row]:
        found = [
            one
            for one in self.refunds.values()
            if (one.state == state or not state) and one.state not in FINAL
        ]
        return found[:limit]

    async def show(self, refund_request_id: str, language: Language) -> Shown:
        self._trouble()
        found = self.refunds.get(refund_request_id)
        if found is None:
            raise NotPossible(f"{refund_request_id}: no such refund in the ledger")
        words = SENTENCES[language]
        explanation = Explanation(words["why"], words["next"], None, words["money"], words["advice"])
        instructions = {"parked": ("retry", "inquire", "settle"), "waiting": ("retry", "inquire")}
        can = ("reissue",) if found.state == "failed" else instructions.get(found.state, ())
        first = refund_request_id.partition("~")[0]
        issues = tuple(name for name in self.refunds if name.partition("~")[0] == first)
        return Shown(found, explanation, can, issues, {"pin": {"account": "SANDBOX"}, "attempt": 3})

    async def history(self, refund_request_id: str, language: Language) -> Sequence[Moment]:
        words, since = SENTENCES[language], self.refunds[refund_request_id].since
        return [
            Moment(since, "accepted", words["accepted"]),
            Moment(since + 7_440, "parked", words["parked"], facts={"code": "PROCESS_FAIL"}),
            *self.said[refund_request_id],
        ]

    async def instruct(
        self,
        name: str,
        refund_request_id: str,
        by: str,
        reason: str,
        details: Mapping[str, str],
        language: Language,
    ) -> Answered:
        self._trouble()
        self.changes.append((name, refund_request_id, by, reason, dict(details)))
        words, found = SENTENCES[language], self.refunds[refund_request_id]
        if self.refuse:
            return Answered(False, "under_way", words["refused"])
        self.said[refund_request_id].append(Moment(NOW, name, words["settled"], by))
        if name == "settle":
            self.refunds[refund_request_id] = replace(found, state=details["as"])
        if name == "reissue":
            again = f"{refund_request_id}~2"
            self.refunds[again] = replace(found, refund_request_id=again, state="waiting", next_at=NOW + 5)
            return Answered(True, "reissued", words["issued"], again)
        return Answered(True, "settled", words["settled"])

    async def halt(self, channel: str, by: str, reason: str, *, halted: bool) -> None:
        self._trouble()
        self.changes.append(("halt" if halted else "resume", channel, by, reason))
        if halted:
            self.halted[channel] = (by, reason)
        else:
            self.halted.pop(channel, None)

    async def submit(self, asked: Mapping[str, str], by: str, language: Language) -> AsyncIterator[Submitted]:
        self._trouble()
        self.changes.append(("submit", dict(asked), by))
        words, name = SENTENCES[language], asked["id"]
        for event in ("", *self.events):
            await self.go_on.acquire()
            word = {DELAYED: "delayed", SUCCEEDED: "succeeded"}.get(event, "submitted")
            yield Submitted(name, event, event == SUCCEEDED, words[word], {})

    def _trouble(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def full_desk() -> FakeDesk:
    """A desk with one refund of each kind that the tests look at."""
    return FakeDesk(
        refunds={
            PARKED: row(PARKED, "parked", 123_450, reason="attempts_used_up", code="PROCESS_FAIL"),
            FAILED: row(FAILED, "failed", 2_000, code="MERCHANT_BALANCE_NOT_ENOUGH"),
            WAITING: row(WAITING, "waiting", 990, next_at=NOW + 90),
        }
    )
