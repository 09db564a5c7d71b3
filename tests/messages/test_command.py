"""Commands: accepted whole, or refused with the name of the field, what was found and what was expected."""

from dataclasses import replace
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages.samples import CAUSE, LIMITS, ORIGIN, REQUESTED, TRACEPARENT
from worker.messages.cloud_events import Headers
from worker.messages.command import read_command
from worker.messages.invalid import Invalid, Problem, shortened
from worker.refunds.command import Cause, Command
from worker.refunds.issue import provider_id
from worker.refunds.money import EXPONENTS, Money

EVENT: Final[Headers] = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"order-4711"),
    ("ce_source", b"/orders"),
    ("ce_type", b"refund.requested.v1"),
    ("ce_correlationid", b"cart-815"),
    ("content-type", b"application/json; charset=UTF-8"),
    ("traceparent", TRACEPARENT.encode()),
    ("tracestate", b"shop=1"),
)


def read(fields: dict[str, Any], headers: Headers = ()) -> Command | Invalid:
    return read_command(orjson.dumps(fields), headers, ORIGIN, LIMITS)


def accepted(fields: dict[str, Any], headers: Headers = ()) -> Command:
    command = read(fields, headers)
    assert isinstance(command, Command), command
    return command


def refused(fields: dict[str, Any], headers: Headers = ()) -> Invalid:
    invalid = read(fields, headers)
    assert isinstance(invalid, Invalid), invalid
    return invalid


def test_four_fields_are_enough() -> None:
    assert accepted(REQUESTED) == Command(
        refund_request_id="refund-4711",
        provider_request_id="refund-4711",
        payment_id="20240604194010800100188820200000001",
        amount=Money("USD", 1050),
        channel="global",
        cause=Cause("refund.commands-3-42"),
    )


def test_what_the_provider_calls_another_issue_is_no_id_for_a_command() -> None:
    """It would be told of as refunded, once for the issue and once for itself, and moved once."""
    ours = provider_id("refund-4711", 2)
    invalid = refused({**REQUESTED, "refundRequestId": ours})
    assert (invalid.error, invalid.field) == (Problem.FIELD_NOT_ALLOWED, "refundRequestId")
    assert "a later issue of 'refund-4711'" in invalid.message
    assert accepted({**REQUESTED, "refundRequestId": f"{ours}x"}).provider_request_id == f"{ours}x"


FULL: Final[dict[str, Any]] = {
    **REQUESTED,
    "merchant": "shop-7",
    "refundReason": "退货 🙂\n",
    "referenceRefundId": "reference/1",
    "refundNotifyUrl": "https://shop.example:8443/notify?x=1",
    "captureId": "capture~1",
    "metadata": '{"order": 4711}',
    "goods": [{"referenceGoodsId": "1", "goodsName": "cup"}],
    "splitDetails": [
        {
            "splitTo": "2188400000000001",
            "splitAmount": {"value": "50", "currency": "USD"},
            "actualSplitAmount": {"currency": "USD", "value": "49"},
            "description": "commission",
        }
    ],
}


def test_every_field_arrives() -> None:
    command = accepted(FULL, EVENT)
    assert command == Command(
        refund_request_id="refund-4711",
        provider_request_id="refund-4711",
        payment_id=REQUESTED["paymentId"],
        amount=Money("USD", 1050),
        channel="global",
        merchant="shop-7",
        reason="退货 🙂\n",
        reference_refund_id="reference/1",
        notify_url="https://shop.example:8443/notify?x=1",
        capture_id="capture~1",
        metadata='{"order": 4711}',
        goods='[{"goodsName":"cup","referenceGoodsId":"1"}]',
        split_details=(
            '[{"actualSplitAmount":{"currency":"USD","value":"49"},"description":"commission",'
            '"splitAmount":{"currency":"USD","value":"50"},"splitTo":"2188400000000001"}]'
        ),
        cause=CAUSE,
    )


