"""The mainland's asynchronous notifications: forms, signed over their values; v2 and v3 have the same.

Two kinds are about refunds. A trade's `trade_status_sync` goes to the notify_url of the *payment*, and tells of a
refund by `out_biz_no` with `refund_fee` or `gmt_refund`; full refunds are only told of where that is switched on. The
message `alipay.trade.refund.depositback.completed` goes to the app's gateway address, for refunds that were asked for
with query_options `deposit_back_info`: the buyer's bank took the money, or (`F`) did not, and Alipay put it into the
buyer's balance instead. Source: opendocs.alipay.com, "asynchronous notifications" and the page of that message.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import unquote_to_bytes

from worker.alipay.mainland.certificates import Certificates
from worker.alipay.mainland.credentials import trusted_sn
from worker.alipay.mainland.yuan import CURRENCY, fen
from worker.alipay.notification import Acknowledgement, Posted, Refusal, Refused, Unrelated
from worker.alipay.signing import Verifier
from worker.messages.invalid import NotReadable
from worker.messages.strict_json import read_object, refuse_duplicates
from worker.messages.texts import is_refund_request_id
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told

ACKNOWLEDGEMENT: Final = Acknowledgement(b"success", "text/plain; charset=utf-8")
TRADE: Final = "trade_status_sync"
DEPOSIT_BACK: Final = "alipay.trade.refund.depositback.completed"
FIELDS_MAX: Final = 200
_BEIJING: Final = timezone(timedelta(hours=8))
_NUMBER: Final = re.compile(r"[!-~]{1,64}")
_CHARSETS: Final[Mapping[str, str]] = {
    "": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    # The others are parts of it.
    **dict.fromkeys(("gbk", "gb2312", "gb18030"), "gb18030"),
}
# The bank's answer; anything else is a reason to ask.
_DEPOSITED: Final[Mapping[str, Told]] = {"S": Told.SUCCEEDED, "F": Told.RETURNED}

# What is left out of the signed string besides `sign`. A trade's notification verifies without sign_type only, messages
# of the app's gateway with it; in certificate mode some leave alipay_cert_sn out as well. None of the documents says
# whether empty values are signed.
_OMITTED: Final = (
    frozenset({b"sign", b"sign_type"}),
    frozenset({b"sign", b"sign_type", b"alipay_cert_sn"}),
    frozenset({b"sign"}),
    frozenset({b"sign", b"alipay_cert_sn"}),
)

Form = Mapping[bytes, bytes]


class _Unreadable(Exception):
    """Never leaves this module: it becomes a Refused."""


@dataclass(frozen=True, slots=True)
class MainlandNotifications:
    """Those of one app id. `channel`: what commands call it. `sellers`: the only ones it may be about; empty: any."""

    channel: str
    account: str
    verifier: Verifier
    certificates: Certificates | None = None
    sellers: frozenset[str] = frozenset()
    acknowledgement: Acknowledgement = field(default=ACKNOWLEDGEMENT, init=False, repr=False)

    def read(self, posted: Posted, now: float) -> Notice | Unrelated | Refused:
        """What was posted, if its signature is Alipay's, for our app and a seller of ours."""
        try:
            form = _form(posted.body)
            refused = self._untrusted(form)
            if refused is not None:
                return refused
            texts = _texts(form)
            seller = texts.get("seller_id", "")
            if self.sellers and seller and seller not in self.sellers:
                return Refused(
                    Refusal.OTHER_SELLER, f"seller_id {seller[:32]!a} is not configured for this channel"
                )
            return _notice(self.channel, texts, now)
        except (_Unreadable, NotReadable) as fault:
            return Refused(Refusal.UNREADABLE, str(fault))

    def _untrusted(self, form: Form) -> Refused | None:
        account = form.get(b"app_id", b"")
        if account != self.account.encode():
            return Refused(Refusal.OTHER_ACCOUNT, f"app_id is {account[:32]!r}; expected {self.account!r}")
        sign = form.get(b"sign", b"").decode("ascii", errors="replace")
        if not sign:
            return Refused(Refusal.UNSIGNED, "sign is missing; expected a signature")
        named = form.get(b"alipay_cert_sn")
        sn = None if named is None else named.decode("ascii", errors="replace")
        if trusted_sn(self.certificates, sn) and any(
            self.verifier.verify(content, sign) for content in strings_to_sign(form)
        ):
            return None
        return Refused(
            Refusal.BAD_SIGNATURE, "the signature is not Alipay's; expected one that its public key verifies"
        )


