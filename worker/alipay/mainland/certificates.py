"""Certificate mode: what the dashboard's three certificate files say.

A request names the app's certificate and Alipay's root by their serial numbers (SN), an answer Alipay's own, whose key
it is signed with. An SN is the MD5 of the issuer's name and the certificate's number: a name, not a safeguard.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from worker.alipay.keys import KEY_MIN_BITS, KeyUnusable, fingerprint
from worker.alipay.signing import Signer, Verifier

_RSA_SIGNATURES: Final = "1.2.840.113549.1.1."
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
    own = _first(app)
    if fingerprint(_rsa_key(own)) != signer.fingerprint:
        raise KeyUnusable(
            "found the app certificate of another private key; expected that of the private key in use; "
            f"set the matching private key, or {_DOWNLOAD}"
        )
    theirs = [_first(pem) for pem in alipay]
    if any(fingerprint(_rsa_key(each)) == signer.fingerprint for each in theirs):
        raise KeyUnusable(
            "found the app's certificate twice; expected Alipay's (alipayCertPublicKey_RSA2.crt)"
        )
    sns = Certificates(serial_number(own), root_serial_number(root), frozenset(map(serial_number, theirs)))
    return sns, Verifier(tuple(_rsa_key(each) for each in theirs))


def serial_number(certificate: x509.Certificate) -> str:
    """A certificate's SN: MD5 of the issuer's name, last part first, and the decimal number."""
    name = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def root_serial_number(pem: bytes) -> str:
    """The root file's SN: those of its RSA certificates, joined; it holds others, such as SM2's, too."""
    sns = [
        serial_number(each)
        for each in _read(pem)
        if each.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)
    ]
    if not sns:
        raise KeyUnusable(f"found no RSA certificate; expected Alipay's root certificates; {_DOWNLOAD}")
    return "_".join(sns)


def _first(pem: bytes) -> x509.Certificate:
    return _read(pem)[0]


def _read(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise KeyUnusable(f"found no readable certificate; expected PEM; {_DOWNLOAD}") from None


def _rsa_key(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_MIN_BITS:
        raise KeyUnusable(
            f"found a certificate of another key; expected one of RSA, {KEY_MIN_BITS} bits or more; {_DOWNLOAD}"
        )
    return key
