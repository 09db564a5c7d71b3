"""The v2 gateway: one address, form parameters, and answers of which a part is signed.

Source: opendocs.alipay.com, "signing" and "verifying" of the OpenAPI (common/02kf5q, common/02mse7).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote_plus

from worker.alipay.interface import ANSWER_SIZE_MAX, Answer, Keys, Operation, Request
from worker.alipay.mainland.certificates import Certificates
from worker.alipay.mainland.content import (
    Told,
    Unbelievable,
    inquiry_body,
    read_fields,
    refund_body,
    signed_reply,
    told_by,
    unsigned_reply,
)
from worker.alipay.mainland.credentials import check_credentials, trusted_sn
from worker.alipay.mainland.extract import Envelope, NotExtractable, extract
from worker.messages.invalid import NotReadable
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.reply import Reply, Unknown, Unreadable

METHODS: Final[Mapping[Operation, str]] = {
    Operation.REFUND: "alipay.trade.refund",
    Operation.INQUIRY: "alipay.trade.fastpay.refund.query",
}
CHARSET: Final = "utf-8"
# The gateway decodes the form with the charset in the URL; it has to be the signed one to the letter.
TARGET: Final = f"/gateway.do?charset={CHARSET}"
_CONTENT_TYPE: Final = f"application/x-www-form-urlencoded;charset={CHARSET}"
# By the byte of UTF-8, which read as Latin-1 is a character.
_FORM: Final = {byte: quote_plus(bytes([byte])) for byte in range(256)}
_BEIJING: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class MainlandV2:
    """One app id. `environment`: "production" or "sandbox", told by the channel's base_url alone.

    `tokens`: by merchant, the app_auth_token of an ISV who calls for it; "" is for commands whose merchant has none of
    its own. `certificates`: in certificate mode, which an app either is in or is not.
    """

    account: str
    environment: str
    keys: Keys
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificates: Certificates | None = None

    answer_headers: frozenset[str] = field(default=frozenset(), init=False, repr=False)
    error_bodies: bool = field(default=False, init=False, repr=False)

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
        parameters = {
            "app_id": self.account,
            "method": METHODS[operation],
            "format": "JSON",
            "charset": CHARSET,
            "sign_type": "RSA2",
            "timestamp": datetime.fromtimestamp(now, _BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            "app_auth_token": self.tokens.get(command.merchant) or self.tokens.get("", ""),
            "biz_content": content.decode(),
        }
        if self.certificates is not None:
            parameters["app_cert_sn"] = self.certificates.app_cert_sn
            parameters["alipay_root_cert_sn"] = self.certificates.alipay_root_cert_sn
        # An empty parameter would be signed by some and skipped by others: there is none.
        parameters = {name: value for name, value in parameters.items() if value}
        parameters["sign"] = self.keys.signer.sign(string_to_sign(parameters))
        return Request(operation, TARGET, {}, form(parameters), _CONTENT_TYPE)

    def read(self, request: Request, answer: Answer, command: Command) -> Reply:
        if answer.http_status != 200:
            return Unknown(f"HTTP {answer.http_status}")
        if len(answer.body) > ANSWER_SIZE_MAX:
            reason = f"the answer is too large; expected at most {ANSWER_SIZE_MAX} bytes"
            return Unreadable(reason, signed=False)
        verified = False
        try:
            envelope = extract(answer.body, response_name(request.operation))
            if not envelope.sign and envelope.sign is not None:
                return Unreadable("sign is not a text; expected a signature, or none", signed=False)
            if envelope.sign is None:
                return unsigned_reply(request.operation, _told(envelope))
            verified = self._verified(envelope, envelope.sign)
            if not verified:
                reason = "the signature is not Alipay's; expected one that its public key verifies"
                return Unreadable(reason, signed=False)
            told = _told(envelope)
        except (NotExtractable, NotReadable, Unbelievable) as fault:
            return Unreadable(str(fault), signed=verified)
        return signed_reply(request.operation, told, command)

    def _verified(self, envelope: Envelope, sign: str) -> bool:
        return trusted_sn(self.certificates, envelope.cert_sn) and self.keys.verifier.verify(
            envelope.node, sign
        )


def string_to_sign(parameters: Mapping[str, str]) -> bytes:
    """The exact bytes that are signed: every parameter but `sign` and empty ones, by name, not URL-encoded."""
    signed = sorted((name, value) for name, value in parameters.items() if value and name != "sign")
    return "&".join(f"{name}={value}" for name, value in signed).encode()


def form(parameters: Mapping[str, str]) -> bytes:
    """The body: every parameter by name, byte for byte as `urlencode` has it, which takes six times as long.

    Names are Alipay's, and have nothing to encode.
    """
    return "&".join(
        f"{name}={value.encode().decode('latin-1').translate(_FORM)}"
        for name, value in sorted(parameters.items())
    ).encode()


def response_name(operation: Operation) -> str:
    """The name of the node that answers a method."""
    return METHODS[operation].replace(".", "_") + "_response"


def _told(envelope: Envelope) -> Told:
    return told_by(read_fields(envelope.node))