def strings_to_sign(form: Form) -> Iterator[bytes]:
    """What may have been signed, the likeliest first: names and values as they are in the form's own charset.

    They differ in what is left out, never in what is said, so that it is as safe to try them all.
    """
    tried = set()
    for omitted in _OMITTED:
        for empty in (True, False):
            signed = sorted(item for item in form.items() if item[0] not in omitted and (empty or item[1]))
            content = b"&".join(name + b"=" + value for name, value in signed)
            if content not in tried:
                tried.add(content)
                yield content


def _form(body: bytes) -> dict[bytes, bytes]:
    """The form's values, bytes as they were before they were URL-encoded: those are signed, whatever the charset."""
    pairs = body.split(b"&") if body else []
    if len(pairs) > FIELDS_MAX:
        raise _Unreadable(f"{len(pairs)} fields; expected a form of at most {FIELDS_MAX}")
    form: dict[bytes, bytes] = {}
    for pair in pairs:
        name, _, value = (unquote_to_bytes(part.replace(b"+", b" ")) for part in pair.partition(b"="))
        if name in form:
            raise _Unreadable(f"{name[:32]!r} is given twice; expected every name once")
        form[name] = value
    return form


def _texts(form: Form) -> dict[str, str]:
    named = form.get(b"charset", b"").decode("ascii", errors="replace")
    charset = _CHARSETS.get(named.lower())
    if charset is None:
        raise _Unreadable(f"charset is {named[:32]!a}; expected utf-8 or gbk")
    # What cannot be decoded is none of the fields that are looked at: those are ASCII.
    return {name.decode(charset, "replace"): value.decode(charset, "replace") for name, value in form.items()}


def _notice(channel: str, texts: Mapping[str, str], now: float) -> Notice | Unrelated:
    kind = texts.get("notify_type") or texts.get("msg_method", "")
    if kind == TRADE:
        return _of_trade(channel, texts, now)
    if texts.get("msg_method") == DEPOSIT_BACK:
        return _of_deposit_back(channel, texts, now)
    return Unrelated(f"it is a {kind[:64]!a}, and not about a refund")


def _of_trade(channel: str, texts: Mapping[str, str], now: float) -> Notice | Unrelated:
    if not texts.get("refund_fee") and not texts.get("gmt_refund"):
        return Unrelated("it is about a trade that has no refund")
    # refund_fee is what was refunded of the trade altogether: this refund's own amount is not said.
    moment = _moment(texts.get("gmt_refund", "")) or _moment(texts.get("notify_time", ""))
    return _of_refund(
        channel,
        texts,
        texts.get("out_biz_no", ""),
        Told.SUCCEEDED,
        moment or now,
        _number(texts.get("notify_id")),
        None,
    )


def _of_deposit_back(channel: str, texts: Mapping[str, str], now: float) -> Notice | Unrelated:
    content = texts.get("biz_content", "").encode()
    fields = read_object(content, len(content))
    refuse_duplicates(content, fields)
    found = {name: value for name, value in fields.items() if isinstance(value, str)}
    sent = texts.get("utc_timestamp", "")
    moment = _moment(found.get("bank_ack_time", "")) or _milliseconds(sent)
    amount = fen(found.get("dback_amount", ""))
    return _of_refund(
        channel,
        found,
        found.get("out_request_no", ""),
        _DEPOSITED.get(found.get("dback_status", "").upper(), Told.OTHER),
        moment or now,
        _number(texts.get("notify_id")),
        None if amount is None else Money(CURRENCY, amount),
    )


def _of_refund(
    channel: str,
    texts: Mapping[str, str],
    number: str,
    told: Told,
    at: float,
    notice_id: str,
    amount: Money | None,
) -> Notice | Unrelated:
    payment_id, order_number = _number(texts.get("trade_no")), _number(texts.get("out_trade_no"))
    if number and not is_refund_request_id(number):
        return Unrelated(f"the refund's number {number[:64]!a} is none that this worker takes")
    if not (number or payment_id or order_number):
        raise _Unreadable("neither the refund nor the trade is named; expected at least one of them")
    return Notice(channel, number, told, at, notice_id, payment_id, order_number, amount)


def _number(found: str | None) -> str:
    return found if found is not None and _NUMBER.fullmatch(found) else ""


def _moment(text: str) -> float | None:
    """Unix seconds of Beijing time, as `2026-11-22 17:00:01.512`."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=_BEIJING).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _milliseconds(text: str) -> float | None:
    try:
        return datetime.fromtimestamp(int(text[:16]) / 1000, UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
