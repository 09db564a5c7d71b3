"""Certificates as Alipay's open platform hands them out, made for the tests."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from worker.alipay.keys import load_private_key, load_public_key

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def certificate(
    public_key: bytes, issuer_key: bytes, name: str, days: float = 365.0, now: datetime = NOW
) -> bytes:
    """One of this public key (PEM), issued by "Ant Test CA" with `issuer_key`, that ends in so many days."""
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ant Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Ant Test CA"),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(load_public_key(public_key))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1_000))
        .not_valid_after(now + timedelta(days=days))
        .sign(load_private_key(issuer_key), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
