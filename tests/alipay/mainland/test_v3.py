"""v3: what is sent is what Alipay signs for, and an error that is not signed fails no refund."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.alipay.mainland.sample import (
    APP_ID,
    CERTIFICATES,
    COMMAND,
    FILE,
    INQUIRE,
    NONCE,
    NOW,
    SUBMIT,
    TRADE_NO,
    V3,
    VECTORS,
    queried,
    refunded,
    v3_error,
    v3_fields,
    v3_read,
)
from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, MERCHANT, MERCHANT_PUBLIC
from worker.alipay.interface import ANSWER_SIZE_MAX, Answer, Interface, Operation
from worker.alipay.mainland.content import inquiry_body
from worker.alipay.mainland.v3 import MainlandV3, answer_to_verify, string_to_sign
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.money import Money
from worker.refunds.reply import (
    Declined,
    Misconfigured,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
    leaves_doubt,
)

REQUESTS = [vector for vector in VECTORS.values() if vector["id"].startswith("v3-req")]
NEGATIVE = [vector for vector in FILE["negative"] if vector["id"].startswith("neg-v3")]
ANSWER = VECTORS["v3-rsp-1"]
CERTIFIED = replace(V3, certificates=CERTIFICATES)
DONE = v3_fields(refunded())
FOUND = v3_fields(queried())
VECTOR_TIME = 1_795_000_000.0
ISV_COMMAND = replace(
    COMMAND,
    payment_id=TRADE_NO,
    order_number="",
    provider_request_id="rq-20261122-0002",
    amount=Money("CNY", 1),
    reason="商品质量问题 50% off & more = ok",
    query_options='["refund_detail_item_list","deposit_back_info"]',
)
named = pytest.mark.parametrize


def _id(vector: Mapping[str, Any]) -> str:
    return str(vector["id"])


@named("vector", REQUESTS, ids=_id)
def test_the_string_to_sign_is_the_agreed_bytes(vector: dict[str, Any]) -> None:
    content = string_to_sign(
        vector["auth_string"],
        vector["http_method"],
        vector["request_uri"],
        vector["body"].encode(),
        vector["app_auth_token"] or "",
    )
    assert content == base64.b64decode(vector["string_to_sign_b64"])
    assert hashlib.sha256(content).hexdigest() == vector["string_to_sign_sha256"]
    assert MERCHANT.sign(content) == vector["signature_b64"]
    assert MERCHANT_PUBLIC.verify(content, vector["signature_b64"])
    assert not ALIPAY_PUBLIC.verify(content, vector["signature_b64"])


@named(("id_", "command"), [("v3-req-1", COMMAND), ("v3-req-2-isv", ISV_COMMAND)])
def test_the_request_is_the_agreed_one_to_the_last_byte(id_: str, command: Any) -> None:
    vector = VECTORS[id_]
    token = vector["app_auth_token"]
    interface = replace(V3, tokens={"": token} if token else {})
    request = interface.request(Attempt(command), interface.body(command), VECTOR_TIME)
    assert request.body.decode() == vector["body"]
    assert request.target == vector["request_uri"]
    assert request.headers["Authorization"] == vector["authorization_header"]
    assert request.headers.get("alipay-app-auth-token") == token
    assert request.content_type == "application/json; charset=UTF-8"


def test_the_agreed_answer_verifies() -> None:
    body = ANSWER["body"].encode()
    content = answer_to_verify(ANSWER["timestamp"], ANSWER["nonce"], body)
    assert content == base64.b64decode(ANSWER["string_to_sign_b64"])
    assert ALIPAY.sign(content) == ANSWER["signature_b64"]
    request = V3.request(SUBMIT, b"{}", NOW)
    assert isinstance(V3.read(request, Answer(200, body, ANSWER["headers"]), COMMAND), Succeeded)


@named("vector", NEGATIVE, ids=_id)
def test_what_was_not_signed_does_not_verify(vector: dict[str, Any]) -> None:
    verifier = {"merchant": MERCHANT_PUBLIC, "alipay": ALIPAY_PUBLIC}[vector["signer"]]
    assert not verifier.verify(base64.b64decode(vector["string_b64"]), vector["signature_b64"])


def test_it_is_an_interface() -> None:
    interface: Interface = V3
    assert (interface.account, interface.environment) == (APP_ID, "production")
    assert interface.error_bodies
    assert interface.answer_headers == {
        "alipay-signature",
        "alipay-timestamp",
        "alipay-nonce",
        "alipay-sn",
    }


@named("stage", [Stage.INQUIRE, Stage.CONFIRM])
def test_an_inquiry_does_not_carry_the_refunds_body(stage: Stage) -> None:
    request = V3.request(replace(SUBMIT, stage=stage), b'{"pinned":"bytes"}', NOW)
    assert request.operation is Operation.INQUIRY
    assert request.target == "/v3/alipay/trade/fastpay/refund/query"
    assert request.body == inquiry_body(COMMAND)


def test_the_body_of_a_refund_call_is_the_pinned_one() -> None:
    assert V3.request(SUBMIT, b'{"pinned":"bytes"}', NOW).body == b'{"pinned":"bytes"}'


def test_certificate_mode_names_its_certificates_where_they_are_signed() -> None:
    headers = CERTIFIED.request(SUBMIT, b"{}", NOW).headers
    told = f"app_id={APP_ID},app_cert_sn=app-sn,timestamp=1795338000000,nonce={NONCE}"
    assert headers["alipay-root-cert-sn"] == "root-sn"
    assert headers["Authorization"].startswith(f"ALIPAY-SHA256withRSA {told},sign=")
    sign = headers["Authorization"].partition(",sign=")[2]
    content = string_to_sign(told, "POST", "/v3/alipay/trade/refund", b"{}")
    assert MERCHANT_PUBLIC.verify(content, sign)


def test_every_request_has_a_nonce_and_a_name_of_its_own() -> None:
    interface = MainlandV3(V3.account, V3.environment, V3.keys)
    seen = [interface.request(SUBMIT, b"{}", NOW).headers for _ in range(50)]
    assert len({headers["Authorization"] for headers in seen}) == 50
    assert len({headers["alipay-request-id"] for headers in seen}) == 50
    assert all(len(headers["alipay-request-id"]) == 32 for headers in seen)
    assert all(headers["alipay-request-id"].isalnum() for headers in seen)


def test_a_merchants_token_goes_with_its_own_refunds() -> None:
    isv = replace(V3, tokens={"shop-1": "token-1", "": "token-0"})
    for merchant, token in {"shop-1": "token-1", "shop-2": "token-0", "": "token-0"}.items():
        headers = isv.request(Attempt(replace(COMMAND, merchant=merchant)), b"{}", NOW).headers
        assert headers["alipay-app-auth-token"] == token
    assert "alipay-app-auth-token" not in V3.request(SUBMIT, b"{}", NOW).headers
    assert "token-0" not in repr(isv)


@named("change", [{"account": ""}, {"environment": "test"}, {"tokens": {"": "a\nb"}}])
def test_settings_that_cannot_be_sent_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|copy it"):
        replace(V3, **change)


def test_200_means_processed_and_fund_change_says_what_became_of_it() -> None:
    assert isinstance(v3_read(DONE), Succeeded)
    assert v3_read({**DONE, "fund_change": "N"}) == Pending("10000")
    assert isinstance(v3_read(FOUND, INQUIRE), Succeeded)
    assert v3_read({}, INQUIRE) == NotFound("NO_REFUND_STATUS")


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
@named("status", [202, 500, 502, 503, 504])
@named("signed", [True, False], ids=["signed", "unsigned"])
@named(
    "fields", [DONE, FOUND, {}, v3_error("ACQ.TRADE_HAS_FINISHED"), v3_error("unknow-error"), b"<html>", b""]
)
def test_202_and_5xx_leave_the_outcome_open(attempt: Attempt, status: int, signed: bool, fields: Any) -> None:
    assert isinstance(v3_read(fields, attempt, status, signed=signed), Unknown)


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
@named("signed", [True, False], ids=["signed", "unsigned"])
@named(
    "fields", [v3_error("app-call-limited"), v3_error("method-call-limited"), v3_error("?"), {}, b"<html>"]
)
def test_429_slows_down(attempt: Attempt, signed: bool, fields: Any) -> None:
    assert isinstance(v3_read(fields, attempt, 429, signed=signed), Throttled)


@named("status", [400, 401, 403, 404])
@named(
    ("code", "reply"),
    [
        ("TRADE_HAS_FINISHED", Declined),
        ("ACQ.TRADE_HAS_FINISHED", Declined),
        ("ACQ.SELLER_BALANCE_NOT_ENOUGH", Unfunded),
        ("ACQ.SYSTEM_ERROR", Unknown),
        ("app-call-limited", Throttled),
        ("invalid-signature", Misconfigured),
        ("ACQ.ACCESS_FORBIDDEN", Misconfigured),
        ("invalid-parameter", Declined),
    ],
)
def test_a_signed_error_means_what_its_code_says_whatever_its_status(
    status: int, code: str, reply: type[Reply]
) -> None:
    assert isinstance(v3_read(v3_error(code), SUBMIT, status), reply)


@named(
    ("status", "reply"),
    [(400, Declined), (401, Misconfigured), (403, Misconfigured), (404, Misconfigured), (429, Throttled)],
)
def test_with_an_unlisted_code_the_status_decides(status: int, reply: type[Reply]) -> None:
    told = v3_read(v3_error("ACQ.NEVER_HEARD_OF"), SUBMIT, status)
    assert isinstance(told, reply)
    if isinstance(told, Declined):
        assert told.confirm
        assert told.park


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
@named("status", [400, 401, 403, 404])
@named("code", ["invalid-signature", "invalid-app-id", "missing-signature-config", "ip-forbidden"])
def test_an_unsigned_credential_code_halts(attempt: Attempt, status: int, code: str) -> None:
    assert v3_read(v3_error(code), attempt, status, signed=False) == Misconfigured(code, "原因", signed=False)


@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
@named("status", [400, 401, 403])
@named(
    ("code", "merchant"),
    [("ACCESS_FORBIDDEN", False), ("PARTNER_ERROR", False), ("MERCHANT_AGREEMENT_NOT_EXIST", True)],
)
def test_a_missing_contract_halts_although_no_refusal_is_signed(
    attempt: Attempt, status: int, code: str, merchant: bool
) -> None:
    """Else every refund would ask about itself until it is parked."""
    reply = v3_read(v3_error(f"ACQ.{code}"), attempt, status, signed=False)
    assert reply == Misconfigured(code, "原因", signed=False, merchant=merchant)


@named("status", [200, 400, 401, 403, 404])
@named(
    "code",
    [
        "ACQ.TRADE_HAS_FINISHED",
        "ACQ.TRADE_NOT_EXIST",
        "ACQ.SELLER_BALANCE_NOT_ENOUGH",
        "ACQ.DISCORDANT_REPEAT_REQUEST",
        "ACQ.ACCESS_FORBIDDEN",
        "invalid-parameter",
        "10000",
    ],
)
def test_an_unsigned_refusal_is_never_a_failure_by_itself(status: int, code: str) -> None:
    """It has us ask; an inquiry's answer is signed."""
    match v3_read(v3_error(code), SUBMIT, status, signed=False):
        case Declined(confirm=confirm):
            assert confirm
        case Unreadable() | Misconfigured() | Unfunded() as reply:
            assert not reply.signed
            assert leaves_doubt(reply)
        case other:
            raise AssertionError(other)


