"""The mainland's decoders of answers: what is cut out of them, and what they mean over v2 and over v3."""

from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from typing_extensions import override

from tests.alipay.mainland.sample import (
    CERTIFICATES,
    COMMAND,
    V2,
    V3,
    failed,
    queried,
    refunded,
    v2_body,
    v3_error,
    v3_fields,
)
from tests.alipay.sample import ALIPAY_PUBLIC, MERCHANT
from tests.fuzz.rule import Decoder, Parts, holds, said, within_bounds
from worker.alipay.interface import Answer, Keys, Operation, Request
from worker.alipay.mainland.codes import INQUIRY_CODES, REFUND_CODES
from worker.alipay.mainland.extract import NotExtractable, extract
from worker.alipay.mainland.v2 import MainlandV2, response_name
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.signing import Verifier
from worker.refunds.reply import (
    REPLIES,
    Declined,
    Misconfigured,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)

NODES: Final = {operation: response_name(operation) for operation in Operation}
CODES: Final = frozenset(REFUND_CODES) | frozenset(INQUIRY_CODES)
PROOFS: Final = {
    Operation.REFUND: ("fund_change", "Y"),
    Operation.INQUIRY: ("refund_status", "REFUND_SUCCESS"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Believes(Verifier):
    """Takes every signature for Alipay's, so that what is behind one can be searched; or none."""

    every: bool = True

    @override
    def verify(self, content: bytes, signature: str) -> bool:
        return self.every


TRUSTING: Final = Keys(MERCHANT, Believes(ALIPAY_PUBLIC.keys))
DOUBTING: Final = Keys(MERCHANT, Believes(ALIPAY_PUBLIC.keys, every=False))


def _extracted(parts: Parts) -> str:
    raw = parts[0]
    try:
        envelope = extract(raw, NODES[Operation.REFUND])
    except NotExtractable as fault:
        said(str(fault))
        return f"NotExtractable {str(fault)[:16]}"
    holds(envelope.node in raw, "a node that is not in the answer")
    holds(envelope.node[:1] == b"{" and envelope.node[-1:] == b"}", "a node that is no object")
    return f"{envelope.name} {envelope.sign is None} {envelope.cert_sn is None}"


def _v2(parts: Parts) -> str:
    answer = Answer(200, parts[0], {})
    certified = replace(V2, certificates=CERTIFICATES)
    told = [_read(interface, operation, answer) for interface in (V2, certified) for operation in Operation]
    return " ".join(told[:3])


def _v3(parts: Parts) -> str:
    body, status, signature = (*parts, b"", b"", b"")[:3]
    headers = {"alipay-timestamp": "1", "alipay-nonce": "2"}
    if signature:
        headers["alipay-signature"] = signature.decode(errors="replace")
    number = int(status) if status.isdigit() and len(status) == 3 else 200
    return " ".join(_read(V3, operation, Answer(number, body, headers)) for operation in Operation)


def _read(interface: MainlandV2 | MainlandV3, operation: Operation, answer: Answer) -> str:
    request = Request(operation, "", {}, b"")
    trusted = replace(interface, keys=TRUSTING).read(request, answer, COMMAND)
    doubted = replace(interface, keys=DOUBTING).read(request, answer, COMMAND)
    holds(isinstance(trusted, REPLIES), f"no answer: {trusted!r}")
    for reply in (trusted, doubted):
        within_bounds(reply)
    holds(not _believed(doubted, interface, operation), f"believed without a signature: {doubted!r}")
    if isinstance(trusted, Succeeded):
        name, value = PROOFS[operation]
        holds(trusted.provider.get(name) == value, f"a success without {name}: {trusted!r}")
        holds(trusted.provider.get("out_trade_no") == COMMAND.order_number, "a success of another trade")
        holds(answer.http_status == 200, "a success with an error's status")
    return _name(trusted)


def _believed(reply: Reply, interface: MainlandV2 | MainlandV3, operation: Operation) -> bool:
    """Whether an answer without Alipay's signature does more than halt, wait or ask."""
    if isinstance(reply, Declined | Unfunded):
        # v3 signs no refusal: it has to be asked about, or tried again with the doubt kept.
        allowed = isinstance(interface, MainlandV3) and operation is Operation.REFUND
        return not allowed or (not reply.confirm if isinstance(reply, Declined) else reply.signed)
    heard = isinstance(reply, Unknown | Throttled | Misconfigured | Unreadable)
    return not heard or getattr(reply, "signed", False)


def _name(reply: Reply) -> str:
    code = getattr(reply, "code", "")
    return f"{type(reply).__name__} {code if code in CODES else ''}"


def _nodes() -> list[tuple[Operation, dict[str, Any]]]:
    codes = {**REFUND_CODES, **INQUIRY_CODES}
    told = [failed(code, status) for code, row in codes.items() for status in row.status.split()]
    refunds = [refunded(), refunded(fund_change="N"), *told]
    queries = [queried(), queried(refund_status=None), queried(refund_status=None, refund_amount=None)]
    return [
        *((Operation.REFUND, node) for node in refunds),
        *((Operation.INQUIRY, node) for node in queries),
    ]


def _bodies() -> tuple[Parts, ...]:
    wholes = [
        v2_body(refunded(), NODES[Operation.REFUND], alipay_cert_sn="alipay-sn"),
        v2_body(refunded(), NODES[Operation.REFUND], alipay_cert_sn="another"),
        v2_body(refunded(), NODES[Operation.REFUND], sign=None),
        v2_body(failed("isv.invalid-app-id", "40002"), "error_response", sign=None),
        v2_body('{"code":"20000","sub_msg":"誠\\"}"}'.encode("gb18030"), "error_response"),
    ]
    return (
        *((v2_body(node, NODES[operation], sign="AA"),) for operation, node in _nodes()),
        *((b,) for b in wholes),
    )


def _rest() -> tuple[Parts, ...]:
    done = [orjson.dumps(v3_fields(fields)) for fields in (refunded(), queried(), {})]
    errors = [orjson.dumps(v3_error(code)) for code in CODES]
    statuses = (b"200", b"202", b"400", b"403", b"429", b"500")
    return (
        *((body, status, sign) for body in done for status in statuses for sign in (b"AA", b"")),
        *((body, b"400", sign) for body in errors for sign in (b"AA", b"")),
    )


MAINLAND_DECODERS: Final = (
    Decoder("v2-envelopes", _bodies(), _extracted),
    Decoder("v2-answers", _bodies(), _v2),
    Decoder("v3-answers", _rest(), _v3),
)
