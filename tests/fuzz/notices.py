"""The decoders of what Alipay posts to us, and of the signals that are made of it."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

import orjson

from tests.alipay.mainland.sample import APP_ID, CERTIFICATES
from tests.alipay.mainland.test_notification import CONTENT, MESSAGE, TRADE
from tests.alipay.sample import ALIPAY_PUBLIC, CLIENT_ID
from tests.alipay.test_ams_notification import FIELDS
from tests.fuzz.mainland import Believes
from tests.fuzz.rule import Decoder, Parts, RuleBroken, holds, said
from tests.messages import samples
from worker.alipay.ams.notification import AmsNotifications
from worker.alipay.mainland.notification import MainlandNotifications
from worker.alipay.notification import NotificationReader, Posted, Refusal, Refused, Unrelated
from worker.messages.cloud_events import Headers
from worker.messages.events import Event
from worker.messages.instructed import Instructed
from worker.messages.invalid import Invalid, Problem
from worker.messages.notified import Notified, notified_signal
from worker.messages.signal import read_signal
from worker.refunds.instruction import INSTRUCTIONS, name_of
from worker.refunds.notice import Notice, Told

TRUSTING: Final = Believes(ALIPAY_PUBLIC.keys)
DOUBTING: Final = Believes(ALIPAY_PUBLIC.keys, every=False)
AMS: Final = AmsNotifications("global", CLIENT_ID, TRUSTING)
MAINLAND: Final = MainlandNotifications("cn", APP_ID, TRUSTING, CERTIFICATES, frozenset({"2088000000000002"}))
NAMES: Final = ("content-type", "ce_specversion", "ce_id", "ce_source", "ce_type")


def _read(reader: NotificationReader, doubting: NotificationReader, posted: Posted) -> str:
    doubted = doubting.read(posted, samples.NOW)
    holds(isinstance(doubted, Refused), f"believed without a signature: {doubted}")
    match reader.read(posted, samples.NOW):
        case Notice() as notice:
            _kept(notice)
            return f"{notice.status} {notice.amount is None} {bool(notice.provider_request_id)}"
        case Unrelated(text=text):
            said(text)
            return f"Unrelated {text[:12]}"
        case Refused(refusal=refusal, text=text):
            said(text)
            holds(refusal in Refusal, "a refusal without a name")
            return f"{refusal} {text[:12]}"
    raise RuleBroken("an answer of another kind")


def _kept(notice: Notice) -> None:
    """Whatever can be noticed can be signalled, and comes back."""
    event = notified_signal(notice, samples.NOW, samples.SOURCE)
    again = read_signal(event.value, event.headers, samples.ORIGIN)
    holds(isinstance(again, Notified), f"a signal that its own reader refuses: {again}")
    if isinstance(again, Notified):
        holds(replace(again.notice, at=notice.at) == notice, f"{notice} came back as {again.notice}")


def _ams(parts: Parts) -> str:
    body, time, signature = parts
    headers = {
        "client-id": CLIENT_ID,
        "request-time": time.decode("latin-1"),
        "signature": signature.decode("latin-1"),
    }
    posted = Posted("POST", "/notify/global", headers, body)
    return _read(AMS, replace(AMS, verifier=DOUBTING), posted)


def _mainland(parts: Parts) -> str:
    posted = Posted("POST", "/notify/cn", {}, parts[0])
    return _read(MAINLAND, replace(MAINLAND, verifier=DOUBTING), posted)


def _signal(parts: Parts) -> str:
    value, *contents = parts
    headers: Headers = [(name, content) for name, content in zip(NAMES, contents, strict=False) if content]
    match read_signal(value, headers, samples.ORIGIN):
        case Notified(notice=notice):
            holds(notice.status in Told, "a status without a name")
            _kept(notice)
            return f"Notified {notice.status}"
        case Instructed() as instructed:
            holds(name_of(instructed.instruction) in INSTRUCTIONS, "an instruction without a name")
            return f"Instructed {name_of(instructed.instruction)}"
        case Invalid() as invalid:
            said(invalid.message)
            holds(invalid.error in set(Problem), f"a problem without a name: {invalid.error}")
            return f"Invalid {invalid.error} {invalid.field[:24]}"


def _posts() -> tuple[Parts, ...]:
    statuses = [{**FIELDS, "refundStatus": status} for status in ("SUCCESS", "FAIL", "PROCESSING")]
    others = [{**FIELDS, "notifyType": "PAYMENT_RESULT"}, {"notifyType": "REFUND_RESULT"}]
    bodies = [orjson.dumps(fields) for fields in (*statuses, *others)]
    return tuple((body, time, b"signature=AA") for body in bodies for time in (b"1700000000500", b""))


def _forms() -> tuple[Parts, ...]:
    signed = {"sign": "AA", "alipay_cert_sn": "alipay-sn"}
    trades = [TRADE, {**TRADE, "refund_fee": "", "gmt_refund": ""}, {**TRADE, "out_biz_no": ""}]
    contents = [{**CONTENT, "dback_status": status} for status in "SFP"]
    messages = [{**MESSAGE, "biz_content": orjson.dumps(content).decode()} for content in contents]
    forms = [urlencode({**form, **signed}).encode() for form in (*trades, *messages)]
    gbk = urlencode({**TRADE, **signed, "charset": "gbk"}, encoding="gbk").encode()
    return tuple((form,) for form in (*forms, gbk))


def _signals() -> tuple[Parts, ...]:
    def parts(event: Event) -> Parts:
        headers = dict(event.headers)
        return (event.value, *(headers.get(name, b"") for name in NAMES))

    written = [samples.notified(), samples.mainland_notified()]
    bare = [(event.value, *(b"",) * len(NAMES)) for event in written]
    return (*map(parts, written), *bare)


NOTICE_DECODERS: Final = (
    Decoder("signals", _signals(), _signal),
    Decoder("ams-notifications", _posts(), _ams),
    Decoder("mainland-notifications", _forms(), _mainland),
)
