"""Certificate mode: the serial numbers as Alipay computes them, and files that cannot be right are refused."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.alipay.mainland.sample import FILE
from tests.alipay.sample import ALIPAY, MERCHANT, MERCHANT_PUBLIC
from worker.alipay.keys import KeyUnusable
from worker.alipay.mainland.certificates import load_certificates, root_serial_number, serial_number
from worker.alipay.signing import Signer

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
VECTORS = pytest.mark.parametrize("vector", FILE["cert_sn"], ids=lambda vector: vector["file"])
ROOT: bytes = FILE["cert_sn"][1]["pem"].encode()
ROOT_SN: str = FILE["cert_sn"][1]["cert_sn_md5"]
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def _certificate(key: Key, number: int = 4711, issuer: Key | None = None) -> bytes:
    parts = {"CN": "Test Class 2 R1", "OU": "Certification Authority", "O": "Test, Ant", "C": "CN"}
    oids = {
        "C": NameOID.COUNTRY_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    name = x509.Name([x509.NameAttribute(oid, parts[part]) for part, oid in oids.items()])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, start, start + timedelta(days=9))
    return builder.sign(issuer or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


OWN = _certificate(MERCHANT.key, 1)
ALIPAYS = _certificate(ALIPAY.key, 2)
EC = _certificate(EC_KEY)
# Signed with RSA, of a key of elliptic curves.
MIXED = _certificate(EC_KEY, issuer=ALIPAY.key)
SMALL = _certificate(rsa.generate_private_key(65537, 1024))  # noqa: S505  # refused, as it should be


def _changed(pem: bytes, old: bytes, new: bytes) -> bytes:
    head, *lines, foot = pem.splitlines()
    der = base64.b64decode(b"".join(lines))
    assert old in der
    return b"\n".join((head, base64.b64encode(der.replace(old, new)), foot, b""))


def _damaged(pem: bytes) -> bytes:
    """Of a version that does not exist."""
    return _changed(pem, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09")


NAMELESS = _changed(OWN, b"Test, Ant", b"Test, \xff\xfe\xfd")
# Of a curve that nobody knows: the certificate can be read, its key cannot.
UNKNOWN = _changed(EC, bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"))


@VECTORS
def test_a_serial_number_is_the_agreed_one(vector: dict[str, Any]) -> None:
    certificate = x509.load_pem_x509_certificate(vector["pem"].encode())
    assert certificate.issuer.rfc4514_string() == vector["issuer_dn_string"]
    assert str(certificate.serial_number) == vector["serial_decimal"]
    assert serial_number(certificate) == vector["cert_sn_md5"]


def test_the_roots_serial_number_is_of_its_rsa_certificates_in_their_order() -> None:
    """A real root file has some of SM2 and of elliptic curves, and one of these breaks the rules of X.509."""
    other = serial_number(x509.load_pem_x509_certificate(ALIPAYS))
    assert root_serial_number(ROOT) == ROOT_SN
    assert root_serial_number(EC + ROOT + _damaged(EC) + ALIPAYS) == f"{ROOT_SN}_{other}"
    assert root_serial_number(ALIPAYS.strip() + ROOT) == f"{other}_{ROOT_SN}"


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no certificate",
        EC,
        ROOT + _damaged(ROOT),
        ROOT + b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----",
    ],
)
def test_a_root_file_that_cannot_be_right_is_refused(pem: bytes) -> None:
    with pytest.raises(KeyUnusable, match=r"alipayRootCert\.crt"):
        root_serial_number(pem)


def test_certificate_mode_is_loaded_from_its_files() -> None:
    """Alipay's file holds its issuer's certificate, too, behind its own."""
    sns, verifier = load_certificates(OWN, ROOT, [ALIPAYS + ROOT], MERCHANT)
    own, theirs = (serial_number(x509.load_pem_x509_certificate(pem)) for pem in (OWN, ALIPAYS))
    assert (sns.app_cert_sn, sns.alipay_root_cert_sn, sns.alipay_cert_sns) == (
        own,
        ROOT_SN,
        frozenset({theirs}),
    )
    assert verifier.verify(b"content", ALIPAY.sign(b"content"))
    assert not verifier.verify(b"content", MERCHANT.sign(b"content"))


def test_both_of_alipays_certificates_are_believed_while_it_changes_them() -> None:
    new = Signer(rsa.generate_private_key(65537, 2048))
    sns, verifier = load_certificates(OWN, ROOT, [ALIPAYS, _certificate(new.key, 3)], MERCHANT)
    assert len(sns.alipay_cert_sns) == 2
    assert all(verifier.verify(b"content", signer.sign(b"content")) for signer in (ALIPAY, new))


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (lambda: load_certificates(ALIPAYS, ROOT, [ALIPAYS], MERCHANT), "another private key"),
        (lambda: load_certificates(OWN, ROOT, [OWN], MERCHANT), "twice"),
        (lambda: load_certificates(OWN, ROOT, [ALIPAYS, OWN], MERCHANT), "twice"),
        (lambda: load_certificates(OWN, ROOT, [], MERCHANT), "no public key"),
        (lambda: load_certificates(b"", ROOT, [ALIPAYS], MERCHANT), "the app's certificate"),
        (lambda: load_certificates(OWN, ROOT, [b"?"], MERCHANT), "Alipay's certificate"),
        (lambda: load_certificates(OWN, ROOT, [EC], MERCHANT), "another key"),
        (lambda: load_certificates(OWN, ROOT, [MIXED], MERCHANT), "another key"),
        (lambda: load_certificates(OWN, ROOT, [UNKNOWN], MERCHANT), "another key"),
        (lambda: load_certificates(OWN, ROOT, [SMALL], MERCHANT), "another key"),
        (lambda: load_certificates(OWN, ROOT, [_damaged(EC)], MERCHANT), "no readable certificate"),
        (lambda: load_certificates(_damaged(OWN), ROOT, [ALIPAYS], MERCHANT), "damaged"),
        (lambda: load_certificates(NAMELESS, ROOT, [ALIPAYS], MERCHANT), "damaged"),
        (lambda: load_certificates(OWN, EC, [ALIPAYS], MERCHANT), "alipayRootCert.crt"),
    ],
)
def test_files_that_cannot_be_right_are_refused_with_what_to_do(
    load: Callable[[], object], text: str
) -> None:
    with pytest.raises(KeyUnusable, match=text) as refused:
        load()
    assert "expected" in str(refused.value)


def test_the_merchants_key_is_not_taken_for_alipays() -> None:
    _, verifier = load_certificates(OWN, ROOT, [ALIPAYS], MERCHANT)
    assert not set(verifier.fingerprints) & set(MERCHANT_PUBLIC.fingerprints)
