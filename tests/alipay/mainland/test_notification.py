"""The mainland's notifications: forms in two charsets, two kinds of signed strings, two messages about refunds."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alipay.mainland.sample import APP_ID, CERTIFICATES, VECTORS
from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, MERCHANT
from worker.alipay.mainland.notification import MainlandNotifications
from worker.alipay.notification import Posted, Refusal, Refused, Unrelated
from worker.alipay.signing import Signer
from worker.refunds.money import Money
from worker.refunds.notice import Notice, Told

NOW: Final = 1_700_000_000.0
READER: Final = MainlandNotifications("cn", APP_ID, ALIPAY_PUBLIC)
CERTIFIED: Final = MainlandNotifications("cn", APP_ID, ALIPAY_PUBLIC, CERTIFICATES)
TRADE: Final = {
    "notify_time": "2026-11-22 17:00:02",
    "notify_type": "trade_status_sync",
    "notify_id": "2026112200222170001000000000000001",
    "app_id": APP_ID,
    "charset": "utf-8",
    "version": "1.0",
    "sign_type": "RSA2",
    "trade_no": "2026112222001400000000000001",
    "out_trade_no": "order-7",
    "out_biz_no": "order-7-refund-1",
    "trade_status": "TRADE_SUCCESS",
    "refund_fee": "10.00",
    "gmt_refund": "2026-11-22 17:00:01.500",
    "subject": "测试 100% & more",
    "seller_id": "2088000000000002",
}
CONTENT: Final = {
    "trade_no": "2026112222001400000000000001",
    "out_trade_no": "order-7",
    "out_request_no": "order-7-refund-1",
    "dback_status": "F",
    "dback_amount": "1.01",
    "bank_ack_time": "2026-11-22 17:00:01",
}
MESSAGE: Final = {
    "notify_id": "5608cccc09ddb39d41c2e3c06e3d9fejh2",
    "utc_timestamp": "1795338002000",
    "msg_method": "alipay.trade.refund.depositback.completed",
    "app_id": APP_ID,
    "version": "1.1",
    "biz_content": orjson.dumps(CONTENT).decode(),
    "charset": "UTF-8",
    "sign_type": "RSA2",
}
AT: Final = 1_795_338_001.0
"""2026-11-22 17:00:01 in Beijing."""


def posted(
    texts: Mapping[str, str],
    omitted: frozenset[str] = frozenset({"sign_type"}),
    charset: str = "utf-8",
    signer: Signer = ALIPAY,
    *,
    empties: bool = True,
) -> Posted:
    """The form as it travels, signed over all but `omitted`."""
    signed = sorted((k, v) for k, v in texts.items() if k not in omitted and (empties or v))
    sign = signer.sign("&".join(f"{name}={value}" for name, value in signed).encode(charset))
    pairs = [*texts.items(), ("sign", sign)]
    body = "&".join(f"{name}={quote_plus(value.encode(charset))}" for name, value in pairs)
    return Posted("POST", "/notify/cn", {}, body.encode())


def read(given: Posted, reader: MainlandNotifications = READER) -> Notice | Unrelated | Refused:
    return reader.read(given, NOW)


def test_the_published_vector_verifies() -> None:
    vector = VECTORS["v2-notify-1-partial-refund"]
    found = read(Posted("POST", "/", {}, vector["form_urlencoded"].encode()))
    assert isinstance(found, Notice)
    assert (found.provider_request_id, found.payment_id, found.status) == (
        "rq-20261122-0001",
        "2026112222001400000000000001",
        Told.SUCCEEDED,
    )


def test_a_trades_notice_says_which_refund_succeeded_and_when_but_not_how_much_it_was() -> None:
    """refund_fee counts all refunds of the trade together."""
    assert read(posted(TRADE)) == Notice(
        "cn",
        "order-7-refund-1",
        Told.SUCCEEDED,
        AT + 0.5,
        "2026112200222170001000000000000001",
        "2026112222001400000000000001",
        "order-7",
    )


def test_a_bank_that_did_not_take_the_money_returned_it() -> None:
    assert read(posted(MESSAGE, frozenset())) == Notice(
        "cn",
        "order-7-refund-1",
        Told.RETURNED,
        AT,
        "5608cccc09ddb39d41c2e3c06e3d9fejh2",
        "2026112222001400000000000001",
        "order-7",
        Money("CNY", 101),
    )


@pytest.mark.parametrize(
    ("status", "told"), [("S", Told.SUCCEEDED), ("F", Told.RETURNED), ("P", Told.OTHER), ("", Told.OTHER)]
)
def test_the_banks_answer_says_whether_the_money_came_back(status: str, told: Told) -> None:
    content = orjson.dumps({**CONTENT, "dback_status": status}).decode()
    found = read(posted({**MESSAGE, "biz_content": content}))
    assert isinstance(found, Notice)
    assert found.status is told


@pytest.mark.parametrize(
    "omitted",
    [set(), {"sign_type"}, {"alipay_cert_sn"}, {"sign_type", "alipay_cert_sn"}],
    ids=lambda names: "-".join(sorted(names)),
)
@pytest.mark.parametrize("empties", [True, False])
@pytest.mark.parametrize("texts", [TRADE, MESSAGE], ids=["trade", "message"])
def test_it_verifies_whatever_was_left_out_of_the_signed_string(
    texts: Mapping[str, str], empties: bool, omitted: set[str]
) -> None:
    form = {**texts, "alipay_cert_sn": "alipay-sn", "buyer_logon_id": ""}
    assert isinstance(read(posted(form, frozenset(omitted), empties=empties), CERTIFIED), Notice)


@pytest.mark.parametrize("charset", ["GBK", "gbk", "gb2312", "GB18030"])
def test_a_form_in_gbk_verifies_over_its_own_bytes(charset: str) -> None:
    found = read(posted({**TRADE, "charset": charset}, charset=charset))
    assert isinstance(found, Notice)
    assert found.order_number == "order-7"


def test_a_form_without_a_charset_is_utf8() -> None:
    form = {name: value for name, value in TRADE.items() if name != "charset"}
    assert isinstance(read(posted(form)), Notice)


def test_a_full_refund_without_a_number_goes_by_the_orders() -> None:
    found = read(posted({**TRADE, "out_biz_no": "order-7", "trade_status": "TRADE_CLOSED"}))
    assert isinstance(found, Notice)
    assert found.provider_request_id == "order-7"


def test_a_notice_without_the_refunds_number_names_the_payment() -> None:
    found = read(posted({name: value for name, value in TRADE.items() if name != "out_biz_no"}))
    assert isinstance(found, Notice)
    assert (found.provider_request_id, found.order_number) == ("", "order-7")


NO_REFUND: Final = {name: value for name, value in TRADE.items() if name not in {"refund_fee", "gmt_refund"}}


@pytest.mark.parametrize(
    "texts",
    [
        NO_REFUND,
        {**NO_REFUND, "refund_fee": "", "gmt_refund": ""},
        {**TRADE, "out_biz_no": "名"},
        {**TRADE, "notify_type": "dut_user_sign"},
        {**MESSAGE, "msg_method": "alipay.open.servicemarket.order.notify"},
    ],
)
def test_what_is_about_no_refund_of_ours_is_unrelated(texts: Mapping[str, str]) -> None:
    assert isinstance(read(posted(texts)), Unrelated)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (posted({**TRADE, "app_id": "2021000000000002"}), Refusal.OTHER_ACCOUNT),
        (posted(TRADE, signer=MERCHANT), Refusal.BAD_SIGNATURE),
        (Posted("POST", "/", {}, posted(TRADE).body.replace(b"10.00", b"10.01")), Refusal.BAD_SIGNATURE),
        (Posted("POST", "/", {}, posted(TRADE).body.partition(b"&sign=")[0]), Refusal.UNSIGNED),
        (Posted("POST", "/", {}, posted(TRADE).body + b"&app_id=" + APP_ID.encode()), Refusal.UNREADABLE),
        (Posted("POST", "/", {}, b"&".join(b"a%d=" % n for n in range(300))), Refusal.UNREADABLE),
        (posted({**TRADE, "charset": "ebcdic"}), Refusal.UNREADABLE),
        (posted({**MESSAGE, "biz_content": "not json"}), Refusal.UNREADABLE),
        (posted({**MESSAGE, "biz_content": '{"dback_status":"F"}'}), Refusal.UNREADABLE),
        (Posted("POST", "/", {}, b""), Refusal.OTHER_ACCOUNT),
    ],
)
def test_what_cannot_be_verified_or_read_is_refused(given: Posted, refusal: Refusal) -> None:
    found = read(given)
    assert isinstance(found, Refused)
    assert found.refusal is refusal


def test_a_certificate_that_is_not_configured_is_not_believed() -> None:
    found = read(posted({**TRADE, "alipay_cert_sn": "another"}), CERTIFIED)
    assert isinstance(found, Refused)
    assert found.refusal is Refusal.BAD_SIGNATURE


def test_another_seller_is_refused_where_sellers_are_configured() -> None:
    ours = MainlandNotifications("cn", APP_ID, ALIPAY_PUBLIC, sellers=frozenset({TRADE["seller_id"]}))
    others = MainlandNotifications("cn", APP_ID, ALIPAY_PUBLIC, sellers=frozenset({"2088000000000009"}))
    assert isinstance(read(posted(TRADE), ours), Notice)
    found = read(posted(TRADE), others)
    assert isinstance(found, Refused)
    assert found.refusal is Refusal.OTHER_SELLER


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"gmt_refund": ""}, AT + 1),
        ({"gmt_refund": "soon", "notify_time": "0001-01-01 00:00:00"}, NOW),
    ],
)
def test_a_moment_that_is_not_said_is_that_of_the_notification_or_now(
    changes: Mapping[str, str], at: float
) -> None:
    found = read(posted({**TRADE, **changes}))
    assert isinstance(found, Notice)
    assert found.at == at


@pytest.mark.parametrize(
    ("sent", "at"), [("1795338002000", 1_795_338_002.0), ("", NOW), ("soon", NOW), ("9" * 16, NOW)]
)
def test_a_bank_without_a_time_has_the_messages_or_now(sent: str, at: float) -> None:
    content = orjson.dumps({**CONTENT, "bank_ack_time": None}).decode()
    found = read(posted({**MESSAGE, "biz_content": content, "utc_timestamp": sent}))
    assert isinstance(found, Notice)
    assert found.at == at


def test_the_acknowledgement_is_seven_characters() -> None:
    assert READER.acknowledgement.body == b"success"


@given(st.binary(max_size=300))
def test_whatever_is_posted_is_an_answer_and_no_error(body: bytes) -> None:
    assert isinstance(read(Posted("POST", "/", {}, body)), Refused)


FIELDS: Final = st.sampled_from([*TRADE, "biz_content", "msg_method", "utc_timestamp"])


@given(st.sampled_from([TRADE, MESSAGE]), st.dictionaries(FIELDS, st.text(max_size=12), max_size=4))
def test_whatever_alipay_signs_is_an_answer_and_no_error(
    texts: dict[str, Any], changes: dict[str, str]
) -> None:
    changed = {name: value.encode("utf-8", "replace").decode() for name, value in changes.items()}
    found = read(posted({**texts, **changed, "app_id": APP_ID}))
    assert isinstance(found, Notice | Unrelated | Refused)