def test_another_serializer_makes_no_conflict() -> None:
    """Order of names, spaces and escapes do not count: the redelivery may come from another system."""
    backwards = orjson.dumps(dict(reversed(FULL.items())), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    again = read_command(backwards, (), ORIGIN, LIMITS)
    assert isinstance(again, Command)
    assert again.digest() == accepted(FULL).digest()


def test_fields_that_are_not_known_are_ignored() -> None:
    assert accepted({**REQUESTED, "new": {"currency": 1.5}}) == accepted(REQUESTED)


@pytest.mark.parametrize("field", sorted(set(FULL) - set(REQUESTED)))
def test_null_is_as_good_as_absent(field: str) -> None:
    assert accepted({**REQUESTED, field: None}) == accepted(REQUESTED)


LONG_ID: Final = "x" * 65

# field, value → the problem's name, or None if it is accepted.
CASES: Final[list[tuple[str, Any, Problem | None]]] = [
    ("refundRequestId", "A-z_0", None),
    ("refundRequestId", "x" * 64, None),
    ("refundRequestId", LONG_ID, Problem.TOO_LONG),
    ("refundRequestId", "", Problem.EMPTY),
    ("refundRequestId", "a b", Problem.BAD_CHARACTERS),
    ("refundRequestId", "a\n", Problem.BAD_CHARACTERS),
    ("refundRequestId", "a#", Problem.BAD_CHARACTERS),
    ("refundRequestId", "a:1", Problem.BAD_CHARACTERS),
    ("refundRequestId", "ä", Problem.BAD_CHARACTERS),
    ("refundRequestId", "٣", Problem.BAD_CHARACTERS),
    ("refundRequestId", 4711, Problem.WRONG_TYPE),
    ("refundRequestId", None, Problem.MISSING_FIELD),
    ("paymentId", "~!x", None),
    ("paymentId", LONG_ID, Problem.TOO_LONG),
    ("paymentId", "", Problem.EMPTY),
    ("paymentId", "a b", Problem.BAD_CHARACTERS),
    ("paymentId", "a\x00", Problem.BAD_CHARACTERS),
    ("paymentId", "é", Problem.BAD_CHARACTERS),
    ("paymentId", ["a"], Problem.WRONG_TYPE),
    ("channel", "nowhere", Problem.UNKNOWN_CHANNEL),
    ("channel", "", Problem.EMPTY),
    ("channel", 1, Problem.WRONG_TYPE),
    ("channel", None, Problem.MISSING_FIELD),
    ("merchant", LONG_ID, Problem.TOO_LONG),
    ("merchant", "", Problem.EMPTY),
    ("merchant", False, Problem.WRONG_TYPE),
    ("captureId", LONG_ID, Problem.TOO_LONG),
    ("referenceRefundId", "a b", Problem.BAD_CHARACTERS),
    ("refundReason", "", None),
    ("refundReason", "😀" * 256, None),
    ("refundReason", "😀" * 257, Problem.TOO_LONG),
    ("refundReason", {"text": "x"}, Problem.WRONG_TYPE),
    ("metadata", "x" * 2048, None),
    ("metadata", "x" * 2049, Problem.TOO_LONG),
    ("metadata", {"order": 1}, Problem.WRONG_TYPE),
    ("refundNotifyUrl", "http://a/" + "x" * 1015, None),
    ("refundNotifyUrl", "http://a/" + "x" * 1016, Problem.TOO_LONG),
    ("refundNotifyUrl", "ftp://a/", Problem.BAD_CHARACTERS),
    ("refundNotifyUrl", "javascript:alert(1)", Problem.BAD_CHARACTERS),
    ("refundNotifyUrl", "https://", Problem.BAD_CHARACTERS),
    ("refundNotifyUrl", "https:///path", Problem.BAD_CHARACTERS),
    ("refundNotifyUrl", "https://a b", Problem.BAD_CHARACTERS),
    ("goods", [], None),
    ("goods", {}, Problem.WRONG_TYPE),
    ("goods", ["cup"], Problem.WRONG_TYPE),
    ("splitDetails", {}, Problem.WRONG_TYPE),
    ("splitDetails", [], Problem.EMPTY),
    ("splitDetails", [7], Problem.WRONG_TYPE),
    ("refundAmount", None, Problem.MISSING_FIELD),
    ("refundAmount", "10.50 USD", Problem.WRONG_TYPE),
    ("refundAmount", 1050, Problem.WRONG_TYPE),
    ("refundAmount", [], Problem.WRONG_TYPE),
    ("refundAmount", {"value": "1050"}, Problem.MISSING_FIELD),
    ("refundAmount", {"currency": "USD"}, Problem.MISSING_FIELD),
    ("refundAmount", {"currency": 840, "value": "1"}, Problem.WRONG_TYPE),
    ("refundAmount", {"currency": "usd", "value": "1"}, Problem.UNKNOWN_CURRENCY),
    ("refundAmount", {"currency": "XAU", "value": "1"}, Problem.UNKNOWN_CURRENCY),
]


@pytest.mark.parametrize(("field", "value", "expected"), CASES, ids=lambda value: repr(value)[:24])
def test_a_field_is_accepted_or_named(field: str, value: object, expected: Problem | None) -> None:
    fields = {**REQUESTED, field: value}
    if expected is None:
        accepted(fields)
    else:
        invalid = refused(fields)
        assert invalid.error == expected
        assert invalid.field.startswith(field)
        assert invalid.message.startswith(invalid.field)
        assert "expected" in invalid.message


@pytest.mark.parametrize("field", REQUESTED)
def test_a_field_that_must_be_there_is_missed(field: str) -> None:
    invalid = refused({name: value for name, value in REQUESTED.items() if name != field})
    assert (invalid.error, invalid.field) == (Problem.MISSING_FIELD, field)


def amount(value: object, currency: str = "USD") -> dict[str, Any]:
    return {**REQUESTED, "refundAmount": {"currency": currency, "value": value}}


@pytest.mark.parametrize("value", [1, 1050, 10.5, 0, -1, True, False, 10**17, 1e30], ids=repr)
def test_a_number_is_no_amount_and_the_message_says_why(value: object) -> None:
    invalid = refused(amount(value))
    assert (invalid.error, invalid.field) == (Problem.BAD_AMOUNT, "refundAmount.value")
    assert "a JSON number may be rounded" in invalid.message
    assert '"100" for USD 1.00' in invalid.message


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "00",
        "01",
        "-1",
        "+1",
        "1.00",
        "1,000",
        "1e3",
        " 1",
        "1 ",
        "1\n",
        "٣",
        "１",
        "0x1",
        "1_0",
        "9" * 17,
        [],
        {},
    ],
    ids=repr,
)
def test_an_amount_is_digits_without_leading_zeros(value: object) -> None:
    assert refused(amount(value)).error == Problem.BAD_AMOUNT


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_every_listed_currency_is_accepted(currency: str) -> None:
    assert accepted(amount("9" * 14 + "00", currency)).amount == Money(currency, int("9" * 14 + "00"))