@named("status", [400, 401, 403, 404])
def test_an_unsigned_refusal_of_a_query_says_nothing(status: int) -> None:
    reply = v3_read(v3_error("ACQ.TRADE_NOT_EXIST"), INQUIRE, status, signed=False)
    assert isinstance(reply, Unreadable)
    assert not reply.signed


@named("fields", [DONE, FOUND, {}, {"code": "10000", **DONE}])
@named("attempt", [SUBMIT, INQUIRE], ids=["refund", "query"])
def test_an_unsigned_success_is_never_a_success(attempt: Attempt, fields: dict[str, Any]) -> None:
    reply = v3_read(fields, attempt, signed=False)
    assert isinstance(reply, Unreadable)
    assert not reply.signed


@named("status", [200, 202, 400, 429, 500])
@named(
    "headers",
    [
        {"alipay-signature": ""},
        {"alipay-signature": "AAAA"},
        {"alipay-timestamp": None},
        {"alipay-timestamp": "1795000000501"},
        {"alipay-nonce": None},
        {"alipay-nonce": "8d4f2c9a7c"},
        {
            "alipay-signature": MERCHANT.sign(
                answer_to_verify("1795000000500", "8d4f2c9a7b", orjson.dumps(DONE))
            )
        },
    ],
)
def test_a_wrong_signature_is_never_a_success_and_never_a_failure(
    status: int, headers: dict[str, str | None]
) -> None:
    for fields in (DONE, v3_error("TRADE_HAS_FINISHED"), v3_error("invalid-app-id")):
        reply = v3_read(fields, SUBMIT, status, headers=headers)
        assert isinstance(reply, Unreadable)
        assert not reply.signed


