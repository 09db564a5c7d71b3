"""`refund.requested.v1`: the bytes of a record become a `Command`, or an `Invalid` that says what to mend.

Lengths and characters are those of the global API's "refund" page. schemas/refund.requested.v1.json says the
same for other languages; a test holds the two together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.messages.cloud_events import Headers, Unwrapped, cause_of, check_event, header_texts, unwrap
from worker.messages.invalid import Invalid, NotReadable, Problem, shortened
from worker.messages.strict_json import refuse_duplicates
from worker.refunds.command import Cause, Command
from worker.refunds.entry import Origin
from worker.refunds.money import DIGITS_MAX, EXPONENTS, Money

SPLITS_MAX: Final = 20
COMMAND_VERSION: Final = 1
"""Counted up whenever a command that could be read is refused from then on."""


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """`size_max`: bytes of a value. `channels`: the configured ones with their currencies, None for all."""

    size_max: int
    channels: Mapping[str, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class _Text:
    """What a text field may hold. `pattern` None: any characters, also none."""

    length_max: int
    pattern: re.Pattern[str] | None
    expected: str


_VALUE: Final = re.compile(rf"[1-9][0-9]{{0,{DIGITS_MAX - 1}}}")
_ID: Final = _Text(
    64, re.compile(r"[A-Za-z0-9_-]+"), "letters A-Z a-z, digits, '_' and '-', like 'refund-4711'"
)
_TOKEN: Final = _Text(
    64, re.compile(r"[!-~]+"), "printable ASCII without spaces, like '20240604194010800100'"
)
_URL: Final = _Text(
    1024, re.compile(r"https?://[A-Za-z0-9\[][!-~]*"), "an http or https URL, like 'https://shop.example/n'"
)
_REASON: Final = _Text(256, None, "text, like 'item returned'")
_METADATA: Final = _Text(2048, None, "text, like '{\"order\": 4711}'")
_CHANNEL: Final = _Text(64, None, "the name of a channel, like 'global'")
_SPLIT_TO: Final = _Text(32, re.compile(r"[!-~]+"), "printable ASCII without spaces, like '2188400000000001'")

_AMOUNT_TEXT: Final = (
    f'a string of 1 to {DIGITS_MAX} digits in minor units without leading zeros, like "100" for USD 1.00'
)


def read_command(
    value: bytes | None, headers: Headers, origin: Origin, limits: CommandLimits
) -> Command | Invalid:
    """The command in a record: bare JSON, or a CloudEvent in binary or structured mode. Never raises.

    Fields that are not known are ignored, because schemas grow by optional fields; other event types are not.
    """
    texts = header_texts(headers)
    event: Unwrapped | None = None
    refund_request_id = None
    try:
        if value is None:
            raise NotReadable(Problem.TOMBSTONE, "", "the record has no value", "a refund command as JSON")
        event = unwrap(value, texts, limits.size_max)
        refund_request_id = _readable_id(event.data)
        try:
            refuse_duplicates(value, event.document)
        except NotReadable as fault:
            if fault.field == "refundRequestId":
                refund_request_id = None  # which of the two?
            raise
        return _command(check_event(event, texts), cause_of(event, texts, origin), limits)
    except NotReadable as fault:
        cause = cause_of(event, texts, origin)
        return Invalid(fault.problem, fault.field, str(fault), refund_request_id, cause)


def _readable_id(data: object) -> str | None:
    found = data.get("refundRequestId") if isinstance(data, dict) else None
    return found if isinstance(found, str) and is_refund_request_id(found) else None


def is_refund_request_id(text: str) -> bool:
    """Whether `text` can be the id of a refund: it is the key of ledger entries and part of event ids."""
    return len(text) <= _ID.length_max and _ID.pattern is not None and bool(_ID.pattern.fullmatch(text))


def _command(data: dict[str, Any], cause: Cause, limits: CommandLimits) -> Command:
    refund_request_id = _required(data, "refundRequestId", _ID)
    payment_id = _required(data, "paymentId", _TOKEN)
    channel = _required(data, "channel", _CHANNEL)
    if channel not in limits.channels:
        known = ", ".join(sorted(limits.channels)[:10]) or "none is configured"
        raise NotReadable(
            Problem.UNKNOWN_CHANNEL, "channel", shortened(channel), f"a configured channel ({known})"
        )
    amount = _amount(data, "refundAmount", "refundAmount")
    allowed = limits.channels[channel]
    if allowed is not None and amount.currency not in allowed:
        raise NotReadable(
            Problem.CURRENCY_NOT_ALLOWED,
            "refundAmount.currency",
            shortened(amount.currency),
            f"a currency of channel {channel!r} ({', '.join(sorted(allowed))})",
        )
    return Command(
        refund_request_id=refund_request_id,
        # One refund, one id at Alipay: two commands with one provider id would be two outcomes of one refund.
        provider_request_id=refund_request_id,
        payment_id=payment_id,
        amount=amount,
        channel=channel,
        merchant=_optional(data, "merchant", _TOKEN),
        reason=_optional(data, "refundReason", _REASON),
        reference_refund_id=_optional(data, "referenceRefundId", _TOKEN),
        notify_url=_optional(data, "refundNotifyUrl", _URL),
        capture_id=_optional(data, "captureId", _TOKEN),
        metadata=_optional(data, "metadata", _METADATA),
        goods=_goods(data.get("goods")),
        split_details=_split_details(data.get("splitDetails")),
        cause=cause,
    )


def _required(data: dict[str, Any], name: str, rule: _Text, place: str = "") -> str:
    found = data.get(name)
    if found is None:
        raise _missing(data, name, place + name, rule.expected)
    if found == "":
        raise NotReadable(Problem.EMPTY, place + name, "the string is empty", rule.expected)
    return _text(found, rule, place + name)


def _optional(data: dict[str, Any], name: str, rule: _Text, place: str = "") -> str:
    found = data.get(name)
    # Null is as good as absent: many serializers write null for what is not set.
    return "" if found is None else _text(found, rule, place + name)


def _text(found: object, rule: _Text, field: str) -> str:
    if not isinstance(found, str):
        raise NotReadable(Problem.WRONG_TYPE, field, shortened(found), f"a string: {rule.expected}")
    if len(found) > rule.length_max:
        length = f"the string has {len(found)} characters"
        raise NotReadable(Problem.TOO_LONG, field, length, f"at most {rule.length_max}: {rule.expected}")
    if rule.pattern is not None and not rule.pattern.fullmatch(found):
        problem = Problem.BAD_CHARACTERS if found else Problem.EMPTY
        raise NotReadable(problem, field, shortened(found), rule.expected)
    return found


def _amount(data: dict[str, Any], name: str, field: str) -> Money:
    found = data.get(name)
    if found is None:
        raise _missing(data, name, field, 'an object like {"currency": "USD", "value": "100"}')
    if not isinstance(found, dict):
        expected = 'an object like {"currency": "USD", "value": "100"}'
        raise NotReadable(Problem.WRONG_TYPE, field, shortened(found), expected)
    currency = found.get("currency")
    if not isinstance(currency, str):
        expected = "an ISO 4217 code, like 'USD'"
        if currency is None:
            raise _missing(found, "currency", f"{field}.currency", expected)
        raise NotReadable(Problem.WRONG_TYPE, f"{field}.currency", shortened(currency), expected)
    if currency not in EXPONENTS:
        expected = f"one of {' '.join(sorted(EXPONENTS))}"
        raise NotReadable(Problem.UNKNOWN_CURRENCY, f"{field}.currency", shortened(currency), expected)
    return Money(currency, _minor_units(found, currency, f"{field}.value"))


def _minor_units(amount: dict[str, Any], currency: str, field: str) -> int:
    value = amount.get("value")
    match value:
        case None:
            raise _missing(amount, "value", field, _AMOUNT_TEXT)
        case bool() | int() | float():
            why = f"{_AMOUNT_TEXT}; a JSON number may be rounded by whoever passes it on, so it is refused"
            raise NotReadable(Problem.BAD_AMOUNT, field, shortened(value), why)
        case str() if _VALUE.fullmatch(value):
            # Source: the global API's amount rules; the last two digits of a rupiah amount do not exist.
            if currency == "IDR" and not value.endswith("00"):
                raise NotReadable(Problem.BAD_AMOUNT, field, shortened(value), "an IDR value that ends in 00")
            return int(value)
        case _:
            raise NotReadable(Problem.BAD_AMOUNT, field, shortened(value), _AMOUNT_TEXT)


def _goods(found: object) -> str:
    if found is None:
        return ""
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        expected = 'an array of objects, like [{"referenceGoodsId": "1"}]'
        raise NotReadable(Problem.WRONG_TYPE, "goods", shortened(found), expected)
    return _canonical(found)


def _split_details(found: object) -> str:
    if found is None:
        return ""
    if not isinstance(found, list):
        expected = f"an array of 1 to {SPLITS_MAX} objects"
        raise NotReadable(Problem.WRONG_TYPE, "splitDetails", shortened(found), expected)
    if not 1 <= len(found) <= SPLITS_MAX:
        problem = Problem.TOO_LONG if found else Problem.EMPTY
        raise NotReadable(problem, "splitDetails", shortened(found), f"1 to {SPLITS_MAX} items")
    for position, item in enumerate(found):
        place = f"splitDetails[{position}]"
        if not isinstance(item, dict):
            expected = 'an object like {"splitTo": "…", "splitAmount": {…}}'
            raise NotReadable(Problem.WRONG_TYPE, place, shortened(item), expected)
        _required(item, "splitTo", _SPLIT_TO, f"{place}.")
        _amount(item, "splitAmount", f"{place}.splitAmount")
        if item.get("actualSplitAmount") is not None:
            _amount(item, "actualSplitAmount", f"{place}.actualSplitAmount")
        _optional(item, "description", _REASON, f"{place}.")
    return _canonical(found)


def _canonical(array: list[Any]) -> str:
    # Sorted names: the text counts in the digest, and another serializer may write the redelivery.
    return orjson.dumps(array, option=orjson.OPT_SORT_KEYS).decode()


def _missing(data: dict[str, Any], name: str, field: str, expected: str) -> NotReadable:
    found = "null" if name in data else "missing"
    return NotReadable(Problem.MISSING_FIELD, field, found, expected)
