"""The v3 REST interface: JSON as it stands, signed in headers, and HTTP statuses that mean something.

Source: opendocs.alipay.com, "v3" (common/054fcv, common/054oog). Its pages contradict each other about 400 and 401, so
an error's `code` decides before its status does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from worker.alipay.interface import ANSWER_SIZE_MAX, Answer, Keys, Operation, Request
from worker.alipay.mainland.certificates import Certificates
from worker.alipay.mainland.codes import DONE, UNAVAILABLE, public_code
from worker.alipay.mainland.content import (
    Told,
    Unbelievable,
    inquiry_body,
    read_fields,
    refund_body,
    signed_reply,
    text_in,
    unsigned_refusal,
    unsigned_reply,
)
from worker.alipay.mainland.credentials import check_credentials, trusted_sn
from worker.messages.invalid import NotReadable
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.reply import Reply, Throttled, Unknown, Unreadable

TARGETS: Final[Mapping[Operation, str]] = {
    Operation.REFUND: "/v3/alipay/trade/refund",
    Operation.INQUIRY: "/v3/alipay/trade/fastpay/refund/query",
}
SCHEME: Final = "ALIPAY-SHA256withRSA"
_SIGNATURE: Final = "alipay-signature"
_TIMESTAMP: Final = "alipay-timestamp"
_NONCE: Final = "alipay-nonce"
_CERT_SN: Final = "alipay-sn"
_REQUEST_ID_MAX: Final = 32

# What a status says where the code is not listed, in the public codes of v2. 202: accepted, not done; repeat it.
_PUBLIC_CODES: Final[Mapping[int, str]] = {
    400: "40004",
    401: "40006",
    403: "40006",
    404: "40006",
    429: "40005",
}


def new_nonce() -> str:
    """Never the same twice."""
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class MainlandV3:
    """One app id. `environment`: "production" or "sandbox", told by the channel's base_url alone.

    `tokens`: by merchant, the app_auth_token of an ISV who calls for it; "" is for commands whose merchant has none of
    its own. `certificates`: in certificate mode, which an app either is in or is not. `nonce`: a new one for each
    request, which also names it to Alipay's support, without its dashes.
    """

    account: str
    environment: str
    keys: Keys
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificates: Certificates | None = None
    nonce: Callable[[], str] = field(default=new_nonce, repr=False)

    answer_headers: frozenset[str] = field(
        default=frozenset({_SIGNATURE, _TIMESTAMP, _NONCE, _CERT_SN}), init=False, repr=False
    )
    error_bodies: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError: what is wrong, what was expected."""
        check_credentials(self.account, self.environment, self.tokens)

    def own_token(self, command: Command) -> bool:
        return bool(command.merchant) and command.merchant in self.tokens

    def body(self, command: Command) -> bytes:
        return refund_body(command)

    def request(self, attempt: Attempt, body: bytes, now: float) -> Request:
        command = attempt.command
        operation = Operation.REFUND if attempt.stage is Stage.SUBMIT else Operation.INQUIRY
        content = body if operation is Operation.REFUND else inquiry_body(command)
        token = self.tokens.get(command.merchant) or self.tokens.get("", "")
        nonce = self.nonce()
        told = self._auth_string(int(now * 1000), nonce)
        sign = self.keys.signer.sign(string_to_sign(told, "POST", TARGETS[operation], content, token))
        headers = {
            "Authorization": f"{SCHEME} {told},sign={sign}",
            "alipay-request-id": nonce.replace("-", "")[:_REQUEST_ID_MAX],
        }
        if token:
            headers["alipay-app-auth-token"] = token
        if self.certificates is not None:
            headers["alipay-root-cert-sn"] = self.certificates.alipay_root_cert_sn
        return Request(operation, TARGETS[operation], headers, content)

    def read(self, request: Request, answer: Answer, command: Command) -> Reply:
        """An answer is believed only if it is signed. Errors are not: they can only halt, slow down or have us ask."""
        operation, status = request.operation, answer.http_status
        if len(answer.body) > ANSWER_SIZE_MAX:
            reason = f"the answer is too large; expected at most {ANSWER_SIZE_MAX} bytes"
            return Unreadable(reason, signed=False)
        unsigned = _SIGNATURE not in answer.headers
        verified = not unsigned and self._verified(answer)
        if not unsigned and not verified:
            reason = "the signature is not Alipay's; expected one that its public key verifies"
            return Unreadable(reason, signed=False)
        try:
            told = _told(status, answer.body)
        except (NotReadable, Unbelievable) as fault:
            if status == 200:
                return Unreadable(str(fault), signed=verified)
            # Not Alipay's way of saying it: a proxy's, perhaps.
            return Throttled(f"HTTP {status}") if status == 429 else Unknown(f"HTTP {status}")
        if verified:
            return signed_reply(operation, told, command)
        refused = 400 <= status < 500
        return unsigned_refusal(operation, told) if refused else unsigned_reply(operation, told)

    def _auth_string(self, time_ms: int, nonce: str) -> str:
        certificate = f"app_cert_sn={self.certificates.app_cert_sn}," if self.certificates is not None else ""
        return f"app_id={self.account},{certificate}timestamp={time_ms},nonce={nonce}"

    def _verified(self, answer: Answer) -> bool:
        headers = answer.headers
        signature, time, nonce = (headers.get(name, "") for name in (_SIGNATURE, _TIMESTAMP, _NONCE))
        if not signature or not time or not nonce:
            return False
        if not trusted_sn(self.certificates, headers.get(_CERT_SN)):
            return False
        return self.keys.verifier.verify(answer_to_verify(time, nonce, answer.body), signature)


def string_to_sign(auth_string: str, method: str, target: str, body: bytes, token: str = "") -> bytes:
    """The exact bytes that are signed: each part ends with a newline, the last one too; `token` only if there is one.

    `auth_string`: what stands in the Authorization header between the scheme and the signature. `target`: path and
    query.
    """
    head = f"{auth_string}\n{method}\n{target}\n".encode()
    return head + body + b"\n" + (f"{token}\n".encode() if token else b"")


def answer_to_verify(timestamp: str, nonce: str, body: bytes) -> bytes:
    """The exact bytes that Alipay signs: `body` as it came."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def _told(status: int, body: bytes) -> Told:
    """What an answer says, in the words of v2. Raises NotReadable and Unbelievable."""
    fields = read_fields(body)
    sub_code, message = text_in(fields, "code"), text_in(fields, "message")
    if status == 200:
        return Told(DONE, sub_code, message, fields)
    if not sub_code:
        raise Unbelievable("code is missing; expected a text such as ACQ.TRADE_NOT_EXIST")
    if status in _PUBLIC_CODES:
        return Told(public_code(sub_code) or _PUBLIC_CODES[status], sub_code, message, fields)
    # Whatever the code is: not done, or nobody knows.
    return Told(UNAVAILABLE, sub_code, message, fields)
