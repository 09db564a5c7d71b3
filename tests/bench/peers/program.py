"""What all peers share: where they read, write and call, and a call as Alipay demands it.

A peer is what somebody writes in an afternoon with a library's documentation at hand: no deduplication, no ledger, no
transaction, no verification of answers, no metrics. It signs each request, and loads its key once.
"""

import base64
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PATH: Final = "/ams/api/v1/payments/refund"


@dataclass(frozen=True, slots=True)
class Place:
    """Given as one JSON object on the command line."""

    bootstrap: str
    group: str
    commands: str
    results: str
    partitions: int
    url: str
    client_id: str
    private_key_file: str

    @classmethod
    def given(cls) -> Self:
        """The process's own."""
        return cls(**json.loads(sys.argv[1]))


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who signs. `url`: of the refund call."""

    client_id: str
    url: str
    key: RSAPrivateKey = field(repr=False)

    @classmethod
    def of(cls, place: Place) -> Self:
        """With the key from its file."""
        key = load_pem_private_key(Path(place.private_key_file).read_bytes(), password=None)
        assert isinstance(key, RSAPrivateKey)
        return cls(place.client_id, place.url + PATH, key)

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a request with this body, signed."""
        now = str(int(time.time() * 1000))
        content = f"POST {PATH}\n{self.client_id}.{now}.".encode() + body
        signature = base64.b64encode(self.key.sign(content, padding.PKCS1v15(), hashes.SHA256())).decode()
        return {
            "Content-Type": "application/json; charset=UTF-8",
            "client-id": self.client_id,
            "request-time": now,
            "signature": f"algorithm=RSA256,keyVersion=1,signature={quote(signature, safe='')}",
        }


def asked(command: dict[str, Any]) -> dict[str, Any]:
    """What the refund call's body says."""
    names = ("refundRequestId", "paymentId", "refundAmount", "refundReason")
    return {name: command[name] for name in names}


def outcome(command: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """What is written to the results."""
    return {
        "refundRequestId": command["refundRequestId"],
        "status": answer["result"]["resultStatus"],
        "refundId": answer.get("refundId", ""),
        "refundTime": answer.get("refundTime", ""),
    }
