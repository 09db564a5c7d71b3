"""The one signature that all of Alipay's interfaces use: SHA256withRSA, PKCS#1 v1.5, in standard base64.

What is signed, and where the signature travels, differs; each interface has a module for it.
"""

import base64
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from worker.alipay.keys import KeyUnusable, fingerprint

_PADDING: Final = padding.PKCS1v15()
_HASH: Final = hashes.SHA256()


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """Signs with one private key. Keep it: loading a key costs a hundred times a signature."""

    key: rsa.RSAPrivateKey = field(repr=False)

    def sign(self, content: bytes) -> str:
        """The signature in base64. Releases the interpreter lock; safe from several threads."""
        return base64.b64encode(self.key.sign(content, _PADDING, _HASH)).decode()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key.public_key())


@dataclass(frozen=True, slots=True, eq=False)
class Verifier:
    """Verifies with the other side's public keys: usually one, several while that side changes its key."""

    keys: tuple[rsa.RSAPublicKey, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise KeyUnusable("no public key was given; expected at least one, from Alipay's dashboard")

    def verify(self, content: bytes, signature: str) -> bool:
        """Whether `signature`, in base64, is one of `content` by one of the keys. Rubbish is False, never raised.

        A key version that an answer names is not consulted: every key here is trusted, so trying them all is as safe
        as believing the number.
        """
        try:
            raw = base64.b64decode(signature + "=" * (-len(signature) % 4), validate=True)
        except ValueError:  # not base64, or not even ASCII
            return False
        return any(_verified(key, raw, content) for key in self.keys)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(fingerprint(key) for key in self.keys)


def _verified(key: rsa.RSAPublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content, _PADDING, _HASH)
    except InvalidSignature:
        return False
    return True
