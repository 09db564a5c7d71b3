"""The v2 gateway: what is sent is what Alipay signs for, and only what it signed is believed."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alipay.mainland.sample import (
    APP_ID,
    CERTIFIED,
    COMMAND,
    FILE,
    INQUIRE,
    NOW,
    SUBMIT,
    TRADE_NO,
    V2,
    VECTORS,
    failed,
    queried,
    refunded,
    v2_body,
    v2_bytes,
    v2_read,
)
from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, MERCHANT, MERCHANT_PUBLIC
from worker.alipay.interface import ANSWER_SIZE_MAX, Interface, Keys, Operation
from worker.alipay.mainland.certificates import Certificates
from worker.alipay.mainland.content import inquiry_body
from worker.alipay.mainland.extract import extract
from worker.alipay.mainland.v2 import TARGET, MainlandV2, form, response_name, string_to_sign
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.money import Money
from worker.refunds.reply import Declined, Misconfigured, Pending, Succeeded, Throttled, Unknown, Unreadable

REQUESTS = [vector for vector in VECTORS.values() if vector["id"].startswith("v2-req")]
ANSWERS = [vector for vector in VECTORS.values() if vector["id"].startswith("v2-rsp")]
NEGATIVE = [vector for vector in FILE["negative"] if vector["id"].startswith("neg-v2")]
named = pytest.mark.parametrize
REFUND_NODE = response_name(Operation.REFUND)


def _id(vector: Mapping[str, Any]) -> str:
    return str(vector["id"])


def _vector_interface(vector: Mapping[str, Any]) -> MainlandV2:
    parameters = vector["params"]
    if "app_cert_sn" not in parameters:
        return V2
    sns = Certificates(parameters["app_cert_sn"], parameters["alipay_root_cert_sn"], frozenset())
    return replace(V2, certificates=sns)


@named("vector", REQUESTS, ids=_id)
def test_the_string_to_sign_is_the_agreed_bytes(vector: dict[str, Any]) -> None:
    content = string_to_sign(vector["params"])
    assert content == base64.b64decode(vector["string_to_sign_b64"])
    assert MERCHANT.sign(content) == vector["signature_b64"]


@named("vector", REQUESTS, ids=_id)
def test_the_request_is_the_agreed_form_to_the_last_byte(vector: dict[str, Any]) -> None:
    query = vector["params"]["method"] == "alipay.trade.fastpay.refund.query"
    interface = _vector_interface(vector)
    request = interface.request(INQUIRE if query else SUBMIT, interface.body(COMMAND), NOW)
    assert request.body.decode() == vector["form_urlencoded"]
    assert request.target == "/gateway.do?charset=utf-8"
    assert request.content_type == "application/x-www-form-urlencoded;charset=utf-8"
    assert request.operation is (Operation.INQUIRY if query else Operation.REFUND)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["app_id", "biz_content", "sign"]), st.text()))
def test_the_form_is_url_encoded_whatever_is_in_it(parameters: dict[str, str]) -> None:
    assert form(parameters) == urlencode(sorted(parameters.items())).encode()


@named("vector", ANSWERS, ids=_id)
def test_the_signed_part_of_an_agreed_answer_is_cut_out_of_it_and_verifies(vector: dict[str, Any]) -> None:
    envelope = extract(base64.b64decode(vector["raw_http_body_b64"]), vector["response_key"])
    assert envelope.node == base64.b64decode(vector["string_to_sign_b64"])
    assert envelope.sign == vector["signature_b64"]
    assert ALIPAY_PUBLIC.verify(envelope.node, vector["signature_b64"])
    assert not MERCHANT_PUBLIC.verify(envelope.node, vector["signature_b64"])


@named("vector", NEGATIVE, ids=_id)
def test_what_was_not_signed_does_not_verify(vector: dict[str, Any]) -> None:
    verifier = {"merchant": MERCHANT_PUBLIC, "alipay": ALIPAY_PUBLIC}[vector["signer"]]
    assert not verifier.verify(base64.b64decode(vector["string_b64"]), vector["signature_b64"])


@named(
    ("id_", "kind"),
    [
        ("v2-rsp-1-ok", "Succeeded"),
        ("v2-rsp-2-fund_change_N", "Pending"),
        ("v2-rsp-3-biz-fail", "Unfunded"),
        ("v2-rsp-5-escaped-slash", "Unreadable"),  # it does not say which trade it is about
        ("v2-rsp-9-query-ok", "Succeeded"),
        ("v2-rsp-10-query-empty", "NotFound"),
    ],
)
def test_the_agreed_answers_mean_what_their_pages_say(id_: str, kind: str) -> None:
    vector = VECTORS[id_]
    query = "query" in vector["response_key"]
    reply = v2_bytes(base64.b64decode(vector["raw_http_body_b64"]), INQUIRE if query else SUBMIT)
    assert type(reply).__name__ == kind


def _parameters(interface: MainlandV2, attempt: Attempt, now: float = NOW) -> dict[str, str]:
    body = interface.request(attempt, interface.body(attempt.command), now).body
    return dict(parse_qsl(body.decode(), strict_parsing=True))


def test_it_is_an_interface() -> None:
    interface: Interface = V2
    assert (interface.account, interface.environment) == (APP_ID, "production")
    assert interface.answer_headers == frozenset()
    assert not interface.error_bodies


def test_the_body_of_a_refund_call_is_the_pinned_one() -> None:
    body = parse_qs(V2.request(SUBMIT, b'{"pinned":"bytes"}', NOW).body.decode())
    assert body["biz_content"] == ['{"pinned":"bytes"}']


@named("stage", [Stage.INQUIRE, Stage.CONFIRM])
def test_an_inquiry_does_not_carry_the_refunds_body(stage: Stage) -> None:
    request = V2.request(replace(SUBMIT, stage=stage), b'{"pinned":"bytes"}', NOW)
    assert request.operation is Operation.INQUIRY
    assert parse_qs(request.body.decode())["biz_content"] == [inquiry_body(COMMAND).decode()]


@named(
    ("now", "text"),
    [
        (0.0, "1970-01-01 08:00:00"),
        (1_782_835_199.999, "2026-06-30 23:59:59"),
        (1_782_835_200.0, "2026-07-01 00:00:00"),
    ],
)
def test_the_time_is_beijings_wherever_the_worker_runs(now: float, text: str) -> None:
    assert _parameters(V2, SUBMIT, now)["timestamp"] == text


def test_a_merchants_token_goes_with_its_own_refunds_and_is_signed() -> None:
    isv = replace(V2, tokens={"shop-1": "token-1", "": "token-0"})
    for merchant, token in {"shop-1": "token-1", "shop-2": "token-0", "": "token-0"}.items():
        parameters = _parameters(isv, Attempt(replace(COMMAND, merchant=merchant)))
        sign = parameters.pop("sign")
        assert parameters["app_auth_token"] == token
        assert MERCHANT_PUBLIC.verify(string_to_sign(parameters), sign)
    assert "app_auth_token" not in _parameters(V2, Attempt(replace(COMMAND, merchant="shop-1")))


def test_no_parameter_is_empty_because_some_sign_those_and_some_do_not() -> None:
    assert all(_parameters(replace(V2, tokens={"": ""}), SUBMIT).values())


def test_nothing_secret_shows_in_its_text() -> None:
    assert "secret" not in repr(replace(V2, tokens={"": "secret"}))


@named(
    ("change", "text"),
    [
        ({"account": ""}, "app_id"),
        ({"account": "2021 0000"}, "app_id"),
        ({"account": "2" * 33}, "app_id"),
        ({"account": "用户"}, "app_id"),
        ({"environment": "test"}, "expected 'production' or 'sandbox'"),
        ({"tokens": {"": "a\nb"}}, "app_auth_token"),
        ({"tokens": {"shop": "token…"}}, "app_auth_token"),
    ],
)
def test_settings_that_cannot_be_sent_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        replace(V2, **change)


@named("status", [201, 302, 400, 429, 500, 503])
def test_another_status_than_200_leaves_the_outcome_open(status: int) -> None:
    reply = v2_bytes(v2_body(refunded(), REFUND_NODE), http_status=status)
    assert reply == Unknown(f"HTTP {status}")


@named("name", [REFUND_NODE, "error_response"])
def test_an_error_is_read_under_either_name(name: str) -> None:
    reply = v2_read(failed("isv.invalid-signature", "40002"), name=name)
    assert reply == Misconfigured("invalid-signature", "原因")


def test_a_success_may_not_be_another_calls() -> None:
    """A signed answer to a query, given as that of a refund call: its name is not signed, so the name is checked."""
    reply = v2_read(queried(), SUBMIT, name=response_name(Operation.INQUIRY))
    assert isinstance(reply, Unreadable)
    assert not reply.signed


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
@named("sign", ["", "AAAA", "*", 5, "é", MERCHANT.sign(orjson.dumps(refunded()))])
def test_a_wrong_signature_is_never_a_success_and_never_a_failure(attempt: Attempt, sign: object) -> None:
    for node in (
        refunded(),
        queried(),
        failed("ACQ.TRADE_HAS_FINISHED"),
        failed("isv.invalid-app-id", "40002"),
    ):
        reply = v2_read(node, attempt, sign=sign)
        assert isinstance(reply, Unreadable)
        assert not reply.signed


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
def test_a_changed_byte_under_a_good_signature_is_not_believed(attempt: Attempt) -> None:
    node = orjson.dumps(refunded(fund_change="N") if attempt is SUBMIT else queried(refund_status="NO"))
    body = v2_body(node, response_name(Operation.REFUND if attempt is SUBMIT else Operation.INQUIRY))
    for old, new in ((b'"N"', b'"Y"'), (b'"NO"', b'"REFUND_SUCCESS"'), (b"Success", b"success")):
        if old in body:
            reply = v2_bytes(body.replace(old, new), attempt)
            assert isinstance(reply, Unreadable)
            assert not reply.signed


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
@named(
    "node",
    [
        refunded(),
        queried(),
        queried(refund_status=None, refund_amount=None),
        failed("ACQ.TRADE_HAS_FINISHED"),
        failed("ACQ.TRADE_NOT_EXIST"),
        failed("ACQ.SELLER_BALANCE_NOT_ENOUGH"),
        failed("ACQ.MERCHANT_AGREEMENT_NOT_EXIST"),
        failed("ACQ.NEVER_HEARD_OF"),
        failed("isv.never-heard-of", "40002"),
    ],
)
def test_an_unsigned_answer_is_never_a_success_and_never_a_failure(
    attempt: Attempt, node: dict[str, Any]
) -> None:
    reply = v2_read(node, attempt, sign=None)
    assert isinstance(reply, Unknown) or (isinstance(reply, Unreadable) and not reply.signed)
    if attempt is SUBMIT:
        assert isinstance(reply, Unreadable)


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
def test_an_unsigned_credential_code_halts_since_alipay_cannot_sign_for_an_app_it_does_not_know(
    attempt: Attempt,
) -> None:
    node = failed("isv.invalid-app-id", "40002")
    assert v2_read(node, attempt, sign=None, name="error_response") == Misconfigured(
        "invalid-app-id", "原因", signed=False
    )
    token = failed("aop.app-auth-token-time-out", "20001")
    assert v2_read(token, attempt, sign=None) == Misconfigured(
        "app-auth-token-time-out", "原因", signed=False, merchant=True
    )


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
def test_an_unsigned_unknown_or_throttle_claims_nothing_and_is_heard(attempt: Attempt) -> None:
    assert v2_read(failed("aop.unknow-error", "20000"), attempt, sign=None) == Unknown("unknow-error")
    assert v2_read(failed("isv.app-call-limited", "40005"), attempt, sign=None) == Throttled(
        "app-call-limited"
    )


def test_an_answer_in_gbk_is_verified_as_it_came_and_then_read() -> None:
    r"""`\` and `}` are second bytes of characters there: a scan that does not know it finds another end."""
    node = '{"code":"20000","msg":"系统繁忙","sub_code":"aop.unknow-error","sub_msg":"誠乗}\\"{系"}'.encode(
        "gb18030"
    )
    assert b"\\" in node
    assert v2_read(node) == Unknown("unknow-error")
    declined = v2_read(
        '{"code":"40004","sub_code":"ACQ.TRADE_HAS_FINISHED","sub_msg":"交易已完結誠"}'.encode("gbk")
    )
    assert isinstance(declined, Declined)
    assert (declined.code, declined.message) == ("TRADE_HAS_FINISHED", "交易已完結誠")


def test_bytes_that_are_no_character_do_not_hide_a_success() -> None:
    node = orjson.dumps(refunded(store_name="#")).replace(b"#", b"\xff\xfe")
    assert isinstance(v2_read(node), Succeeded)


@named("sn", ["alipay-sn", "alipay-next-sn", None])
def test_in_certificate_mode_an_answer_names_one_of_alipays_certificates(sn: str | None) -> None:
    """Or none, as the sandbox does: its key is what is checked."""
    assert isinstance(v2_read(refunded(), interface=CERTIFIED, alipay_cert_sn=sn), Succeeded)


@named("sn", ["other-sn", "", 5, ["alipay-sn"]])
def test_in_certificate_mode_another_certificate_is_not_believed(sn: object) -> None:
    reply = v2_read(refunded(), interface=CERTIFIED, alipay_cert_sn=sn)
    assert isinstance(reply, Unreadable)
    assert not reply.signed


def test_without_certificates_their_name_in_an_answer_says_nothing() -> None:
    assert isinstance(v2_read(refunded(), alipay_cert_sn="any"), Succeeded)


def test_the_signature_may_stand_before_the_node_and_be_escaped() -> None:
    node = orjson.dumps(refunded())
    sign = ALIPAY.sign(node).replace("/", "\\/").encode()
    body = b'{ "sign" : "%s" , "alipay_cert_sn":"x", "%s" : %s }\n' % (sign, REFUND_NODE.encode(), node)
    assert isinstance(v2_bytes(body), Succeeded)


def test_spaces_and_escapes_in_the_node_are_part_of_what_is_signed() -> None:
    node = b'{ "code" : "10000", "fund_change":"Y", "out_trade_no":"%s",\n "x":"\\/}\\"\\\\"}'
    assert isinstance(v2_read(node % COMMAND.order_number.encode()), Succeeded)


@named(
    "body",
    [
        b"",
        b"<html>503</html>",
        b"null",
        b"{}",
        b'{"sign":"AAAA"}',
        b'{"alipay_trade_refund_response":"encrypted","sign":"AAAA"}',
        v2_body(refunded(), REFUND_NODE)[:-1],
        v2_body(refunded(), REFUND_NODE) + b"{}",
        v2_body(refunded(), REFUND_NODE)[:-1] + b',"error_response":{}}',
        v2_body(refunded(), REFUND_NODE)[:-1] + b',"sign":"AAAA"}',
        v2_body(b"{" + b" " * ANSWER_SIZE_MAX + b"}", REFUND_NODE),
    ],
)
def test_what_is_no_whole_answer_is_unreadable_and_unsigned(body: bytes) -> None:
    reply = v2_bytes(body)
    assert isinstance(reply, Unreadable)
    assert not reply.signed


@named(
    "node",
    [
        b"{}",
        b'{"code":""}',
        b'{"code":null}',
        b'{"code":["10000"],"fund_change":"Y"}',
        b'{"code":"10000","code":"40004"}',
        b'{"code":"10000",}',
        b'{"code":"10000","x":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
def test_a_signed_node_without_a_usable_content_is_unreadable_and_signed(node: bytes) -> None:
    reply = v2_read(node)
    assert isinstance(reply, Unreadable)
    assert reply.signed
    assert isinstance(v2_read(node, sign=None), Unreadable)


def test_the_answer_to_a_refund_by_trade_number_is_about_that_trade() -> None:
    by_trade = Attempt(replace(COMMAND, payment_id=TRADE_NO, order_number=""))
    assert isinstance(v2_read(refunded(), by_trade), Succeeded)
    assert isinstance(v2_read(refunded(fund_change=None), by_trade), Pending)


def test_both_keys_of_alipays_are_believed_while_it_changes_them() -> None:
    keys = Keys(MERCHANT, replace(ALIPAY_PUBLIC, keys=(*MERCHANT_PUBLIC.keys, *ALIPAY_PUBLIC.keys)))
    assert isinstance(v2_read(refunded(), interface=replace(V2, keys=keys)), Succeeded)


def test_a_refund_in_another_currency_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(ValueError, match="CNY"):
        V2.body(replace(COMMAND, amount=Money("USD", 1)))


def test_the_gateway_is_asked_in_the_charset_that_is_signed() -> None:
    assert TARGET.endswith("charset=" + _parameters(V2, SUBMIT)["charset"])
