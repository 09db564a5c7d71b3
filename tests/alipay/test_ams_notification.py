"""notifyRefund: what is believed, what is refused, and the one answer."""

import json
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, MERCHANT
from worker.alipay.ams.notification import AmsNotifications
from worker.alipay.ams.signing import signature_header, string_to_sign
from worker.alipay.notification import Posted, Refusal, Refused, Unrelated
from worker.alipay.signing import Signer
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told

FILE: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_bytes())
VECTOR: Final = next(vector for vector in FILE["vectors"] if vector["id"] == "ams-notify-1")
CLIENT: Final = "5J5YX4Z23X2S04815"
PATH: Final = "/notify/global"
NOW: Final = 1_700_000_000.0
TIME: Final = "1700000000500"
READER: Final = AmsNotifications("global", CLIENT, ALIPAY_PUBLIC)
FIELDS: Final[dict[str, Any]] = {
    "notifyType": "REFUND_RESULT",
    "refundRequestId": "order-7-refund-1",
    "refundId": "2026040419074101000700000077777",
    "refundStatus": "SUCCESS",
    "refundAmount": {"currency": "USD", "value": "1050"},
    "refundTime": "2023-11-14T22:13:21+00:00",
    "result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success"},
}


def posted(fields: dict[str, Any] | bytes, signer: Signer = ALIPAY, **headers: str) -> Posted:
    """A notification; `headers` replace those it would have."""
    body = fields if isinstance(fields, bytes) else orjson.dumps(fields)
    signature = signature_header(signer.sign(string_to_sign("POST", PATH, CLIENT, TIME, body)))
    sent = {"client-id": CLIENT, "request-time": TIME, "signature": signature}
    return Posted(
        "POST", PATH, sent | {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


def read(fields: dict[str, Any] | bytes) -> Notice | Unrelated | Refused:
    return READER.read(posted(fields), NOW)


def test_the_published_vector_verifies() -> None:
    headers = {
        "client-id": VECTOR["client_id"],
        "request-time": VECTOR["time"],
        "signature": VECTOR["signature_header"],
    }
    reader = AmsNotifications("global", VECTOR["client_id"], ALIPAY_PUBLIC)
    found = reader.read(Posted("POST", VECTOR["path"], headers, VECTOR["body"].encode()), NOW)
    assert isinstance(found, Notice)
    assert (found.provider_request_id, found.status, found.amount) == (
        "rq-20261122-0001",
        Told.SUCCEEDED,
        Money("USD", 100),
    )


def test_a_notice_says_which_refund_what_became_of_it_how_much_and_when() -> None:
    found = read(FIELDS)
    assert isinstance(found, Notice)
    assert found == Notice(
        "global",
        "order-7-refund-1",
        Told.SUCCEEDED,
        1_700_000_001.0,
        found.notice_id,
        amount=Money("USD", 1050),
        provider_refund_id="2026040419074101000700000077777",
    )


@pytest.mark.parametrize(
    ("status", "told"),
    [("SUCCESS", Told.SUCCEEDED), ("FAIL", Told.FAILED), ("PROCESSING", Told.OTHER), (None, Told.OTHER)],
)
def test_only_a_listed_status_says_what_became_of_the_refund(status: str | None, told: Told) -> None:
    found = read({**FIELDS, "refundStatus": status})
    assert isinstance(found, Notice)
    assert found.status is told


def test_a_notice_that_is_sent_again_has_the_same_id_and_another_one_has_not() -> None:
    found = [read(FIELDS), read(FIELDS), read({**FIELDS, "refundStatus": "FAIL"})]
    first, again, other = (notice.notice_id for notice in found if isinstance(notice, Notice))
    assert first == again != other


@pytest.mark.parametrize(
    ("refund_time", "request_time", "at"),
    [(None, TIME, 1_700_000_000.5), ("soon", TIME, 1_700_000_000.5), (None, "9" * 30, NOW), (None, "x", NOW)],
)
def test_a_moment_that_is_not_said_is_that_of_the_request_or_now(
    refund_time: str | None, request_time: str, at: float
) -> None:
    body = orjson.dumps({**FIELDS, "refundTime": refund_time})
    signature = signature_header(ALIPAY.sign(string_to_sign("POST", PATH, CLIENT, request_time, body)))
    headers = {"client-id": CLIENT, "request-time": request_time, "signature": signature}
    found = READER.read(Posted("POST", PATH, headers, body), NOW)
    assert isinstance(found, Notice)
    assert found.at == at


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        (posted(FIELDS, signature=""), Refusal.UNSIGNED),
        (posted(FIELDS, request_time=""), Refusal.UNSIGNED),
        (posted(FIELDS, client_id="another"), Refusal.OTHER_ACCOUNT),
        (posted(FIELDS, client_id=""), Refusal.OTHER_ACCOUNT),
        (posted(FIELDS, request_time="1700000000501"), Refusal.BAD_SIGNATURE),
        (posted(FIELDS, signer=MERCHANT), Refusal.BAD_SIGNATURE),
        (posted(FIELDS, signature="algorithm=RSA256,keyVersion=1,signature=x"), Refusal.BAD_SIGNATURE),
        (Posted("GET", PATH, posted(FIELDS).headers, posted(FIELDS).body), Refusal.BAD_SIGNATURE),
        (Posted("POST", "/notify/other", posted(FIELDS).headers, posted(FIELDS).body), Refusal.BAD_SIGNATURE),
        (Posted("POST", PATH, posted(FIELDS).headers, posted(FIELDS).body + b" "), Refusal.BAD_SIGNATURE),
        (posted(b"not json"), Refusal.UNREADABLE),
        (posted(b'{"notifyType":"REFUND_RESULT","notifyType":"REFUND_RESULT"}'), Refusal.UNREADABLE),
        (posted({**FIELDS, "refundRequestId": None}), Refusal.UNREADABLE),
    ],
)
def test_what_cannot_be_verified_or_read_is_refused(changed: Posted, refusal: Refusal) -> None:
    found = READER.read(changed, NOW)
    assert isinstance(found, Refused)
    assert found.refusal is refusal


@pytest.mark.parametrize("others", [{"notifyType": "PAYMENT_RESULT"}, {"refundRequestId": "a b"}])
def test_what_is_about_no_refund_of_ours_is_unrelated(others: dict[str, str]) -> None:
    assert isinstance(read({**FIELDS, **others}), Unrelated)


@pytest.mark.parametrize(
    "amount",
    [
        *(None, 1050, {"currency": "USD"}, {"currency": "XXX", "value": "1"}),
        *({"currency": "USD", "value": "1.0"}, {"currency": ["USD"], "value": "1"}),
    ],
)
def test_an_amount_that_cannot_be_read_is_none(amount: object) -> None:
    found = read({**FIELDS, "refundAmount": amount})
    assert isinstance(found, Notice)
    assert found.amount is None


def test_the_acknowledgement_is_what_alipay_asks_for_to_the_letter() -> None:
    assert READER.acknowledgement.body == (
        b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}'
    )


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_posted_is_an_answer_and_no_error(body: bytes, time: str, signature: str) -> None:
    headers = {"client-id": CLIENT, "request-time": time, "signature": signature}
    assert isinstance(READER.read(Posted("POST", PATH, headers, body), NOW), Refused)


@given(
    st.binary(max_size=200) | st.dictionaries(st.sampled_from(list(FIELDS)), st.none() | st.text(max_size=9))
)
def test_whatever_alipay_signs_is_an_answer_and_no_error(content: bytes | dict[str, Any]) -> None:
    assert isinstance(read(content), Notice | Unrelated | Refused)
