"""What a caller who moves over reads: the interface's own fields, in the interface's own types."""

from typing import Any, Final

import orjson
import pytest

from tests.messages import samples
from worker.messages.events import FAILED, PARKED, REJECTED, SUCCEEDED
from worker.operations.shape_answer import shape_answer

REFUNDED: Final[dict[str, Any]] = {
    "refundRequestId": "6823789339978248",
    "orderNumber": "6823789339978248",
    "result": {"status": "S", "code": "10000", "message": "Success"},
    "provider": {
        "code": "10000",
        "msg": "Success",
        "trade_no": "2014112611001004680073956707",
        "out_trade_no": "6823789339978248",
        "buyer_logon_id": "***",
        "fund_change": "Y",
        "refund_fee": "88.80",
    },
}
TOLD: Final = (
    b'{"code":"10000","msg":"Success","out_trade_no":"6823789339978248","trade_no":"2014112611001004680073956707",'
    b'"fund_change":"Y","refund_fee":%b}'
)


def told(shape: str, kind: str, data: dict[str, Any]) -> bytes:
    answer = shape_answer(shape, kind, data)
    assert answer is not None
    return orjson.dumps(answer)


def test_the_cloud_shape_has_its_fee_as_a_number_digit_by_digit() -> None:
    assert told("cloud", SUCCEEDED, REFUNDED) == TOLD % b"88.80"


def test_the_order_shape_has_texts_as_v2_has_them() -> None:
    assert told("order", SUCCEEDED, REFUNDED) == TOLD % b'"88.80"'


@pytest.mark.parametrize("fee", ["", "1e5", "01", "NaN", "-1", "1.", "***"])
def test_what_is_no_number_does_not_become_one(fee: str) -> None:
    data = {**REFUNDED, "provider": {"refund_fee": fee}}
    assert orjson.loads(told("cloud", SUCCEEDED, data)).get("refund_fee") == (None if fee == "***" else fee)


@pytest.mark.parametrize(
    "provider",
    [
        {"trade_no": "2014", "fund_change": "Y", "refund_fee": "88.88"},  # v3
        {"code": "10000", "msg": "Success", "refund_status": "REFUND_SUCCESS", "refund_amount": "88.88"},
        {},
    ],
    ids=["v3", "query", "nothing"],
)
def test_a_success_reads_as_one_whoever_told_of_it(provider: dict[str, str]) -> None:
    answer = shape_answer("cloud", SUCCEEDED, {**REFUNDED, "provider": provider})
    assert answer is not None
    assert (answer["code"], answer["msg"], answer["fund_change"]) == ("10000", "Success", "Y")
    assert answer["out_trade_no"] == "6823789339978248"


DECLINED: Final[dict[str, Any]] = {
    "orderNumber": "order-1",
    "result": {"status": "F", "code": "TRADE_NOT_EXIST", "message": "交易不存在"},
}


@pytest.mark.parametrize(
    ("provider", "sub_code"),
    [
        (
            {
                "code": "40004",
                "msg": "Business Failed",
                "sub_code": "ACQ.TRADE_NOT_EXIST",
                "sub_msg": "交易不存在",
            },
            "ACQ.TRADE_NOT_EXIST",
        ),
        ({"code": "TRADE_NOT_EXIST", "message": "交易不存在"}, "TRADE_NOT_EXIST"),
        ({"code": "10000", "msg": "Success"}, "TRADE_NOT_EXIST"),
    ],
    ids=["v2", "v3", "query"],
)
def test_a_failure_never_reads_as_a_success(provider: dict[str, str], sub_code: str) -> None:
    assert shape_answer("order", FAILED, {**DECLINED, "provider": provider}) == {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": sub_code,
        "sub_msg": "交易不存在",
        "out_trade_no": "order-1",
    }


@pytest.mark.parametrize("kind", [PARKED, REJECTED, "refund.new.v1"])
def test_what_is_no_outcome_has_no_answer(kind: str) -> None:
    assert shape_answer("cloud", kind, REFUNDED) is None


def test_the_answer_is_taken_from_an_event_as_it_is_written() -> None:
    answer = orjson.loads(told("cloud", SUCCEEDED, samples.mainland_succeeded().data))
    assert answer == {
        "code": "10000",
        "msg": "Success",
        "out_trade_no": "order-815",
        "fund_change": "Y",
        "refund_fee": 88.88,
    }
