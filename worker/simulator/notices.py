"""What Alipay sends by itself: that a refund ended, that a bank sent one back. Written and signed here, sent elsewhere.

The global API notifies of refunds that did not end at once (notifyRefund); the mainland notifies the trade's notify URL
of every refund (trade_status_sync), and the app's gateway of a deposit-back.

A mode of `Operation.NOTIFICATION` does to a notification what it does to an answer: `latency` makes it late,
`duplicated` sends it twice, `wrong_signature` and `unsigned_s` spoil its signature, `wrong_echo` and `refund_status`
have it contradict the books, `gbk` and `garbled` spoil its text; what cuts or silences a call loses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from worker.alipay.ams.signing import signature_header, string_to_sign
from worker.simulator.accounts import Accounts
from worker.simulator.ams import OFFSET, echoed, refund_fields
from worker.simulator.behaviour import Operation
from worker.simulator.ledger import Refund, RefundStatus
from worker.simulator.mainland import BEIJING
from worker.simulator.mainland_content import falsified, yuan
from worker.simulator.modes import Ending, Mode, Signing
from worker.simulator.provider import Interface, Provider
from worker.simulator.results import declined, success
from worker.simulator.wire import UNWRITTEN

AMS_ACKNOWLEDGEMENT: Final = (
    b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}'
)
MAINLAND_ACKNOWLEDGEMENT: Final = b"success"


class Kind(StrEnum):
    """What a notification is about, in its own words."""

    REFUND_RESULT = "REFUND_RESULT"
    TRADE_STATUS_SYNC = "trade_status_sync"
    DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification, which may be sent several times. `key`: the refund's, in the books; `id` stays the same.

    `fields` are what it says, without what changes from sending to sending.
    """

    kind: Kind
    id: str
    key: str
    account: str
    url: str
    fields: Mapping[str, Any]
    mode: Mode
    delay_s: float

    @property
    def lost(self) -> bool:
        """Whether it is never sent."""
        return self.mode.ending in UNWRITTEN

    @property
    def acknowledgement(self) -> bytes:
        """The one answer that ends the resending."""
        return AMS_ACKNOWLEDGEMENT if self.kind is Kind.REFUND_RESULT else MAINLAND_ACKNOWLEDGEMENT