@named(
    ("sn", "believed"),
    [("alipay-sn", True), ("alipay-next-sn", True), (None, True), ("", False), ("x", False)],
)
def test_in_certificate_mode_an_answer_names_one_of_alipays_certificates(
    sn: str | None, believed: bool
) -> None:
    reply = v3_read(DONE, interface=CERTIFIED, headers={"alipay-sn": sn})
    assert isinstance(reply, Succeeded) is believed


@named("status", [400, 403])
@named("fields", [{}, {"code": None}, {"code": ""}, {"code": {}}, b"<html>", b"[]", b"{", b""])
def test_an_error_that_is_not_alipays_leaves_the_outcome_open(status: int, fields: Any) -> None:
    assert v3_read(fields, SUBMIT, status, signed=False) == Unknown(f"HTTP {status}")


@named("status", [400, 401, 403, 404])
def test_an_error_is_no_success_even_if_it_says_so(status: int) -> None:
    reply = v3_read({**refunded(), "sub_code": ""}, SUBMIT, status)
    assert not isinstance(reply, Succeeded)


def test_200_with_an_errors_code_is_asked_about() -> None:
    assert v3_read({**DONE, "code": "ACQ.TRADE_HAS_FINISHED"}) == Pending("TRADE_HAS_FINISHED")
    assert v3_read({**FOUND, "code": "ACQ.TRADE_HAS_FINISHED"}, INQUIRE) == Unknown("TRADE_HAS_FINISHED")


@named("body", [b"", b"null", b"<html>", b"{}" + b" " * ANSWER_SIZE_MAX])
def test_a_200_that_is_no_answer_is_unreadable(body: bytes) -> None:
    for signed in (True, False):
        reply = v3_read(body, signed=signed)
        assert isinstance(reply, Unreadable)
        assert reply.signed is (signed and len(body) <= ANSWER_SIZE_MAX)
