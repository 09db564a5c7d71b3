"""The three certificate files of certificate mode, as an app's owner downloads them; of keys made for a demo."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from worker.alipay.keys import load_private_key, load_public_key, new_key_pair
from worker.alipay.mainland.certificates import root_serial_number, serial_number
from worker.simulator.accounts import Certificates

VALID_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files' contents (PEM), and the serial numbers by which Alipay knows them."""

    app: bytes
    alipay: bytes
    root: bytes
    known: Certificates


def certificate_files(app_key: bytes, alipay_key: bytes, now: float) -> CertificateFiles:
    """Certificates of both public keys (PEM), signed by a root made for them; valid for a day from `now`."""
    root_private = load_private_key(new_key_pair()[0])
    root = _certificate("Demo Root R1", root_private.public_key(), 1, root_private, now)
    app = _certificate("Demo App", load_public_key(app_key), 2, root_private, now)
    alipay = _certificate("Demo Alipay", load_public_key(alipay_key), 3, root_private, now)
    root_pem = _pem(root)
    known = Certificates(serial_number(app), root_serial_number(root_pem), serial_number(alipay))
    return CertificateFiles(_pem(app), _pem(alipay), root_pem, known)


def _certificate(
    name: str, key: rsa.RSAPublicKey, number: int, issuer: rsa.RSAPrivateKey, now: float
) -> x509.Certificate:
    start = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Demo Root R1"))
        .public_key(key)
        .serial_number(number)
        .not_valid_before(start - timedelta(seconds=VALID_S))
        .not_valid_after(start + timedelta(seconds=VALID_S))
        .sign(issuer, hashes.SHA256())
    )


def _name(name: str) -> x509.Name:
    parts = {NameOID.COUNTRY_NAME: "CN", NameOID.ORGANIZATION_NAME: "Demo", NameOID.COMMON_NAME: name}
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items()])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
