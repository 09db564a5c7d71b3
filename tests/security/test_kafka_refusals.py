"""Whatever is wrong between us and Kafka is said with its cure: no traceback, no secret, no waiting for ever."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization

from tests.broker.harness import key_pairs
from tests.broker.settings_file import toml
from tests.security.authority import Authority
from tests.security.secured import PASSWORD, Secured
from worker.kafka.cluster import release
from worker.kafka.connection import Unreachable
from worker.settings import KafkaSettings

Kafka = Mapping[str, Any]


def _without(kafka: Kafka, *beginnings: str) -> Kafka:
    return {name: value for name, value in kafka.items() if not name.startswith(beginnings)}


def _file(secured: Secured, content: bytes) -> str:
    file = secured.folder / "changed"
    file.write_bytes(content)
    return str(file)


def _strangers(secured: Secured) -> Kafka:
    folder = secured.folder / "strangers"
    folder.mkdir(exist_ok=True)
    certificate, key = Authority(folder, "strangers-ca").signed("refund-worker")
    return {**secured.mutual(), "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}


def _passphrase(secured: Secured) -> Kafka:
    mutual = secured.mutual()
    key = serialization.load_pem_private_key(Path(mutual["ssl_key_file"]).read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"planted"),
    )
    return {**mutual, "ssl_key_file": _file(secured, locked)}


# What is wrong, and words of the answer: the finding, then the cure.
CASES: Final[Mapping[str, tuple[Callable[[Secured], Kafka], str, str]]] = {
    "a wrong password": (
        lambda one: one.kafka(sasl_password_file=_file(one, b"planted-wrong")),
        "SaslAuthenticationFailed",
        "the password in kafka.sasl_password_file",
    ),
    "an unknown user": (
        lambda one: one.kafka(sasl_username="nobody"),
        "SaslAuthenticationFailed",
        "check kafka.sasl_username",
    ),
    "an empty password": (
        lambda one: one.kafka(sasl_password_file=_file(one, b"\n")),
        "is empty",
        "save the Kafka user's password there",
    ),
    "a password that is no text": (
        lambda one: one.kafka(sasl_password_file=_file(one, b"\xff\xfeplanted")),
        "is no text in UTF-8",
        "save the Kafka user's password there",
    ),
    "a mechanism that is not offered": (
        lambda one: one.kafka(sasl_mechanism="PLAIN"),
        "UnsupportedSaslMechanism",
        "check kafka.sasl_mechanism",
    ),
    "another CA": (
        lambda one: one.kafka(ssl_ca_file=str(Authority(one.folder, "another").root)),
        "unable to get local issuer certificate",
        "in kafka.ssl_ca_file",
    ),
    "no CA": (
        lambda one: _without(one.kafka(), "ssl_"),
        "unable to get local issuer certificate",
        "in kafka.ssl_ca_file",
    ),
    "a CA that is none": (
        lambda one: one.kafka(ssl_ca_file=_file(one, b"rubbish")),
        "kafka.ssl_ca_file",
        "put the CA's certificate (PEM) there",
    ),
    "an expired certificate": (lambda one: one.kafka("EXPIRED"), "certificate has expired", "renewed"),
    "another host's certificate": (
        lambda one: one.kafka("ELSEWHERE"),
        "certificate is not valid for '127.0.0.1'",
        "advertised.listeners",
    ),
    "no TLS where it is needed": (
        lambda one: _without(one.kafka(), "ssl_", "sasl_", "security_"),
        "can be used",
        "compare kafka.security_protocol",
    ),
    "TLS where there is none": (
        lambda one: one.kafka(bootstrap_servers=one.bootstrap_servers),
        "can be used",
        "compare kafka.security_protocol",
    ),
    "no user where one is needed": (
        lambda one: {**_without(one.kafka(), "sasl_"), "security_protocol": "SSL"},
        "closed",
        "compare kafka.security_protocol",
    ),
    "no client certificate": (
        lambda one: _without(one.mutual(), "ssl_cert", "ssl_key"),
        "closed",
        "give it kafka.ssl_cert_file",
    ),
    "a stranger's client certificate": (_strangers, "closed", "of a CA that it knows"),
    "another certificate's key": (
        lambda one: {**one.mutual(), "ssl_key_file": str(one.folder / "kafka.key")},
        "KEY_VALUES_MISMATCH",
        "its own private key",
    ),
    "a key with a passphrase": (_passphrase, "needs a passphrase", "openssl pkey"),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_wrong_is_said_with_its_cure(secured: Secured, case: str) -> None:
    wrong, finding, cure = CASES[case]
    with pytest.raises(Unreachable) as raised:
        await release(KafkaSettings(**wrong(secured)))
    what, _, todo = str(raised.value).partition("; ")
    assert finding in what
    assert cure in todo
    assert "planted" not in str(raised.value)


async def test_the_right_settings_are_accepted(secured: Secured) -> None:
    """Without this, all of the above could be refused for one and the same reason."""
    for kafka in (secured.kafka(), secured.mutual()):
        assert not (await release(KafkaSettings(**kafka))).cure


@pytest.mark.parametrize(
    "case", ["a wrong password", "a password that is no text", "a key with a passphrase"]
)
@pytest.mark.parametrize("command", ["check", "run"])
async def test_commands_end_with_the_cure(secured: Secured, tmp_path: Path, case: str, command: str) -> None:
    """Standard input stays open: nothing may wait for somebody to type a passphrase."""
    wrong, _, cure = CASES[case]
    (private, _), (_, public) = key_pairs()
    (tmp_path / "merchant.pem").write_bytes(private)
    (tmp_path / "alipay.pem").write_bytes(public)
    config = tmp_path / "worker.toml"
    config.write_text(toml("x:1", "p.", tmp_path, "http://127.0.0.1:9", {"kafka": wrong(secured)}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", command, "--config", str(config)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(90):
        text = (await process.stdout.read()).decode()
        assert await process.wait() == 1
    assert cure in " ".join(text.split())
    assert "Traceback" not in text
    assert PASSWORD not in text
    assert "planted" not in text