@pytest.mark.parametrize(
    ("value", "error"), [("100", None), ("150", Problem.BAD_AMOUNT), ("1", Problem.BAD_AMOUNT)]
)
def test_a_rupiah_amount_ends_in_two_zeros(value: str, error: Problem | None) -> None:
    read_back = read(amount(value, "IDR"))
    assert (read_back.error if isinstance(read_back, Invalid) else None) == error


def test_a_channel_takes_its_own_currencies() -> None:
    assert accepted({**amount("1", "CNY"), "channel": "mainland"}).amount == Money("CNY", 1)
    invalid = refused({**amount("1", "USD"), "channel": "mainland"})
    assert (invalid.error, invalid.field) == (Problem.CURRENCY_NOT_ALLOWED, "refundAmount.currency")


SPLIT: Final[dict[str, Any]] = FULL["splitDetails"][0]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({"splitTo": "x", "splitAmount": SPLIT["splitAmount"]}, None),
        ({**SPLIT, "new": 1, "description": None, "actualSplitAmount": None}, None),
        ({**SPLIT, "splitTo": None}, "splitTo"),
        ({**SPLIT, "splitTo": "x" * 33}, "splitTo"),
        ({**SPLIT, "splitTo": ""}, "splitTo"),
        ({**SPLIT, "splitAmount": None}, "splitAmount"),
        ({**SPLIT, "splitAmount": {"currency": "USD", "value": 50}}, "splitAmount.value"),
        ({**SPLIT, "actualSplitAmount": {"currency": "USD", "value": "0"}}, "actualSplitAmount.value"),
        ({**SPLIT, "actualSplitAmount": {"value": "1"}}, "actualSplitAmount.currency"),
        ({**SPLIT, "description": "x" * 257}, "description"),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_a_split_is_checked_like_the_refund_itself(split: dict[str, Any], expected: str | None) -> None:
    read_back = read({**REQUESTED, "splitDetails": [SPLIT, split]})
    field = read_back.field if isinstance(read_back, Invalid) else None
    assert field == (None if expected is None else f"splitDetails[1].{expected}")


