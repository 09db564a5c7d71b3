"""Certificates for certificate mode: the vectors' for the app and as a root, one made here for Alipay's key."""

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.alipay.sample import ALIPAY, MERCHANT
from tests.interop.texts import MAINLAND_VECTORS
from worker.alipay.mainland.certificates import Certificates, load_certificates, serial_number
from worker.simulator.accounts import Certificates as SimulatedCertificates

APP: Final[str] = MAINLAND_VECTORS["cert_sn"][0]["pem"]
ROOT: Final[str] = MAINLAND_VECTORS["cert_sn"][1]["pem"]


def _alipays() -> x509.Certificate:
    issuer = x509.load_pem_x509_certificate(ROOT.encode()).subject
    return (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(ALIPAY.key.public_key())
        .serial_number(0x2026112217000000)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .sign(ALIPAY.key, hashes.SHA256())
    )


_MADE: Final = _alipays()
PEMS: Final = {"app": APP, "root": ROOT, "alipay": _MADE.public_bytes(serialization.Encoding.PEM).decode()}
OURS: Final[Certificates] = load_certificates(
    APP.encode(), ROOT.encode(), [PEMS["alipay"].encode()], MERCHANT
)[0]
SIMULATED: Final = SimulatedCertificates(OURS.app_cert_sn, OURS.alipay_root_cert_sn, serial_number(_MADE))
