"""Commands to bytes and answers to replies: what is believed, in which order, and what never is."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alipay.sample import COMMAND, RESPONSE_TIME, inquired, refunded, result, trusted
from worker.alipay.ams.content import (
    VerifiedAnswer,
    inquiry_body,
    read_inquiry_answer,
    read_refund_answer,
    refund_body,
)
from worker.alipay.interface import ANSWER_SIZE_MAX
from worker.refunds.money import Money
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Unknown,
    Unreadable,
)

FULL = replace(
    COMMAND,
    provider_request_id="provider-id-1",
    reason="size – too small",
    reference_refund_id="secondary-1",
    notify_url="https://shop.example/notify",
    capture_id="capture-1",
    metadata='{"note":"x"}',
    goods='[{"goodsQuantity":"1","referenceGoodsId":"g1"}]',
    split_details='[{"splitTo":"m1"}]',
)


def refund(fields: dict[str, Any] | bytes) -> Reply:
    return read_refund_answer(trusted(fields), COMMAND)


def inquiry(fields: dict[str, Any] | bytes) -> Reply:
    return read_inquiry_answer(trusted(fields), COMMAND)


class TestRequests:
    def test_only_the_fields_that_were_given_are_sent(self) -> None:
        assert refund_body(COMMAND) == (
            b'{"refundRequestId":"order-7-refund-1","paymentId":"20260404190741010007050000127720000",'
            b'"refundAmount":{"currency":"USD","value":"1050"}}'
        )

    def test_every_field_has_its_place_and_every_scalar_is_a_string(self) -> None:
        assert refund_body(FULL).decode() == (
            '{"refundRequestId":"provider-id-1","paymentId":"20260404190741010007050000127720000",'
            '"refundAmount":{"currency":"USD","value":"1050"},"referenceRefundId":"secondary-1",'
            '"refundReason":"size – too small","refundNotifyUrl":"https://shop.example/notify",'
            '"captureId":"capture-1","metadata":"{\\"note\\":\\"x\\"}",'
            '"goods":[{"goodsQuantity":"1","referenceGoodsId":"g1"}],"splitDetails":[{"splitTo":"m1"}]}'
        )

    def test_the_amount_is_sent_in_minor_units_without_loss(self) -> None:
        body = refund_body(replace(COMMAND, amount=Money("JPY", 9_007_199_254_740_993)))
        assert orjson.loads(body)["refundAmount"] == {"currency": "JPY", "value": "9007199254740993"}

    def test_an_inquiry_names_the_refund_by_our_id_alone(self) -> None:
        assert inquiry_body("order-7-refund-1") == b'{"refundRequestId":"order-7-refund-1"}'


class TestTrust:
    @pytest.mark.parametrize("http_status", [201, 202, 204, 301, 400, 401, 404, 408, 429, 500, 502, 503, 504])
    def test_another_status_than_200_is_unknown_and_may_have_moved_money(self, http_status: int) -> None:
        assert read_refund_answer(trusted(refunded(), http_status), COMMAND) == Unknown(f"HTTP {http_status}")
        assert read_inquiry_answer(trusted(inquired(), http_status), COMMAND) == Unknown(
            f"HTTP {http_status}"
        )

    @pytest.mark.parametrize(
        "fields", [refunded(), result("F", "RISK_REJECT"), result("F", "INVALID_SIGNATURE")]
    )
    @pytest.mark.parametrize(
        ("signature", "response_time"),
        [("forged", RESPONSE_TIME), ("x", None), (None, RESPONSE_TIME), ("", ""), ("x", ""), ("", None)],
    )
    def test_a_wrong_or_half_signature_is_unreadable_whatever_the_answer_says(
        self, fields: dict[str, Any], signature: str | None, response_time: str | None
    ) -> None:
        answer = VerifiedAnswer(200, orjson.dumps(fields), signature, response_time)
        assert isinstance(read_refund_answer(answer, COMMAND), Unreadable)
        assert isinstance(read_inquiry_answer(answer, COMMAND), Unreadable)

    def test_the_reason_tells_a_missing_header_from_a_wrong_signature(self) -> None:
        body = orjson.dumps(refunded())
        half = read_refund_answer(VerifiedAnswer(200, body, "x"), COMMAND)
        wrong = read_refund_answer(VerifiedAnswer(200, body, "x", RESPONSE_TIME), COMMAND)
        assert isinstance(half, Unreadable)
        assert isinstance(wrong, Unreadable)
        assert "missing" in half.reason
        assert "not Alipay's" in wrong.reason

    @pytest.mark.parametrize("code", ["INVALID_SIGNATURE", "SIGNATURE_INVALID", "KEY_NOT_FOUND"])
    def test_an_unsigned_credential_code_says_that_we_are_wrong(self, code: str) -> None:
        answer = VerifiedAnswer(200, orjson.dumps(result("F", code)))
        assert read_refund_answer(answer, COMMAND) == Misconfigured(code, "told", signed=False)
        assert read_inquiry_answer(answer, COMMAND) == Misconfigured(code, "told", signed=False)

    @pytest.mark.parametrize(
        "fields",
        [
            refunded(),
            result("F", "RISK_REJECT"),
            result("F", "SYSTEM_ERROR"),
            result("F", "ORDER_NOT_EXIST"),
            result("F", "INVALID_MERCHANT_STATUS"),
            result("U", "INVALID_SIGNATURE"),
            result("S", "INVALID_SIGNATURE"),
            result("U", "UNKNOWN_EXCEPTION"),
            result("U", "REQUEST_TRAFFIC_EXCEED_LIMIT"),
        ],
    )
    def test_anything_else_unsigned_is_unreadable(self, fields: dict[str, Any]) -> None:
        answer = VerifiedAnswer(200, orjson.dumps(fields))
        assert isinstance(read_refund_answer(answer, COMMAND), Unreadable)
        assert isinstance(read_inquiry_answer(answer, COMMAND), Unreadable)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b"<html>gateway</html>",
            b'{"result":',
            b"\xff\xfe",
            b"{}",
            b'{"result":"S"}',
            b'{"result":{"resultCode":"SUCCESS"}}',
            b'{"result":{"resultStatus":"S"}}',
            b'{"result":{"resultStatus":"X","resultCode":"SUCCESS"}}',
            b'{"result":{"resultStatus":"f","resultCode":"RISK_REJECT"}}',
            b'{"result":{"resultStatus":1,"resultCode":"RISK_REJECT"}}',
            b'{"result":{"resultStatus":"F","resultCode":""}}',
            b'{"result":{"resultStatus":"F","resultCode":7}}',
            b'{"result":{"resultStatus":"F","resultCode":"RISK_REJECT","resultCode":"SUCCESS"}}',
            b'{"result":{"resultStatus":"F","resultCode":"RISK_REJECT"},"result":{}}',
        ],
    )
    def test_a_broken_body_is_unreadable(self, body: bytes) -> None:
        assert isinstance(refund(body), Unreadable)
        assert isinstance(inquiry(body), Unreadable)
        assert isinstance(read_refund_answer(VerifiedAnswer(200, body), COMMAND), Unreadable)

    def test_an_answer_above_the_limit_is_unreadable(self) -> None:
        assert isinstance(refund(refunded(filler="x" * ANSWER_SIZE_MAX)), Unreadable)

    def test_an_answer_within_the_limit_is_read(self) -> None:
        assert isinstance(refund(refunded(filler="x" * (ANSWER_SIZE_MAX - 1000))), Succeeded)

    @given(st.binary(max_size=200))
    def test_no_body_whatsoever_raises_or_moves_a_refund(self, body: bytes) -> None:
        assert isinstance(refund(body), Unreadable)
        assert isinstance(inquiry(body), Unreadable)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [*refunded(refundStatus="x"), "resultStatus", "resultCode", "currency", "value"]
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=20,
        )
    )
    def test_no_json_whatsoever_raises(self, value: object) -> None:
        body = orjson.dumps(value, option=None) if not _huge(value) else b"0"
        assert not isinstance(refund(body), Succeeded)
        assert not isinstance(inquiry(body), Succeeded | Declined)


def _huge(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits
        return True
    return False


class TestRefund:
    def test_a_signed_success_that_echoes_our_refund_is_a_success(self) -> None:
        settled = {
            "grossSettlementAmount": {"currency": "EUR", "value": "970"},
            "settlementQuote": {"quoteId": "q1", "quotePrice": "0.92", "guaranteed": "true"},
        }
        reply = refund(refunded(**settled, acquirerReferenceNo="acquirer-1"))
        assert isinstance(reply, Succeeded)
        assert reply.refund_id == "2026040419074101000700000077777"
        assert reply.refund_time == "2026-04-04T14:08:55+05:30"
        assert reply.gross_settlement_amount == {"currency": "EUR", "value": "970"}
        assert reply.settlement_quote == {"quoteId": "q1", "quotePrice": "0.92", "guaranteed": "true"}
        assert (reply.code, reply.message) == ("SUCCESS", "success.")
        assert reply.provider["acquirerReferenceNo"] == "acquirer-1"

    @pytest.mark.parametrize("name", ["refundRequestId", "paymentId", "refundAmount"])
    def test_a_success_without_the_echo_is_not_believed(self, name: str) -> None:
        assert isinstance(refund(refunded(**{name: None})), Unreadable)

    @pytest.mark.parametrize(
        "others",
        [
            {"refundRequestId": "order-7-refund-2"},
            {"paymentId": "20260404190741010007050000127720001"},
            {"refundAmount": {"currency": "USD", "value": "1051"}},
            {"refundAmount": {"currency": "EUR", "value": "1050"}},
            {"refundAmount": {"currency": "USD", "value": "10.50"}},
            {"refundAmount": {"currency": "USD", "value": "01050"}},
            {"refundAmount": {"currency": "usd", "value": "1050"}},
        ],
    )
    def test_a_success_about_something_else_is_a_contradiction(self, others: dict[str, Any]) -> None:
        assert isinstance(refund(refunded(**others)), Contradicted)

    @pytest.mark.parametrize(
        "amount", ["1050", {}, {"currency": "USD"}, {"value": "1050"}, {"currency": "USD", "value": 1050}]
    )
    def test_a_success_with_a_broken_amount_is_not_believed(self, amount: object) -> None:
        assert isinstance(refund(refunded(refundAmount=amount)), Unreadable)

    @pytest.mark.parametrize("name", ["refundRequestId", "paymentId"])
    def test_a_success_with_an_echo_that_is_no_text_is_not_believed(self, name: str) -> None:
        assert isinstance(refund(refunded(**{name: 7})), Unreadable)

    @pytest.mark.parametrize("status_and_code", [("F", "RISK_REJECT"), ("U", "UNKNOWN_EXCEPTION")])
    def test_an_answer_that_names_another_refund_is_a_contradiction_whatever_it_says(
        self, status_and_code: tuple[str, str]
    ) -> None:
        fields = {**result(*status_and_code), "refundRequestId": "order-7-refund-2"}
        assert isinstance(refund(fields), Contradicted)

    def test_the_echo_is_the_id_that_alipay_was_given(self) -> None:
        command = replace(COMMAND, provider_request_id="provider-id-1")
        answer = trusted(refunded(refundRequestId="provider-id-1"))
        assert isinstance(read_refund_answer(answer, command), Succeeded)

    def test_a_decline_keeps_the_providers_words(self) -> None:
        reply = refund(result("F", "RISK_REJECT", "refused"))
        assert isinstance(reply, Declined)
        assert (reply.code, reply.message) == ("RISK_REJECT", "refused")
        assert reply.provider == result("F", "RISK_REJECT", "refused")

    def test_in_process_is_pending(self) -> None:
        assert refund(result("U", "REFUND_IN_PROCESS")) == Pending("REFUND_IN_PROCESS")

    def test_an_unlisted_failure_is_for_a_human(self) -> None:
        reply = refund(result("F", "BRAND_NEW"))
        assert isinstance(reply, Declined)
        assert (reply.confirm, reply.park, reply.next_action) == (True, True, NextAction.ASK_A_HUMAN)


class TestInquiry:
    def test_success_with_the_echo_is_a_success(self) -> None:
        reply = inquiry(inquired())
        assert isinstance(reply, Succeeded)
        assert reply.refund_id == "2026040419074101000700000077777"

    @pytest.mark.parametrize("status", ["PROCESSING", "PENDING", "BRAND_NEW", "success", "X" * 40])
    def test_every_status_that_is_not_final_is_pending(self, status: str) -> None:
        assert inquiry(inquired(status)) == Pending(status[:16])

    @pytest.mark.parametrize("status", ["FAIL", "CANCELLED"])
    def test_a_failed_refund_is_declined_by_its_own_status(self, status: str) -> None:
        reply = inquiry(inquired(status, refundTime=None))
        assert isinstance(reply, Declined)
        assert (reply.code, reply.confirm, reply.park, reply.suspect) == (status, False, False, False)
        assert reply.next_action is NextAction.NEW_REFUND

    @pytest.mark.parametrize("status", ["SUCCESS", "FAIL", "CANCELLED"])
    @pytest.mark.parametrize("name", ["refundRequestId", "refundAmount"])
    def test_a_final_status_without_the_echo_is_not_believed(self, status: str, name: str) -> None:
        assert isinstance(inquiry(inquired(status, **{name: None})), Unreadable)

    @pytest.mark.parametrize("status", ["SUCCESS", "FAIL", "PROCESSING"])
    @pytest.mark.parametrize(
        "others",
        [{"refundRequestId": "other"}, {"refundAmount": {"currency": "USD", "value": "1"}}],
    )
    def test_an_answer_about_another_refund_is_a_contradiction(
        self, status: str, others: dict[str, Any]
    ) -> None:
        assert isinstance(inquiry(inquired(status, **others)), Contradicted)

    @pytest.mark.parametrize("status", [None, "", 1, ["SUCCESS"]])
    def test_a_working_inquiry_without_a_status_is_not_believed(self, status: Any) -> None:
        assert isinstance(inquiry(inquired(status)), Unreadable)

    def test_a_pending_refund_needs_no_echo(self) -> None:
        assert inquiry({**result("S", "SUCCESS"), "refundStatus": "PROCESSING"}) == Pending("PROCESSING")

    def test_the_inquirys_own_failure_does_not_let_the_status_speak(self) -> None:
        assert inquiry({**inquired("SUCCESS"), **result("U", "UNKNOWN_EXCEPTION")}) == Unknown(
            "UNKNOWN_EXCEPTION"
        )
        assert inquiry({**inquired("FAIL"), **result("F", "PROCESS_FAIL")}) == Unknown("PROCESS_FAIL")

    def test_not_found_is_not_found(self) -> None:
        assert inquiry(result("F", "ORDER_NOT_EXIST")) == NotFound("ORDER_NOT_EXIST")


class TestMasking:
    def test_only_known_fields_without_the_buyer_are_published(self) -> None:
        buyer = {
            "customizedInfo": "Jane Doe",
            "refundToBankInfo": {"accountNo": "1"},
            "result": {**refunded()["result"], "debug": "x"},
        }
        reply = refund(refunded(**buyer))
        assert isinstance(reply, Succeeded)
        assert reply.provider == refunded()

    def test_long_texts_are_cut_to_their_documented_lengths(self) -> None:
        reply = refund({**refunded(refundId="i" * 99), **result("S", "SUCCESS", "m" * 999)})
        assert isinstance(reply, Succeeded)
        assert reply.refund_id == "i" * 64
        assert reply.message == "m" * 256
        assert reply.provider["result"]["resultMessage"] == "m" * 256

    def test_an_unlisted_code_is_cut_too(self) -> None:
        reply = refund(result("U", "C" * 99))
        assert reply == Unknown("C" * 64)

    def test_values_of_other_types_are_not_published(self) -> None:
        reply = refund(refunded(refundTime=5, arn={"a": 1}, settlementQuote=[1]))
        assert isinstance(reply, Succeeded)
        assert (reply.refund_time, reply.settlement_quote) == ("", None)
        assert not {"refundTime", "arn", "settlementQuote"} & set(reply.provider)
