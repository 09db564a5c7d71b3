"""Certificate mode: what the dashboard's three certificate files say.

A request names the app's certificate and Alipay's root by their serial numbers (SN), an answer Alipay's own, whose key
it is signed with. An SN is the MD5 of the issuer's name and the certificate's number: a name, not a safeguard.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from worker.alipay.keys import KEY_MIN_BITS, KeyUnusable, fingerprint
from worker.alipay.signing import Signer, Verifier

_RSA_SIGNATURES: Final = "1.2.840.113549.1.1."
_RSA_OID: Final = bytes.fromhex("2a864886f70d0101")
# Alipay's files have some with nothing between them, and text around them.
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ALIPAYS: Final = "Alipay's certificate (alipayCertPublicKey_RSA2.crt)"
_ROOTS: Final = "Alipay's root certificates (alipayRootCert.crt)"
_DOWNLOAD: Final = "download it again from Alipay's dashboard"


@dataclass(frozen=True, slots=True)
class Certificates:
    """The SNs of certificate mode. `alipay_cert_sns`: of Alipay's certificates that answers may be signed with."""

    app_cert_sn: str
    alipay_root_cert_sn: str
    alipay_cert_sns: frozenset[str]


def load_certificates(
    app: bytes, root: bytes, alipay: Sequence[bytes], signer: Signer
) -> tuple[Certificates, Verifier]:
    """Certificate mode from the files' contents (PEM), and what answers are verified with.

    `app`: appCertPublicKey_….crt. `root`: alipayRootCert.crt. `alipay`: alipayCertPublicKey_RSA2.crt, two of them while
    Alipay changes it. `signer`: what requests are signed with. Raises KeyUnusable.
    """
    own = _first(app, "the app's certificate")
    if fingerprint(_rsa_key(own, "the app's certificate")) != signer.fingerprint:
        raise KeyUnusable(
            "found the app certificate of another private key; expected that of the private key in use; "
            f"set the matching private key, or {_DOWNLOAD}"
        )
    theirs = [_first(pem, _ALIPAYS) for pem in alipay]
    keys = tuple(_rsa_key(each, _ALIPAYS) for each in theirs)
    if any(fingerprint(key) == signer.fingerprint for key in keys):
        raise KeyUnusable(f"found the app's certificate twice; expected {_ALIPAYS} as the other")
    sns = Certificates(serial_number(own), root_serial_number(root), frozenset(map(serial_number, theirs)))
    return sns, Verifier(keys)


def serial_number(certificate: x509.Certificate) -> str:
    """A certificate's SN: MD5 of the issuer's name, last part first, and the decimal number."""
    name = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def root_serial_number(pem: bytes) -> str:
    """The root file's SN: those of its RSA certificates, joined; it holds some of SM2 and of elliptic curves, too.

    Raises KeyUnusable.
    """
    found = [_parsed(each, _ROOTS) for each in _PEM.findall(pem)]
    sns = [
        serial_number(each)
        for each in found
        if each is not None and each.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)
    ]
    if not sns:
        raise KeyUnusable(f"found no RSA certificate; expected {_ROOTS}; {_DOWNLOAD}")
    return "_".join(sns)


def _first(pem: bytes, expected: str) -> x509.Certificate:
    """The file's own certificate; those of its issuers may follow."""
    blocks = _PEM.findall(pem)
    certificate = _parsed(blocks[0], expected) if blocks else None
    if certificate is None:
        raise KeyUnusable(f"found no readable certificate; expected {expected}, as PEM; {_DOWNLOAD}")
    return certificate


def _parsed(block: bytes, expected: str) -> x509.Certificate | None:
    """The certificate; None if it is of another kind than RSA and cannot be read, as one of Alipay's roots cannot."""
    try:
        certificate = x509.load_pem_x509_certificate(block)
        certificate.issuer.rfc4514_string()  # names are read when they are asked for
        return certificate
    except (ValueError, x509.InvalidVersion):
        try:
            der = base64.b64decode(b"".join(block.splitlines()[1:-1]), validate=True)
        except ValueError:
            der = _RSA_OID
        if _RSA_OID not in der:
            return None
        raise KeyUnusable(f"found a damaged certificate; expected {expected}; {_DOWNLOAD}") from None


def _rsa_key(certificate: x509.Certificate, expected: str) -> rsa.RSAPublicKey:
    try:
        key: object = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_MIN_BITS:
        raise KeyUnusable(
            f"found a certificate of another key; expected {expected}, RSA, {KEY_MIN_BITS} bits or more; {_DOWNLOAD}"
        )
    return key
