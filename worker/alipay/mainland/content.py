"""The mainland's refund and its query: commands to biz_content, answers' fields to replies. Both interfaces', no I/O.

Source: opendocs.alipay.com, alipay.trade.refund and alipay.trade.fastpay.refund.query. Neither 10000 nor a code that
sounds good is a success: only `fund_change` Y of a refund call, or `refund_status` REFUND_SUCCESS of a query.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from worker.alipay.codes import Row, reply_of
from worker.alipay.interface import ANSWER_SIZE_MAX, Operation
from worker.alipay.mainland.codes import DONE, NO_REFUND_STATUS, inquiry_row, normalised, refund_row
from worker.alipay.mainland.extract import is_utf8
from worker.alipay.mainland.yuan import CURRENCY, fen, yuan
from worker.messages.strict_json import read_object, refuse_duplicates
from worker.refunds.command import Command
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)

# Alipay's own limits, in characters. A longer text is cut, never refused: the money has moved all the same.
CODE_MAX: Final = 64
MESSAGE_MAX: Final = 256
_TEXT_FIELDS: Final[Mapping[str, int]] = {
    "code": CODE_MAX,
    "msg": MESSAGE_MAX,
    "sub_code": CODE_MAX,
    "sub_msg": MESSAGE_MAX,
    "message": MESSAGE_MAX,
    "trade_no": 64,
    "out_trade_no": 64,
    "out_request_no": 64,
    "fund_change": 8,
    "refund_fee": 16,
    "refund_amount": 16,
    "refund_currency": 8,
    "refund_status": 32,
    "total_amount": 16,
    "send_back_fee": 16,
    "gmt_refund_pay": 32,
    "refund_settlement_id": 64,
}
_DEPOSIT_BACK: Final[Mapping[str, int]] = {
    "has_deposit_back": 5,
    "dback_status": 8,
    "dback_amount": 16,
    "bank_ack_time": 32,
    "est_bank_receipt_time": 32,
}
# Made once: `json.loads` makes one for each text that it is to read in its own way.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d{1,9})?", re.ASCII)


class Unbelievable(ValueError):
    """An answer that says nothing that can be used. The message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says. `code`: the public code of v2. `sub_code`, `message`: "" if there is none.

    `fields`: every value that is a text or a number is the text that stood there.
    """

    code: str
    sub_code: str
    message: str
    fields: Mapping[str, Any]


def refund_body(command: Command) -> bytes:
    """The refund's biz_content. The same command gives the same bytes: the fields have one order.

    Raises ValueError if the amount is not in CNY.
    """
    fields: dict[str, Any] = {
        **_trade(command),
        "refund_amount": yuan(command.amount),
        # Without it Alipay takes the order's number, and then refunds nothing but the whole amount.
        "out_request_no": "" if command.whole else command.provider_request_id,
        "refund_reason": command.reason,
        # Canonical JSON already, and the provider compares it on a repeat: passed through byte for byte.
        "query_options": _fragment(command.query_options),
        "refund_goods_detail": _fragment(command.goods),
        "refund_royalty_parameters": _fragment(command.royalty_parameters),
    }
    return orjson.dumps({name: value for name, value in fields.items() if value != ""})


def inquiry_body(command: Command) -> bytes:
    """The query's biz_content, by the same trade and number."""
    fields: dict[str, Any] = {**_trade(command), "out_request_no": command.provider_request_id}
    if command.query_options:
        fields["query_options"] = _fragment(command.query_options)
    return orjson.dumps(fields)


