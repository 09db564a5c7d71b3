"""RSA keys as Alipay's dashboards and SDKs hand them out, and as people paste them.

A request is signed with the merchant's private key, an answer or a notification with Alipay's; each is verified with
the *other* side's public key.
"""

import base64
import hashlib
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

KEY_MIN_BITS: Final = 2048


class KeyUnusable(ValueError):
    """The message says what was found, what was expected and what to do; it never holds key bytes."""


def load_private_key(text: bytes | str) -> rsa.RSAPrivateKey:
    """An RSA private key from PEM, from base64 of PKCS#8 or PKCS#1, or from DER. Raises KeyUnusable."""
    expected = "the merchant's RSA private key (PEM, or PKCS#8 in base64 on one line)"
    der = _der(text, expected)
    try:
        key = serialization.load_der_private_key(der, password=None)
    except TypeError:
        raise _unusable("a private key locked with a passphrase", expected, _UNLOCK) from None
    except (ValueError, UnsupportedAlgorithm):
        if _loads_as_public(der):
            cure = "the public key belongs in Alipay's dashboard, its private key here"
            raise _unusable("a public key", expected, cure) from None
        raise _unusable("no readable key", expected, _MAKE) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unusable("a private key that is not RSA", expected, _MAKE)
    if key.key_size < KEY_MIN_BITS:
        raise _unusable(
            f"an RSA key of only {key.key_size} bits", f"{expected} of {KEY_MIN_BITS} bits", _MAKE
        )
    return key


def load_public_key(text: bytes | str) -> rsa.RSAPublicKey:
    """An RSA public key from PEM, from base64 of X.509 SPKI, or from DER. Raises KeyUnusable."""
    expected = "an RSA public key (PEM, or X.509 SPKI in base64 on one line)"
    der = _der(text, expected)
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        if _loads_as_private(der):
            raise _unusable("a private key", expected, f"{_COPY}; keep private keys out of here") from None
        raise _unusable("no readable key", expected, f"{_COPY}, whole") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise _unusable("a public key that is not RSA", expected, _COPY)
    if key.key_size < KEY_MIN_BITS:
        raise _unusable(
            f"an RSA key of only {key.key_size} bits", f"{expected} of {KEY_MIN_BITS} bits", _COPY
        )
    return key


def new_key_pair() -> tuple[bytes, bytes]:
    """A new RSA-2048 pair as (private PKCS#8 PEM, public SPKI PEM)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_MIN_BITS)
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private_pem, key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fingerprint(key: rsa.RSAPublicKey) -> str:
    """A short public name of a key pair, for logs: which key is in use, and is it our own by mistake?"""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + hashlib.sha256(spki).hexdigest()[:16]


_MAKE: Final = "make a pair with: python -m worker keys new"
_COPY: Final = "copy the Alipay public key from Alipay's dashboard"
_UNLOCK: Final = "unlock it with: openssl pkey -in FILE -out NEW_FILE"
_ARMOUR_FAULTS: Final = (
    (b"ENCRYPTED", "a private key locked with a passphrase", _UNLOCK),
    (b"BEGIN CERTIFICATE", "a certificate", "take its key out with: openssl x509 -in FILE -noout -pubkey"),
    (b"BEGIN OPENSSH", "an OpenSSH key", _MAKE),
)


def _unusable(found: str, expected: str, cure: str) -> KeyUnusable:
    return KeyUnusable(f"found {found}; expected {expected}; {cure}")


def _der(text: bytes | str, expected: str) -> bytes:
    """The key's DER. A PEM label is not believed: Alipay's Python SDK puts PKCS#8 under "RSA PRIVATE KEY"."""
    raw = (text.encode() if isinstance(text, str) else text).removeprefix(b"\xef\xbb\xbf").strip()
    if not raw:
        raise _unusable("nothing (empty text)", expected, "is the file or the setting empty?")
    if raw[0] == 0x30 and not raw.isascii():
        return raw
    if b"-----" in raw:
        for mark, found, cure in _ARMOUR_FAULTS:
            if mark in raw:
                raise _unusable(found, expected, cure)
        raw = b"".join(line for line in raw.splitlines() if not line.strip().startswith(b"-----"))
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except ValueError:
        found = f"{len(raw)} bytes that are neither PEM nor base64"
        raise _unusable(found, expected, "give the whole key itself, not the name of its file") from None


def _loads_as_public(der: bytes) -> bool:
    try:
        serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _loads_as_private(der: bytes) -> bool:
    try:
        serialization.load_der_private_key(der, password=None)
    except TypeError:  # locked with a passphrase, but a private key
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True
