"""What is published of a provider's answer: what is known to be harmless, and nothing else."""

import orjson
from hypothesis import given, settings

from tests.messages.strategies import OBJECT
from worker.messages.mask import FIELDS_MAX, MASKED, masked


def test_what_is_known_is_shown() -> None:
    answer = {
        "result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success"},
        "refundAmount": {"currency": "USD", "value": "100"},
        "refundId": "1",
        "sub_code": "ACQ.SYSTEM_ERROR",
        "settlementQuote": None,
    }
    assert masked(answer) == answer


def test_the_buyers_data_is_hidden() -> None:
    answer = {
        "buyer_logon_id": "159****5620",
        "buyer_user_id": "2088101117955611",
        "buyer_open_id": "01501o8f93I3nJAGB1jG4ONtt",
        "refund_detail_item_list": [{"fund_channel": "ALIPAYACCOUNT", "amount": "10"}],
        "result": {"resultCode": "SUCCESS", "buyerName": "Zhang San"},
        "refundToBankInfo": {"accountNo": "6225000000000000"},
    }
    assert masked(answer) == {
        "buyer_logon_id": MASKED,
        "buyer_user_id": MASKED,
        "buyer_open_id": MASKED,
        "refund_detail_item_list": MASKED,
        "result": {"resultCode": "SUCCESS", "buyerName": MASKED},
        "refundToBankInfo": {"accountNo": MASKED},
    }


def test_a_known_name_is_no_way_in_for_an_object() -> None:
    assert masked({"refundId": {"buyer": "Zhang San"}, "result": {"resultCode": ["Zhang San"]}}) == {
        "refundId": {"buyer": MASKED},
        "result": {"resultCode": MASKED},
    }


@settings(max_examples=50)
@given(OBJECT)
def test_whatever_is_not_known_is_hidden(answer: dict[str, object]) -> None:
    shown = orjson.loads(orjson.dumps(masked(answer)))
    for value in shown.values():
        assert value in (None, MASKED) or set(value.values()) <= {MASKED}


def test_an_answer_of_any_size_stays_small() -> None:
    assert len(masked({str(number): "x" for number in range(1000)})) == FIELDS_MAX