def read_fields(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, in UTF-8 or else GB 18030; numbers as the texts they are. Raises NotReadable."""
    text = data if is_utf8(data) else data.decode("gb18030", errors="replace").encode()
    refuse_duplicates(text, read_object(text, 2 * ANSWER_SIZE_MAX))
    fields: dict[str, Any] = _DECODER.decode(text.decode())
    return fields


def told_by(fields: Mapping[str, Any]) -> Told:
    """What a v2 node says. Raises Unbelievable."""
    code = fields.get("code")
    if not isinstance(code, str) or not code:
        raise Unbelievable("code is missing; expected a text such as 10000")
    sub_code = text_in(fields, "sub_code")
    return Told(code[:CODE_MAX], sub_code, text_in(fields, "sub_msg") or text_in(fields, "msg"), fields)


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """The text, cut to its limit; "" if there is none."""
    value = fields.get(name)
    return value[: _TEXT_FIELDS[name]] if isinstance(value, str) else ""


def signed_reply(operation: Operation, told: Told, command: Command) -> Reply:
    """What an answer that Alipay signed taught us about `command`. Raises nothing."""
    try:
        return (_refund_reply if operation is Operation.REFUND else _inquiry_reply)(told, command)
    except Unbelievable as fault:
        return Unreadable(str(fault))


def unsigned_reply(operation: Operation, told: Told) -> Reply:
    """The reply to an answer that anybody may have written. It must neither close nor settle a refund.

    Alipay does not sign for an app that it does not know, and some of its "unknown" and "too many" come unsigned too:
    the worst that a forger achieves with those is that we stop, wait or ask.
    """
    row = (refund_row if operation is Operation.REFUND else inquiry_row)(told.code, told.sub_code)
    reply = _said(row, told)
    if isinstance(reply, Misconfigured) and row.credential:
        return replace(reply, signed=False)
    if isinstance(reply, Unknown | Throttled):
        return reply
    said = " ".join(filter(None, (told.code, told.sub_code)))
    return Unreadable(f"the answer is not signed; it says {said!r}", signed=False)


def unsigned_refusal(operation: Operation, told: Told) -> Reply:
    """The reply to a refused call on an interface that signs no refusal: v3 answers them with an HTTP error.

    A refusal that cannot be believed is a reason to ask: only a signed inquiry that finds no refund proves it. That we
    are wrong is heard whatever the code: the worst that a forger achieves is a halt.
    """
    said = _said(
        (refund_row if operation is Operation.REFUND else inquiry_row)(told.code, told.sub_code), told
    )
    if isinstance(said, Misconfigured | Unfunded):
        return replace(said, signed=False)
    if isinstance(said, Declined) and operation is Operation.REFUND:
        return replace(said, confirm=True)
    return unsigned_reply(operation, told)


def _trade(command: Command) -> dict[str, str]:
    """Only one name of the trade is sent: with both, Alipay would use trade_no and not look at the other."""
    if command.payment_id:
        return {"trade_no": command.payment_id}
    return {"out_trade_no": command.order_number}


def _fragment(text: str) -> orjson.Fragment | str:
    return orjson.Fragment(text) if text else ""


def _refund_reply(told: Told, command: Command) -> Reply:
    row = refund_row(told.code, told.sub_code)
    done = row.kind is Succeeded and told.fields.get("fund_change") == "Y"
    contradicted = _contradiction(told.fields, command, required=done)
    if contradicted is not None:
        return contradicted
    said = _said(row, told)
    if said is not None:
        return said
    # N is also the answer to the repeat of a refund that has gone through.
    return _succeeded(told) if done else Pending(told.code)


def _inquiry_reply(told: Told, command: Command) -> Reply:
    row = inquiry_row(told.code, told.sub_code)
    status = told.fields.get("refund_status") or ""
    if not isinstance(status, str):
        raise Unbelievable("refund_status is not a text; expected REFUND_SUCCESS, or none")
    done = row.kind is Succeeded and status == "REFUND_SUCCESS"
    contradicted = _contradiction(told.fields, command, required=done, inquiry=True)
    if contradicted is not None:
        return contradicted
    # Today's page says that without a status there is no refund; until 2020 it said that a refund's data without a
    # status are a success. The two agree only where there are no data.
    if row.kind is Succeeded and not status and not _amount(told.fields):
        told = replace(told, sub_code=NO_REFUND_STATUS)
        row = inquiry_row(told.code, told.sub_code)
    said = _said(row, told)
    if said is not None:
        return said
    return _succeeded(told) if done else Pending(status[:CODE_MAX] or NO_REFUND_STATUS)


def _contradiction(
    fields: Mapping[str, Any], command: Command, *, required: bool, inquiry: bool = False
) -> Contradicted | None:
    """Whether the answer speaks of something else than we asked about. A missing echo proves nothing."""
    echo = {"trade_no": command.payment_id, "out_trade_no": command.order_number}
    needed = {"trade_no" if command.payment_id else "out_trade_no"} if required else set()
    if inquiry:
        echo["out_request_no"] = command.provider_request_id
        needed |= {"out_request_no"} if required else set()
    echo["refund_currency"] = CURRENCY
    for name, ours in echo.items():
        theirs = fields.get(name)
        if theirs is None or theirs == "":
            if name in needed:
                raise Unbelievable(f"{name} is missing; expected the refund's own")
        elif not isinstance(theirs, str):
            raise Unbelievable(f"{name} is not a text")
        elif ours and theirs != ours:
            return Contradicted(f"{name} is {theirs[:64]!r}, ours {ours!r}")
    if not inquiry:
        return None  # refund_fee is the sum of the trade's refunds
    amount = _amount(fields)
    if amount is None and required:
        raise Unbelievable("refund_amount is missing; expected the refund's own")
    # "0.00" without a success only says that there is none.
    if amount != command.amount.value and (amount or required):
        return Contradicted(f"refund_amount is {fields['refund_amount']!r}, ours {yuan(command.amount)!r}")
    return None


def _amount(fields: Mapping[str, Any]) -> int | None:
    """refund_amount in fen; None if it is not there."""
    text = fields.get("refund_amount")
    if text is None or text == "":
        return None
    value = fen(text) if isinstance(text, str) else None
    if value is None:
        raise Unbelievable("refund_amount is not an amount; expected yuan, such as 88.88")
    return value


def _code(told: Told) -> str:
    return (normalised(told.sub_code) or told.code)[:CODE_MAX]


def _said(row: Row, told: Told) -> Reply | None:
    """The row's reply; None if it is Succeeded, so that the fields decide."""
    return reply_of(row, _code(told), told.message, masked(told.fields) if row.kind is Declined else {})


def _succeeded(told: Told) -> Succeeded:
    kept = masked(told.fields)
    return Succeeded(
        refund_id=kept.get("refund_settlement_id", ""),
        refund_time=_time(kept.get("gmt_refund_pay", "")),
        code=DONE,
        message=told.message,
        provider=kept,
    )


def _time(text: str) -> str:
    """A time of Alipay's, which is Beijing's, as RFC 3339; "" if it is none."""
    time = _TIME.fullmatch(text)
    return f"{time[1]}T{time[2]}+08:00" if time else ""


def masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as it may be published: known fields, none about the buyer, texts cut to their limits."""
    kept: dict[str, Any] = _texts(fields, _TEXT_FIELDS)
    inner = fields.get("deposit_back_info")
    if isinstance(inner, dict) and (texts := _texts(inner, _DEPOSIT_BACK)):
        kept["deposit_back_info"] = texts
    return kept


def _texts(fields: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, str]:
    return {
        name: value[:limit] for name, limit in limits.items() if isinstance(value := fields.get(name), str)
    }
