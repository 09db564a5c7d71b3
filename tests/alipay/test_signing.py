"""Signatures, byte for byte against vectors that other implementations (openssl, Alipay's SDKs) agree on."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from worker.alipay.ams.signing import sandboxed_path, signature_header, signature_in, string_to_sign
from worker.alipay.keys import KeyUnusable, load_private_key, load_public_key, new_key_pair
from worker.alipay.signing import Signer, Verifier

FILE: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_bytes())
KEYS: dict[str, dict[str, str]] = {
    "merchant": FILE["keys"]["merchant"],
    "alipay": FILE["keys"]["alipay_simulated"],
}
SIGNERS = {name: Signer(load_private_key(key["private_pkcs8_der_b64"])) for name, key in KEYS.items()}
VERIFIERS = {name: Verifier((load_public_key(key["public_spki_pem"]),)) for name, key in KEYS.items()}
POSITIVE = pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda v: v["id"])
NEGATIVE = pytest.mark.parametrize("vector", FILE["negative"], ids=lambda v: v["id"])
FIRST: dict[str, str] = FILE["vectors"][0]
CONTENT = FIRST["string_to_sign"].encode()
HEADER = FIRST["signature_header"]
RAW_SIGNATURE = FIRST["signature_b64"]


def signed(signer: str, content: bytes, key_version: int = 1) -> str:
    return signature_header(SIGNERS[signer].sign(content), key_version)


def verified(verifier: Verifier, content: bytes, header: str) -> bool:
    return verifier.verify(content, signature_in(header))


@POSITIVE
def test_the_string_to_sign_is_the_agreed_bytes(vector: dict[str, str]) -> None:
    content = string_to_sign(
        vector["http_method"], vector["path"], vector["client_id"], vector["time"], vector["body"].encode()
    )
    assert content == base64.b64decode(vector["string_to_sign_b64"])
    assert hashlib.sha256(content).hexdigest() == vector["string_to_sign_sha256"]


@POSITIVE
def test_the_signature_header_is_the_agreed_text(vector: dict[str, str]) -> None:
    assert signed(vector["signer"], vector["string_to_sign"].encode()) == vector["signature_header"]


@POSITIVE
def test_an_agreed_signature_verifies(vector: dict[str, str]) -> None:
    assert verified(
        VERIFIERS[vector["signer"]], vector["string_to_sign"].encode(), vector["signature_header"]
    )


@POSITIVE
def test_the_other_sides_key_does_not_verify(vector: dict[str, str]) -> None:
    """The commonest misconfiguration: the merchant's own public key where Alipay's belongs."""
    other = {"merchant": "alipay", "alipay": "merchant"}[vector["signer"]]
    assert not verified(VERIFIERS[other], vector["string_to_sign"].encode(), vector["signature_header"])


@NEGATIVE
def test_what_was_not_signed_does_not_verify(vector: dict[str, str]) -> None:
    header = f"algorithm=RSA256,keyVersion=1,signature={vector['signature_b64']}"
    assert not verified(VERIFIERS[vector["signer"]], base64.b64decode(vector["string_b64"]), header)


@pytest.mark.parametrize(
    "header",
    [
        HEADER.replace(",", ", "),
        HEADER.replace("algorithm", "Algorithm").replace("signature", "Signature"),
        f"algorithm=RSA256, keyVersion=1, signature={RAW_SIGNATURE}",
        f"signature={RAW_SIGNATURE},keyVersion=1,algorithm=RSA256",
        f"signature={RAW_SIGNATURE}",
        f"  keyVersion = 9 , signature =  {RAW_SIGNATURE}  ",
        f"keyVersion=,signature={RAW_SIGNATURE.rstrip('=')}",
        HEADER.replace("%3D", "%3d").replace("%2F", "%2f"),
        "signature=" + "".join(f"%{ord(char):02X}" for char in RAW_SIGNATURE),
        f"signature=AAAA,signature={RAW_SIGNATURE}",
    ],
)
def test_every_way_of_writing_the_header_is_read(header: str) -> None:
    assert verified(VERIFIERS["merchant"], CONTENT, header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        "=",
        "signature",
        "signature=",
        "signature=,",
        "algorithm=RSA256,keyVersion=1",
        "algorithm=RSA256,keyVersion=1,signature=A",
        "algorithm=RSA256,keyVersion=1,signature=====",
        "signature=%",
        "signature=%zz%00",
        "signature=\x00\n\r",
        "signature=été",
        "signature=\udcff\udc80",
        "signature=" + "A" * 100_000,
        f"signature={RAW_SIGNATURE[:-8]}",
        f"signature={RAW_SIGNATURE[::-1]}",
        f"signature={RAW_SIGNATURE},signature=AAAA",
        f"signature={RAW_SIGNATURE.replace('+', ' ')}",
        RAW_SIGNATURE,
        HEADER.replace("signature=", "sign="),
    ],
)
def test_rubbish_is_not_a_signature(header: str) -> None:
    assert not verified(VERIFIERS["merchant"], CONTENT, header)


def test_no_header_raises_and_no_damaged_signature_verifies() -> None:
    """Seeded damage to a good header: it verifies only if its signature bytes came through unharmed."""
    chance = random.Random(20261122)
    start = HEADER.index("signature=") + len("signature=")
    for _ in range(500):
        at = chance.randrange(start, len(HEADER) - len("%3D%3D"))
        char = chr(chance.choice([chance.randrange(128), chance.randrange(0x110000)]))
        damaged = HEADER[:at] + char + HEADER[at + 1 :]
        good = verified(VERIFIERS["merchant"], CONTENT, damaged)
        assert not good or damaged.lower() == HEADER.lower()


def test_several_keys_are_valid_at_once() -> None:
    """While Alipay changes its key, answers signed with either must be read, whatever version they name."""
    both = Verifier((*VERIFIERS["merchant"].keys, *VERIFIERS["alipay"].keys))
    for name in KEYS:
        header = signed(name, b"x", key_version=3)
        assert verified(both, b"x", header)
        assert not verified(both, b"y", header)


def test_the_key_version_is_named_in_the_header() -> None:
    header = signed("merchant", CONTENT, key_version=7)
    assert header == HEADER.replace("keyVersion=1", "keyVersion=7")


def private_pem(body: str, label: str) -> str:
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


PKCS8 = KEYS["merchant"]["private_pkcs8_der_b64"]
PKCS1 = KEYS["merchant"]["private_pkcs1_der_b64"]


@pytest.mark.parametrize(
    "text",
    [
        PKCS8,
        PKCS1,
        PKCS8.encode() + b"\n",
        "\ufeff" + PKCS8,
        private_pem(PKCS8, "PRIVATE KEY"),
        private_pem(PKCS1, "RSA PRIVATE KEY"),
        private_pem(PKCS8, "RSA PRIVATE KEY").replace("\n", "\r\n"),
        base64.b64decode(PKCS8),
    ],
    ids=["pkcs8", "pkcs1", "newline", "bom", "pem-pkcs8", "pem-pkcs1", "pem-wrong-label-crlf", "der"],
)
def test_every_usual_form_of_a_private_key_is_read(text: bytes | str) -> None:
    assert signature_header(Signer(load_private_key(text)).sign(CONTENT)) == HEADER


PUBLIC_DER = KEYS["merchant"]["public_spki_der_b64"]
PUBLIC_PEM = KEYS["merchant"]["public_spki_pem"]
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - must be refused
CURVE = ec.generate_private_key(ec.SECP256R1())


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def public_pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


CERTIFICATE = private_pem(PUBLIC_DER, "CERTIFICATE")
LOCKED_DER_BASE64 = b"".join(pem_of(SMALL, b"x").splitlines()[1:-1])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        (" \n", "nothing"),
        ("keys/merchant.pem", "neither PEM nor base64"),
        (b"\xff\xfe\x00", "neither PEM nor base64"),
        ("AAAA", "no readable key"),
        (PKCS8[:400], "no readable key"),
        (PUBLIC_PEM, "a public key"),
        (PUBLIC_DER, "a public key"),
        (CERTIFICATE, "a certificate"),
        (pem_of(SMALL), "RSA key of only 1024 bits"),
        (pem_of(CURVE), "not RSA"),
        (pem_of(SMALL, b"passphrase"), "locked with a passphrase"),
        (LOCKED_DER_BASE64, "locked with a passphrase"),
    ],
)
def test_an_unusable_private_key_is_named(text: bytes | str, found: str) -> None:
    with pytest.raises(KeyUnusable, match=found) as refused:
        load_private_key(text)
    assert "expected the merchant's RSA private key" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        ("keys/alipay.pem", "neither PEM nor base64"),
        ("AAAA", "no readable key"),
        (PKCS8, "a private key"),
        (private_pem(PKCS1, "RSA PRIVATE KEY"), "a private key"),
        (LOCKED_DER_BASE64, "a private key"),
        (CERTIFICATE, "a certificate"),
        (public_pem_of(SMALL), "RSA key of only 1024 bits"),
        (public_pem_of(CURVE), "not RSA"),
    ],
)
def test_an_unusable_public_key_is_named(text: bytes | str, found: str) -> None:
    with pytest.raises(KeyUnusable, match=found) as refused:
        load_public_key(text)
    assert "expected an RSA public key" in str(refused.value)


def test_no_verifier_without_a_key() -> None:
    with pytest.raises(KeyUnusable, match="no public key"):
        Verifier(())


@pytest.mark.parametrize("text", [PKCS8, PKCS8[:400], PKCS8[:400] + "?", private_pem(PKCS8, "PUBLIC KEY")])
def test_no_message_and_no_repr_shows_key_material(text: str) -> None:
    """Sixteen characters of a key in a log are an incident."""
    said = repr(SIGNERS["merchant"]) + repr(VERIFIERS["merchant"])
    for load in (load_public_key, load_private_key):
        try:
            said += repr(load(text))
        except KeyUnusable as unusable:
            said += f"{unusable!r} {unusable.__cause__!r}"
    assert not any(PKCS8[i : i + 16] in said for i in range(len(PKCS8) - 16))


def test_a_fingerprint_shows_that_two_keys_are_one_pair() -> None:
    assert VERIFIERS["merchant"].fingerprints == (SIGNERS["merchant"].fingerprint,)
    assert VERIFIERS["alipay"].fingerprints != VERIFIERS["merchant"].fingerprints


def test_a_new_key_pair_fits_together() -> None:
    private, public = new_key_pair()
    assert Verifier((load_public_key(public),)).verify(b"x", Signer(load_private_key(private)).sign(b"x"))
    assert load_private_key(private).key_size == 2048


@pytest.mark.parametrize(
    ("client_id", "path", "requested"),
    [
        ("SANDBOX_5X01", "/ams/api/v1/payments/refund", "/ams/sandbox/api/v1/payments/refund"),
        ("SANDBOX_5X01", "/ams/sandbox/api/v1/payments/refund", "/ams/sandbox/api/v1/payments/refund"),
        ("SANDBOX_5X01", "/ams/api/ams/api", "/ams/sandbox/api/ams/api"),
        ("5X01", "/ams/api/v1/payments/refund", "/ams/api/v1/payments/refund"),
        ("sandbox_5X01", "/ams/api/v1/payments/refund", "/ams/api/v1/payments/refund"),
    ],
)
def test_a_sandbox_client_requests_the_sandbox_path(client_id: str, path: str, requested: str) -> None:
    assert sandboxed_path(path, client_id) == requested
