"""The global API as a channel speaks it: two POSTs of JSON, signed in headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.alipay.ams.content import (
    VerifiedAnswer,
    inquiry_body,
    read_inquiry_answer,
    read_refund_answer,
    refund_body,
)
from worker.alipay.ams.signing import (
    SANDBOX_CLIENT_PREFIX,
    sandboxed_path,
    signature_header,
    signature_in,
    string_to_sign,
)
from worker.alipay.interface import Answer, Keys, Operation, Request
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.reply import Reply

PATHS: Final[Mapping[Operation, str]] = {
    Operation.REFUND: "/ams/api/v1/payments/refund",
    Operation.INQUIRY: "/ams/api/v1/payments/inquiryRefund",
}


@dataclass(frozen=True, slots=True)
class AmsInterface:
    """One client id. `environment`: "production" or "sandbox", and the client id must be one of it.

    `agent_tokens`: by merchant, the token of an acquirer or ISV who calls for it; "" is for commands whose merchant has
    none of its own.
    """

    account: str
    environment: str
    keys: Keys
    key_version: int = 1
    agent_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    answer_headers: frozenset[str] = field(
        default=frozenset({"signature", "response-time"}), init=False, repr=False
    )
    error_bodies: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError: what is wrong, what was expected."""
        if self.environment not in ("production", "sandbox"):
            raise ValueError(f"environment: {self.environment!r}; expected 'production' or 'sandbox'")
        if not self.account.isascii() or not self.account.isprintable() or not self.account:
            raise ValueError("client_id: empty or with unusable characters; copy it from Alipay's dashboard")
        if self.account.startswith(SANDBOX_CLIENT_PREFIX) != (self.environment == "sandbox"):
            raise ValueError(
                f"client_id: {self.account!r} does not belong to environment {self.environment!r}; "
                f"sandbox client ids begin with {SANDBOX_CLIENT_PREFIX}, others do not"
            )
        if any(not token.isascii() or not token.isprintable() for token in self.agent_tokens.values()):
            raise ValueError("agent_token: has characters that no HTTP header can carry; copy it again")

    def own_token(self, command: Command) -> bool:
        return bool(command.merchant) and command.merchant in self.agent_tokens

    def body(self, command: Command) -> bytes:
        return refund_body(command)

    def request(self, attempt: Attempt, body: bytes, now: float) -> Request:
        command = attempt.command
        operation = Operation.REFUND if attempt.stage is Stage.SUBMIT else Operation.INQUIRY
        content = body if operation is Operation.REFUND else inquiry_body(command.provider_request_id)
        target, time = sandboxed_path(PATHS[operation], self.account), str(int(now * 1000))
        signature = self.keys.signer.sign(string_to_sign("POST", target, self.account, time, content))
        headers = {
            "client-id": self.account,
            "request-time": time,
            "signature": signature_header(signature, self.key_version),
        }
        token = self.agent_tokens.get(command.merchant) or self.agent_tokens.get("")
        if token:
            headers["agent-token"] = token
        return Request(operation, target, headers, content)

    def read(self, request: Request, answer: Answer, command: Command) -> Reply:
        read = read_refund_answer if request.operation is Operation.REFUND else read_inquiry_answer
        return read(self._verified(request, answer), command)

    def _verified(self, request: Request, answer: Answer) -> VerifiedAnswer:
        signature, time = answer.headers.get("signature"), answer.headers.get("response-time")
        verified = bool(
            signature
            and time
            and self.keys.verifier.verify(
                string_to_sign("POST", request.target, self.account, time, answer.body),
                signature_in(signature),
            )
        )
        return VerifiedAnswer(answer.http_status, answer.body, signature, time, verified)
