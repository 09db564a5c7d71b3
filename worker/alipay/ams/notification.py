"""notifyRefund: the global API says that a refund has become final.

Source: global.alipay.com/docs/ac/ams/notify_refund. Sent for methods whose refunds are asynchronous, up to 8 times
within 24 hours until it is acknowledged.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from worker.alipay.ams.signing import signature_in, string_to_sign
from worker.alipay.notification import Acknowledgement, Posted, Refusal, Refused, Unrelated
from worker.alipay.signing import Verifier
from worker.messages.invalid import NotReadable
from worker.messages.strict_json import read_object, refuse_duplicates
from worker.messages.texts import is_refund_request_id
from worker.refunds.money import DIGITS_MAX, EXPONENTS, Money
from worker.refunds.notice import Notice, Told

REFUND_RESULT: Final = "REFUND_RESULT"
REFUND_ID_MAX: Final = 64
ACKNOWLEDGEMENT: Final = Acknowledgement(
    b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}',
    "application/json; charset=UTF-8",
)
_TOLD: Final[Mapping[str, Told]] = {"SUCCESS": Told.SUCCEEDED, "FAIL": Told.FAILED}


@dataclass(frozen=True, slots=True)
class AmsNotifications:
    """Those of one client id. `channel`: what commands call it."""

    channel: str
    account: str
    verifier: Verifier
    acknowledgement: Acknowledgement = field(default=ACKNOWLEDGEMENT, init=False, repr=False)

    def read(self, posted: Posted, now: float) -> Notice | Unrelated | Refused:
        """What was posted, if its signature is Alipay's for our client id, method and path."""
        refused = self._untrusted(posted)
        if refused is not None:
            return refused
        try:
            fields = read_object(posted.body, len(posted.body))
            refuse_duplicates(posted.body, fields)
        except NotReadable as fault:
            return Refused(Refusal.UNREADABLE, str(fault))
        kind = fields.get("notifyType")
        if kind != REFUND_RESULT:
            return Unrelated(f"notifyType is {str(kind)[:32]!r}, not {REFUND_RESULT!r}")
        found = fields.get("refundRequestId")
        if not isinstance(found, str) or not found:
            return Refused(Refusal.UNREADABLE, "refundRequestId is missing; expected the refund's own")
        if not is_refund_request_id(found):
            return Unrelated(f"refundRequestId {found[:64]!a} is none that this worker takes")
        refund_id = fields.get("refundId")
        return Notice(
            channel=self.channel,
            provider_request_id=found,
            status=_TOLD.get(str(fields.get("refundStatus")), Told.OTHER),
            at=_moment(fields.get("refundTime")) or _moment(posted.headers.get("request-time")) or now,
            # It has no id of its own; what is sent again is sent unchanged.
            notice_id=hashlib.sha256(posted.body).hexdigest()[:32],
            amount=_amount(fields.get("refundAmount")),
            provider_refund_id=refund_id[:REFUND_ID_MAX] if isinstance(refund_id, str) else "",
        )

    def _untrusted(self, posted: Posted) -> Refused | None:
        signature, time = posted.headers.get("signature"), posted.headers.get("request-time")
        if not signature or not time:
            return Refused(
                Refusal.UNSIGNED, "signature or request-time is missing or unusable; expected both, once"
            )
        client = posted.headers.get("client-id")
        if client != self.account:
            return Refused(
                Refusal.OTHER_ACCOUNT, f"client-id is {str(client)[:64]!a}; expected {self.account!r}"
            )
        content = string_to_sign(posted.method, posted.target, self.account, time, posted.body)
        if not self.verifier.verify(content, signature_in(signature)):
            return Refused(
                Refusal.BAD_SIGNATURE,
                f"the signature is not Alipay's for {posted.method} {posted.target[:128]}; expected one that its "
                "public key verifies; if a proxy cuts off a part of the path, name it as notifications.path_prefix",
            )
        return None


def _moment(found: object) -> float | None:
    """Unix seconds of an ISO 8601 time with an offset, or of milliseconds."""
    if not isinstance(found, str):
        return None
    try:
        if found.isascii() and found.isdigit():
            return datetime.fromtimestamp(int(found[:16]) / 1000, UTC).timestamp()
        moment = datetime.fromisoformat(found)
        return None if moment.tzinfo is None else moment.astimezone(UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _amount(found: Any) -> Money | None:
    if not isinstance(found, dict):
        return None
    currency, value = found.get("currency"), found.get("value")
    if not isinstance(currency, str) or not isinstance(value, str) or currency not in EXPONENTS:
        return None
    good = value.isascii() and value.isdigit() and len(value) <= DIGITS_MAX
    return Money(currency, int(value)) if good else None
