"""The promise about credentials, G7, under the README's name: the account's, and each merchant's own."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

import orjson
from typing_extensions import override

from tests.simulation.events import (
    LEDGER,
    RESULTS,
    Answered,
    Called,
    Committed,
    Event,
    Fault,
    Opened,
    Started,
    Switched,
)
from tests.simulation.guarantee import Guarantee, Truth
from tests.simulation.view import partition_of
from worker.alipay.mainland.credential_codes import AGREEMENT_CODES, CREDENTIAL_CODES
from worker.refunds.reply import Declined, Misconfigured, Succeeded, Unknown, Unreadable
from worker.simulator.results import GATEWAY_CODES

OUR_OWN_FAULT: Final = (
    (GATEWAY_CODES - {"PARAM_ILLEGAL"})
    | {"INVALID_MERCHANT_STATUS", "INVALID_CONTRACT", "MERCHANT_NOT_REGISTERED"}
    | CREDENTIAL_CODES.keys()
    | AGREEMENT_CODES.keys()
)
"""Codes about the caller: no refund is ever to blame for them."""


class StopTheLine(Guarantee):
    number = "G7"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        # process → calls under way that were begun after the halt, and their partitions
        self._halted: dict[str, dict[str, int]] = {}
        self._begun: dict[tuple[str, str], int] = {}
        self._serial = 0
        self._success: Counter[str] = Counter()
        self._halted_since: dict[str, int] = {}
        self._proven: set[str] = set()
        self._merchants = _Merchants(truth, self.breaks)

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called(process=process, attempt=attempt):
                self._serial += 1
                self._begun[process, attempt.command.refund_request_id] = self._serial
                if process in self._halted:
                    home = self.view.home(attempt.command)
                    self._halted[process][attempt.command.refund_request_id] = home
                    if len(self._halted[process]) > 1:
                        self.breaks(
                            f"{process} calls for {attempt.command.refund_request_id}, though its account is halted "
                            "and a probe is under way"
                        )
                else:
                    self._merchants.called(event)
            case Answered():
                self._answer(event)
                self._merchants.answered(event)
            case Committed():
                self._no_failure(event)
                self._merchants.committed(event, at, account_halted=event.process in self._halted)
            case Fault():
                self._merchants.struck(event, at)
            case Switched():
                self._merchants.operators = True
            case Opened(process=process, transactional_id=name):
                # The opening before has ended, and whether its probe is answered nobody there will know.
                under_way = self._halted.get(process, {})
                for key in [key for key, at_home in under_way.items() if at_home == partition_of(name)]:
                    del under_way[key]
            case Started(process=process):
                self._halted.pop(process, None)
            case _:
                pass

    def _answer(self, event: Answered) -> None:
        process, reply = event.process, event.reply
        begun = self._begun.pop((process, event.attempt.command.refund_request_id), 0)
        probe = process in self._halted and begun > self._halted_since[process]
        if probe:
            self._halted[process].pop(event.attempt.command.refund_request_id, None)
        if _blames_merchant(event):
            return  # which proves the account as little as it blames it
        if isinstance(reply, Misconfigured):
            if process not in self._halted and self._success[process] <= begun:
                self._halted[process] = {}
                self._halted_since[process] = self._serial
        elif probe and not isinstance(reply, Unknown | Unreadable):
            del self._halted[process]
        if isinstance(reply, Succeeded):
            self._proven.add(process)
            self._success[process] = max(self._success[process], begun)

    def _no_failure(self, event: Committed) -> None:
        for record in event.records:
            if record.topic != RESULTS:
                continue
            headers = dict(record.headers)
            key = headers.get("ce_subject", b"").decode()
            told = self.view.outcomes.get(key)
            if not told or told[-1].succeeded or told[-1].replayed:
                continue
            if headers["ce_id"].decode() != told[-1].event_id:
                continue  # something else is said of this refund
            code = told[-1].data["result"]["code"]
            if code in OUR_OWN_FAULT:
                self.breaks(f"{key} has failed with {code}, which is our own fault")
            replies = (one.reply for one in self.view.replies[key])
            suspect = any(isinstance(one, Declined) and one.suspect and one.code == code for one in replies)
            if suspect and event.process not in self._proven:
                self.breaks(
                    f"{key} has failed with {code}, though nothing has succeeded for {event.process} yet"
                )


class _Merchants:
    """A merchant's refused token stops that merchant's refunds, but for a probe, and nobody else's.

    `operators`: whether they have ever halted anything, which stops refunds, too.
    """

    def __init__(self, truth: Truth, breaks: Any) -> None:
        self.operators = False
        self._view = truth.view
        self._suspects_min = truth.limits.suspect_run_max
        self._breaks = breaks
        # (process, merchant) → its calls under way that were begun after the last refusal
        self._refused: dict[tuple[str, str], set[str]] = {}
        self._ever: set[tuple[str, str]] = set()
        self._halted: dict[str, tuple[str, float]] = {}  # refund → who wrote it down as halted, and when
        self._suspect: set[str] = set()  # refunds with a decline that may be our own doing
        self._for_account: set[str] = (
            set()
        )  # of these, what waits for the account, or may wait for an operator
        self._committed_at: defaultdict[tuple[str, int], float] = defaultdict(float)
        self._struck_at: defaultdict[str, float] = defaultdict(float)
        self._suspects: defaultdict[str, set[str]] = defaultdict(
            set
        )  # of these, what each process asked about

    def called(self, event: Called) -> None:
        process, command = event.process, event.attempt.command
        under_way = self._refused.get((process, command.merchant))
        if under_way is None:
            return
        under_way.add(command.refund_request_id)
        if len(under_way) > 1 and self._waits(process, command.merchant):
            self._breaks(
                f"{process} calls for {command.refund_request_id}, though its merchant {command.merchant} is halted "
                "and a probe is under way"
            )

    def _waits(self, process: str, merchant: str) -> bool:
        """Whether a halted refund of the merchant's is known to wait in this process.

        What waits is forgotten with an opening, so only those count that nothing can have come between.
        """
        view, nobody = self._view, ("", 0.0)
        return any(
            entry["kind"] == "open"
            and entry["state"] == "halted"
            and key not in self._for_account
            and entry["command"]["merchant"] == merchant
            and self._halted.get(key, nobody)[0] == process
            and self._halted.get(key, nobody)[1] >= since
            for number, (owner, since) in view.owners.items()
            if owner == process
            and not view.heads[number]["closed"]
            and self._committed_at[process, number] > self._struck_at[process]
            for key, entry in view.ledger[number].items()
        )

    def answered(self, event: Answered) -> None:
        process, reply, command = event.process, event.reply, event.attempt.command
        if isinstance(reply, Declined) and reply.suspect:
            self._suspect.add(command.refund_request_id)
        if command.refund_request_id in self._suspect:
            self._suspects[process].add(command.refund_request_id)
        if isinstance(reply, Misconfigured):
            blamed = command.merchant if _blames_merchant(event) else ""
            self._ever.add((process, blamed))
            if blamed:
                self._refused[process, blamed] = set()
            return
        under_way = self._refused.get((process, command.merchant))
        if under_way is not None and command.refund_request_id in under_way:
            under_way.discard(command.refund_request_id)
            if not isinstance(reply, Unknown | Unreadable):
                del self._refused[process, command.merchant]

    def struck(self, event: Fault, at: float) -> None:
        self._struck_at[event.process] = at

    def committed(self, event: Committed, at: float, *, account_halted: bool) -> None:
        self._committed_at[event.process, partition_of(event.transactional_id)] = at
        for record in event.records:
            if record.topic != LEDGER or record.value is None:
                continue
            key, entry = (record.key or b"").decode(), orjson.loads(record.value)
            if entry["kind"] != "open" or entry["state"] != "halted":
                self._halted.pop(key, None)
                self._for_account.discard(key)
                continue
            if key not in self._halted and (account_halted or self.operators):
                self._for_account.add(key)
            if self._halted.setdefault(key, (event.process, at)) == (event.process, at):
                self._for_a_reason(event.process, key, entry)

    def _for_a_reason(self, process: str, key: str, entry: Mapping[str, Any]) -> None:
        merchant = entry["command"]["merchant"]
        # A run of declines that may be our own doing halts the account, too.
        if self.operators or len(self._suspects[process]) >= self._suspects_min:
            return
        if not {(process, ""), (process, merchant)} & self._ever:
            self._breaks(
                f"{process} halts {key} of merchant {merchant or 'none'}, though neither the account nor that "
                f"merchant was refused, but {sorted(self._ever)}"
            )


def _blames_merchant(event: Answered) -> bool:
    return (
        isinstance(event.reply, Misconfigured)
        and event.reply.merchant
        and bool(event.attempt.command.merchant)
    )
