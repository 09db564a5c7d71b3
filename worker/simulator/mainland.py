"""The mainland's refund and refund query, as v2 and v3 share them: from content to the fields of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from worker.refunds.money import Money
from worker.simulator.accounts import Accounts, App
from worker.simulator.behaviour import Operation
from worker.simulator.ledger import RefundRequest, RefundStatus
from worker.simulator.mainland_content import (
    Illegal,
    QueryContent,
    RefundContent,
    falsified,
    query_content,
    refund_content,
    yuan,
)
from worker.simulator.mainland_words import OK, Words, error, words
from worker.simulator.modes import NORMAL, Mode
from worker.simulator.provider import Caller, Interface, Provider, Taken
from worker.simulator.trades import Trade

BEIJING: Final = timezone(timedelta(hours=8))
_STORE: Final = '望湘园 {一号店} "A/B"'  # what a reader of raw bytes has to get over


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered, before an interface writes it. `fields` come beside code and msg, or instead of them."""

    words: Words
    fields: dict[str, Any]
    mode: Mode = NORMAL
    delay_s: float = 0.0
    payment_id: str = ""


class Mainland:
    """The two calls. `accounts` is for the interfaces, which authenticate their callers."""

    def __init__(self, provider: Provider, accounts: Accounts) -> None:
        self.provider: Final = provider
        self.accounts: Final = accounts

    def call(
        self, operation: Operation, content: str | bytes, interface: Interface, app_id: str, now: float
    ) -> Told:
        """Answer a call of an authenticated caller. Money moves here."""
        try:
            if operation is Operation.REFUND:
                body = content.encode() if isinstance(content, str) else content
                return self._refund(refund_content(content), body, Caller(interface, app_id), now)
            return self._query(query_content(content), now)
        except Illegal as illegal:
            return self.refused(error(illegal.sub_code, str(illegal)))

    def refused(self, said: Words) -> Told:
        """An answer about the caller, or about content that nobody could read."""
        self.provider.observed.refused[said.sub_code] += 1
        return Told(said, {})

    def unauthorized(self, app: App, token: str) -> str:
        """The sub_code for a call with this app_auth_token ("" if none came); empty if there is none."""
        return "aop.invalid-app-auth-token" if token and token not in app.tokens else ""

    def _refund(self, asked: RefundContent, body: bytes, caller: Caller, now: float) -> Told:
        trade = self.provider.trades.find(asked.trade_no, asked.order_number)
        number = asked.number or asked.order_number or trade.order_number
        request = RefundRequest(
            number, trade.payment_id, Money("CNY", asked.fen), mainland=True, whole=not asked.number
        )
        taken = self.provider.refund(request, body, caller, now)
        said = words(taken.result, inquiry=False)
        refunded = self._refunded(trade)
        fields: dict[str, Any] = {}
        if said is OK:
            fields = {
                "buyer_logon_id": "159****5620",
                "buyer_user_id": "2088000000000001",
                **_fund_change(taken),
                "out_trade_no": trade.order_number,
                "refund_fee": yuan(refunded),
                "store_name": _STORE,
                "trade_no": trade.trade_no,
            }
            if "refund_detail_item_list" in asked.options:
                fields["refund_detail_item_list"] = [
                    {"amount": yuan(asked.fen), "fund_channel": "ALIPAYACCOUNT"}
                ]
                fields["send_back_fee"] = yuan(asked.fen)
        elif said.code == "40004":
            fields = {"refund_fee": "0.00", "send_back_fee": "0.00"}
        return self._told(Operation.REFUND, number, trade, taken, said, fields, now)

    def _query(self, asked: QueryContent, now: float) -> Told:
        trade = self.provider.trades.find(asked.trade_no, asked.order_number)
        ledger = self.provider.ledger
        taken = self.provider.inquiry(asked.number, ledger.key(asked.number, trade.payment_id), now)
        absent = taken.result.code == "ORDER_NOT_EXIST" and (
            taken.mode.says is not None or ledger.knows(trade.payment_id)
        )
        said = OK if absent else words(taken.result, inquiry=True)
        fields: dict[str, Any] = {}
        if said is OK and taken.refund is not None and not absent:
            payment = ledger.payments.get(trade.payment_id)
            fields = {
                "out_request_no": asked.number,
                "out_trade_no": trade.order_number,
                "total_amount": yuan(payment.amount.value if payment else 0),
                "trade_no": trade.trade_no,
            }
            done = taken.refund.status is RefundStatus.SUCCESS
            if status := taken.mode.shows or ("REFUND_SUCCESS" if done else ""):
                fields["refund_amount"] = yuan(taken.refund.request.amount.value)
                fields["refund_status"] = status
            bounced = self.provider.deposit_backs.get(ledger.key(asked.number, trade.payment_id))
            if bounced and "deposit_back_info" in asked.options:
                fields["deposit_back_info"] = {"has_deposit_back": "true", **bounced}
        return self._told(Operation.INQUIRY, asked.number, trade, taken, said, fields, now)

    def _told(
        self,
        operation: Operation,
        number: str,
        trade: Trade,
        taken: Taken,
        said: Words,
        fields: dict[str, Any],
        now: float,
    ) -> Told:
        self.provider.note(operation, number, taken, said.sub_code or said.code, now)
        fields = falsified(fields, taken.mode.echo, trade)
        return Told(said, fields, taken.mode, taken.delay_s, trade.payment_id)

    def _refunded(self, trade: Trade) -> int:
        """Fen refunded of the trade so far."""
        return sum(moved.amount.value for moved in self.provider.ledger.moved_of_payment(trade.payment_id))


def _fund_change(taken: Taken) -> dict[str, str]:
    """Y only for the call that moved the money; N for its repeat and for what is in process; accepted is absent."""
    if taken.result.code in {"REPEATED", "REFUND_IN_PROCESS"}:
        return {"fund_change": "N"}
    if taken.refund is None or taken.refund.status is not RefundStatus.SUCCESS:
        return {}
    paid = datetime.fromtimestamp(taken.refund.time, BEIJING)
    return {"fund_change": "Y", "gmt_refund_pay": f"{paid:%Y-%m-%d %H:%M:%S}"}