@pytest.mark.parametrize(("count", "error"), [(20, None), (21, Problem.TOO_LONG)])
def test_a_refund_has_at_most_twenty_splits(count: int, error: Problem | None) -> None:
    read_back = read({**REQUESTED, "splitDetails": [SPLIT] * count})
    assert (read_back.error if isinstance(read_back, Invalid) else None) == error


# Who can be answered.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"refundRequestId":"refund-1"}', "refund-1"),
        (b'{"refundRequestId":"refund-1","x":1,"x":2}', "refund-1"),
        (b'{"refundRequestId":"refund-1","refundRequestId":"refund-2"}', None),
        (b'{"refundRequestId":"not an id"}', None),
        (b'{"refundRequestId":7}', None),
        (b"{}", None),
        (b"{", None),
        (b"[]", None),
        (None, None),
    ],
    ids=repr,
)
def test_the_id_is_told_whenever_it_can_be_read(value: bytes | None, expected: str | None) -> None:
    invalid = read_command(value, (), ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert invalid.refund_request_id == expected
    assert invalid.cause == Cause("refund.commands-3-42")


def test_a_refusal_names_the_command_it_answers() -> None:
    assert refused({**REQUESTED, "paymentId": ""}, EVENT).cause == CAUSE


def test_a_tombstone_is_no_command() -> None:
    invalid = read_command(None, EVENT, ORIGIN, LIMITS)
    assert isinstance(invalid, Invalid)
    assert invalid.error == Problem.TOMBSTONE


def test_a_value_that_is_too_large_is_not_even_parsed() -> None:
    invalid = read_command(b" " * 11, (), ORIGIN, replace(LIMITS, size_max=10))
    assert isinstance(invalid, Invalid)
    assert invalid.error == Problem.TOO_LARGE


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("退货", "the string '\\u9000\\u8d27'"),
        ("x" * 25, f"the string '{'x' * 24}\\u2026'"),
        (True, "the boolean true"),
        (-1.5, "the number -1.5"),
        (10**30, "the number 100000000000000000000000"),
        (None, "null"),
        ([1, 2], "an array of 2"),
        ({"a": 1}, "an object"),
        (b"\xff", "bytes"),
    ],
    ids=repr,
)
def test_what_was_found_is_shown_in_a_few_plain_characters(value: object, shown: str) -> None:
    assert shortened(value) == shown


def test_a_message_never_shows_a_whole_field() -> None:
    secret = "buyer@example.com " * 10
    for field in ("refundRequestId", "paymentId", "merchant", "refundNotifyUrl", "channel"):
        assert secret[:30] not in refused({**REQUESTED, field: secret[:60]}).message


@settings(max_examples=100)
@given(
    st.binary(max_size=60),
    st.lists(st.tuples(st.text(max_size=12), st.none() | st.binary(max_size=12)), max_size=4),
)
def test_no_bytes_and_no_headers_make_the_reader_raise(value: bytes, headers: Headers) -> None:
    assert isinstance(read_command(value, headers, ORIGIN, LIMITS), Invalid)
