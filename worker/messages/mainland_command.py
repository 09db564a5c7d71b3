"""Commands for the mainland's OpenAPI: lengths and characters are those of the page "alipay.trade.refund".

That page says that parameters which are not in it may make refunds fail, or be made twice: so nothing passes that is
not in it. Objects in arrays have the page's own spelling (`out_sku_id`), because they go to Alipay as they came.
"""

from typing import Any, Final

from worker.messages.amounts import YUAN, amount, yuan
from worker.messages.command_limits import TOKEN_FIELD, CommandLimits
from worker.messages.invalid import NotReadable, Problem, shortened
from worker.messages.texts import (
    ID,
    REASON,
    TOKEN,
    Text,
    canonical,
    missing,
    not_allowed,
    optional,
    refuse,
    required,
    text,
)
from worker.refunds.command import Cause, Command
from worker.refunds.money import Money

FEN_DIGITS_MAX: Final = 15
"""price(16): thirteen digits, a point and two decimals."""

OWN_FIELDS: Final = (
    *("orderNumber", "refundGoodsDetail", "refundRoyaltyParameters", "queryOptions", TOKEN_FIELD),
)
"""What only this interface has."""

QUERY_OPTIONS: Final = ("refund_detail_item_list", "deposit_back_info", "refund_voucher_detail_list")

# The page's lengths of these could not be read: bounds that keep a mistake small, below which Alipay judges.
_PART: Final = Text(256, None, "text, like 'apple-01'")
_DESCRIPTION: Final = Text(1000, None, "text, like 'commission returned'")
_CERTIFICATE: Final = Text(256, None, "the number of a certificate, like '202407013232143231'")
_GOODS: Final = {"out_sku_id": _PART, "out_item_id": _PART, "goods_id": _PART}
_ROYALTY: Final = {
    "royalty_type": _PART,
    "trans_out": _PART,
    "trans_out_type": _PART,
    "trans_in": _PART,
    "trans_in_type": _PART,
    "trans_in_name": _PART,
    "desc": _DESCRIPTION,
    "royalty_scene": _PART,
}


def read_mainland(
    data: dict[str, Any], cause: Cause, limits: CommandLimits, foreign: tuple[str, ...]
) -> Command:
    """The command in `data`. `foreign`: fields that only another interface has."""
    refund_request_id = required(data, "refundRequestId", ID)
    channel = limits.channel(data)
    payment_id = optional(data, "paymentId", TOKEN)
    order_number = optional(data, "orderNumber", TOKEN)
    if not payment_id and not order_number:
        expected = "Alipay's trade_no here, or the order's out_trade_no as orderNumber"
        raise missing(data, "paymentId", "paymentId", expected)
    refunded = _fen(data, channel, limits)
    command = Command(
        refund_request_id=refund_request_id,
        # Alipay's out_request_no, which stays the same when a failed refund is tried again.
        provider_request_id=refund_request_id,
        payment_id=payment_id,
        order_number=order_number,
        amount=refunded,
        channel=channel,
        merchant=limits.merchant_or_owner(data, channel),
        reason=optional(data, "refundReason", REASON),
        goods=_goods(data.get("refundGoodsDetail")),
        royalty_parameters=_royalties(data.get("refundRoyaltyParameters")),
        query_options=_query_options(data.get("queryOptions")),
        cause=cause,
    )
    refuse(data, foreign, f"only fields of alipay.trade.refund, which channel {channel!r} speaks")
    return command


def _fen(data: dict[str, Any], channel: str, limits: CommandLimits) -> Money:
    refunded = amount(data, "refundAmount", "refundAmount")
    limits.check_currency(refunded, channel)
    if refunded.currency != YUAN:
        expected = f"{YUAN}: channel {channel!r} is one of the mainland's"
        raise NotReadable(
            Problem.CURRENCY_NOT_ALLOWED, "refundAmount.currency", shortened(refunded.currency), expected
        )
    if refunded.value >= 10**FEN_DIGITS_MAX:
        expected = f"at most {FEN_DIGITS_MAX} digits: Alipay takes 16 characters in yuan"
        raise NotReadable(Problem.BAD_AMOUNT, "refundAmount.value", shortened(str(refunded.value)), expected)
    return refunded


def _objects(found: object, field: str, example: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of an array, each with its place."""
    expected = f"an array of objects, like {example}"
    if not isinstance(found, list):
        raise NotReadable(Problem.WRONG_TYPE, field, shortened(found), expected)
    if not found:
        raise NotReadable(Problem.EMPTY, field, shortened(found), expected)
    for position, item in enumerate(found):
        if not isinstance(item, dict):
            raise NotReadable(Problem.WRONG_TYPE, f"{field}[{position}]", shortened(item), expected)
        if not item:
            raise NotReadable(Problem.EMPTY, f"{field}[{position}]", "an empty object", expected)
    return [(f"{field}[{position}].", item) for position, item in enumerate(found)]


def _goods(found: object) -> str:
    if found is None:
        return ""
    items = _objects(found, "refundGoodsDetail", '[{"goods_id": "apple-01", "refund_amount": "19.50"}]')
    for place, item in items:
        _parts(item, place, _GOODS, "refund_amount", "out_certificate_no_list")
        if "out_certificate_no_list" in item:
            _certificates(item["out_certificate_no_list"], f"{place}out_certificate_no_list")
    return canonical([item for _, item in items])


def _certificates(found: object, field: str) -> None:
    if not isinstance(found, list):
        expected = "an array of strings, like ['202407013232143231']"
        raise NotReadable(Problem.WRONG_TYPE, field, shortened(found), expected)
    for position, number in enumerate(found):
        text(number, _CERTIFICATE, f"{field}[{position}]")


def _royalties(found: object) -> str:
    if found is None:
        return ""
    example = '[{"trans_out": "2088101126765726", "trans_out_type": "userId", "amount": "0.10"}]'
    items = _objects(found, "refundRoyaltyParameters", example)
    for place, item in items:
        _parts(item, place, _ROYALTY, "amount")
    return canonical([item for _, item in items])


def _parts(item: dict[str, Any], place: str, texts: dict[str, Text], amount_name: str, *others: str) -> None:
    """Check an object that goes to Alipay as it is, so that a null in it is no absence."""
    listed = (*texts, amount_name, *others)
    for name, value in item.items():
        if name in texts:
            text(value, texts[name], place + name)
        elif name not in listed:
            raise not_allowed(place, name, f"only {', '.join(listed)}")
    if amount_name in item:
        yuan(item, amount_name, place)


def _query_options(found: object) -> str:
    if found is None:
        return ""
    expected = f"an array of different ones of {', '.join(QUERY_OPTIONS)}"
    if not isinstance(found, list):
        raise NotReadable(Problem.WRONG_TYPE, "queryOptions", shortened(found), expected)
    if not found:
        raise NotReadable(Problem.EMPTY, "queryOptions", shortened(found), expected)
    for position, option in enumerate(found):
        if option not in QUERY_OPTIONS or option in found[:position]:
            problem = Problem.BAD_CHARACTERS if isinstance(option, str) else Problem.WRONG_TYPE
            raise NotReadable(problem, f"queryOptions[{position}]", shortened(option), expected)
    return canonical(found)