class Notices:
    """`sink` is given every notification that Alipay has reason and an URL for; None drops them."""

    def __init__(self, provider: Provider, accounts: Accounts) -> None:
        self._provider: Final = provider
        self._accounts: Final = accounts
        self._made: Final[Counter[str]] = Counter()
        self.sink: Callable[[Notice], None] | None = None
        provider.ledger.on_end = self._ended

    def _ended(self, key: str, refund: Refund, now: float) -> None:
        mainland = refund.request.mainland
        due = refund.status is RefundStatus.SUCCESS if mainland else refund.in_process
        if due and self.sink is not None and self._url(key):
            self.sink(self.of_refund(key, now))

    def of_refund(self, key: str, now: float, mode: Mode | None = None) -> Notice:
        """The notification of a refund as it stands at `now`. Raises ValueError if there is none, or no URL."""
        refund, account, url = self._known(key, self._url(key))
        if refund.request.mainland:
            return self._notice(
                Kind.TRADE_STATUS_SYNC, key, account, url, self._trade_fields(refund, now), mode
            )
        fields = {
            "notifyType": Kind.REFUND_RESULT.value,
            "result": refund.result.as_json(),
            "refundStatus": refund.status.value,
            **refund_fields(refund),
        }
        return self._notice(Kind.REFUND_RESULT, key, account, url, fields, mode)

    def of_deposit_back(self, key: str, now: float, status: str = "F", mode: Mode | None = None) -> Notice:
        """What the buyer's bank did with the money of a mainland refund. `status` (dback_status): it took it (S), is
        still at it (P), or did not take it (F), so that it went to the buyer's Alipay balance.

        From now on a query tells of it, too. Raises ValueError if there is no such refund, or no URL.
        """
        caller = self._provider.callers.get(key)
        app = self._accounts.apps.get(caller.account) if caller else None
        refund, account, url = self._known(key, app.gateway_url if app else "")
        trade = self._provider.trades.of(refund.request.payment_id)
        bounced = {
            "dback_status": status,
            "dback_amount": yuan(refund.request.amount.value),
            "bank_ack_time": _beijing(now),
            "est_bank_receipt_time": _beijing(now + 86400),
        }
        self._provider.deposit_backs[key] = bounced
        content = {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.order_number,
            "out_request_no": refund.request.refund_request_id,
            **bounced,
        }
        return self._notice(Kind.DEPOSIT_BACK, key, account, url, content, mode)

    def written(self, notice: Notice, now: float) -> tuple[dict[str, str], bytes]:
        """Headers and body of one sending at `now`."""
        if notice.kind is Kind.REFUND_RESULT:
            return self._ams(notice, now)
        if notice.kind is Kind.TRADE_STATUS_SYNC:
            fields = {**notice.fields, "notify_time": _beijing(now)}
            return self._form(notice, fields, kept=())
        fields = {
            "notify_id": notice.id,
            "utc_timestamp": str(int(now * 1000)),
            "msg_method": notice.kind.value,
            "app_id": notice.account,
            "version": "1.1",
            "biz_content": orjson.dumps(notice.fields).decode(),
        }
        return self._form(notice, fields, kept=("sign_type",))

    def _url(self, key: str) -> str:
        caller = self._provider.callers.get(key)
        if caller is None:
            return ""
        if caller.interface is Interface.AMS:
            return caller.notify_url or self._accounts.notify_urls.get(caller.account, "")
        app = self._accounts.apps.get(caller.account)
        return app.notify_url if app else ""

    def _known(self, key: str, url: str) -> tuple[Refund, str, str]:
        refund, caller = self._provider.ledger.refunds.get(key), self._provider.callers.get(key)
        if refund is None or caller is None:
            raise ValueError(f"refundRequestId: no refund {key!r}; expected one that was asked for")
        if not url:
            raise ValueError(f"{caller.account}: no URL to notify; expected one in its settings")
        return refund, caller.account, url

    def _notice(
        self,
        kind: Kind,
        key: str,
        account: str,
        url: str,
        fields: Mapping[str, Any],
        mode: Mode | None,
    ) -> Notice:
        self._made[key] += 1
        number = self._made[key]
        refund = self._provider.ledger.refunds[key]
        about = refund.request.refund_request_id
        behaviour = self._provider.behaviour
        chosen = mode or behaviour.choose(Operation.NOTIFICATION, about, number)
        notify_id = f"{refund.refund_id[:16]}{number:04d}{sum(self._made.values()):014d}"
        delay_s = behaviour.delay_s(chosen, Operation.NOTIFICATION, about, number)
        said = self._contradicted(kind, refund, fields, chosen)
        if kind is Kind.TRADE_STATUS_SYNC:
            said |= {"notify_id": notify_id, "app_id": account, "auth_app_id": account}
        return Notice(kind, notify_id, key, account, url, said, chosen, delay_s)

    def _contradicted(
        self, kind: Kind, refund: Refund, fields: Mapping[str, Any], mode: Mode
    ) -> dict[str, Any]:
        said = dict(fields)
        if kind is Kind.REFUND_RESULT:
            if mode.shows:
                result = declined("PROCESS_FAIL") if mode.shows == "FAIL" else success()
                said |= {"refundStatus": mode.shows, "result": result.as_json()}
            return echoed(said, mode.echo)
        if mode.shows and kind is Kind.TRADE_STATUS_SYNC:
            said["trade_status"] = mode.shows
        if mode.echo == "refundRequestId" and "out_biz_no" in said:
            said["out_biz_no"] = f"{said['out_biz_no'][:58]}-other"
        return falsified(said, mode.echo, self._provider.trades.of(refund.request.payment_id))

    def _trade_fields(self, refund: Refund, now: float) -> dict[str, str]:
        ledger = self._provider.ledger
        request = refund.request
        trade, payment = self._provider.trades.of(request.payment_id), ledger.payments[request.payment_id]
        moved = sum(movement.amount.value for movement in ledger.moved_of_payment(request.payment_id))
        closed = moved >= payment.amount.value
        fields = {
            "notify_type": Kind.TRADE_STATUS_SYNC.value,
            "version": "1.0",
            "trade_no": trade.trade_no,
            "out_trade_no": trade.order_number,
            "out_biz_no": request.refund_request_id,
            "trade_status": "TRADE_CLOSED" if closed else "TRADE_SUCCESS",
            "total_amount": yuan(payment.amount.value),
            "refund_fee": yuan(moved),
            "send_back_fee": yuan(request.amount.value),
            "gmt_create": _beijing(now - 3600),
            "gmt_payment": _beijing(now - 3590),
            "gmt_refund": f"{_beijing(refund.time or now)}.{int(now * 1000) % 1000:03d}",
            "buyer_id": "2088000000000001",
            "seller_id": "2088000000000002",
            "subject": "测试商品 100% & more",
        }
        if closed:
            fields["gmt_close"] = _beijing(refund.time or now)
        return fields

    def _ams(self, notice: Notice, now: float) -> tuple[dict[str, str], bytes]:
        body = orjson.dumps(notice.fields).decode().encode(notice.mode.encoding)
        if notice.mode.ending is Ending.GARBLED:
            body = body[:-2]
        parts = urlsplit(notice.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        time = datetime.fromtimestamp(now, OFFSET).isoformat(timespec="seconds")
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "client-id": notice.account,
            "request-time": time,
        }
        if notice.mode.signing is not Signing.NONE:
            content = string_to_sign("POST", path, notice.account, time, body)
            headers["signature"] = signature_header(self._signature(content, notice.mode))
        return headers, body

    def _form(
        self, notice: Notice, fields: Mapping[str, str], *, kept: tuple[str, ...]
    ) -> tuple[dict[str, str], bytes]:
        """A signed form. `sign_type` is signed only where it is `kept`: a notification drops it, a message keeps it."""
        encoding = notice.mode.encoding
        params = {**fields, "charset": encoding, "sign_type": "RSA2"}
        names = [name for name in sorted(params) if name != "sign_type" or name in kept]
        app = self._accounts.apps.get(notice.account)
        if app is not None and app.certificates is not None:
            params["alipay_cert_sn"] = app.certificates.alipay_sn  # not signed
        content = "&".join(f"{name}={params[name]}" for name in names).encode(encoding)
        if notice.mode.signing is not Signing.NONE:
            params["sign"] = self._signature(content, notice.mode)
        body = urlencode(params, encoding=encoding).encode()
        if notice.mode.ending is Ending.GARBLED:
            body = body[: len(body) // 2]
        return {"Content-Type": f"application/x-www-form-urlencoded; charset={encoding}"}, body

    def _signature(self, content: bytes, mode: Mode) -> str:
        return self._provider.signer.sign(content if mode.signing is Signing.RIGHT else content + b"\n")


def _beijing(at: float) -> str:
    return f"{datetime.fromtimestamp(at, BEIJING):%Y-%m-%d %H:%M:%S}"
