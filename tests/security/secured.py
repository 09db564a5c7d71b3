"""Apache Kafka with TLS, SCRAM users and an authorizer: one broker, a listener for each thing that can be wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.security.authority import Authority
from tests.security.rights import manifest_rights
from worker.demo import artifacts
from worker.demo.local import HOST, free_port
from worker.demo.local_kafka import LocalKafka

PASSWORD: Final = "planted-sasl-password-5f1c"


@dataclass(frozen=True, slots=True)
class Secured:
    """`bootstrap_servers` is for tests, which are the super user there. `ports`: of the other listeners, by name.
    `log`: the broker's.
    """

    bootstrap_servers: str
    ports: Mapping[str, int]
    folder: Path
    ca: Authority
    log: Path

    def kafka(self, listener: str = "SCRAM", user: str = "refund-worker", **changed: Any) -> dict[str, Any]:
        """What `[kafka]` says to reach a listener as a user."""
        password = self.folder / f"{user}.password"
        password.write_text(f"{PASSWORD}-{user}\n")
        return {
            "bootstrap_servers": f"{HOST}:{self.ports[listener]}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": user,
            "sasl_password_file": str(password),
            "ssl_ca_file": str(self.ca.root),
            **changed,
        }

    def mutual(self, user: str = "refund-worker") -> dict[str, Any]:
        """As `kafka`, where a certificate says who is there and not a password."""
        certificate, key = self.ca.signed(user)
        return {
            "bootstrap_servers": f"{HOST}:{self.ports['MUTUAL']}",
            "security_protocol": "SSL",
            "ssl_ca_file": str(self.ca.root),
            "ssl_cert_file": str(certificate),
            "ssl_key_file": str(key),
        }


@contextmanager
def secured_kafka(folder: Path) -> Iterator[Secured]:
    """Started, with its users. Raises CannotHave where there is no Apache Kafka."""
    plain = artifacts.kafka()
    users = {user: f"{PASSWORD}-{user}" for user in manifest_rights()}
    kafka = replace(plain, formatted=artifacts.formatted_data(folder, plain.java, plain.classpath, users))
    ca = Authority(folder, "ca")
    certificates = {
        "SCRAM": ca.signed("kafka", HOST),
        "EXPIRED": ca.signed("expired", HOST, days=-1),
        "ELSEWHERE": ca.signed("elsewhere", "kafka.example.net"),
        "MUTUAL": ca.signed("mutual", HOST),
    }
    ports: dict[str, int] = {}
    for name in certificates:
        ports[name] = free_port()
    protocols = {name: "SSL" if name == "MUTUAL" else "SASL_SSL" for name in certificates}
    settings = {
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}"
            for name, protocol in {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **protocols}.items()
        ),
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.mutual.ssl.truststore.type": "PEM",
        "listener.name.mutual.ssl.truststore.location": str(ca.root),
        "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=(.*?)$/$1/",
    }
    for name, (certificate, key) in certificates.items():
        store = folder / f"{name}.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        listener = f"listener.name.{name.lower()}"
        settings[f"{listener}.ssl.keystore.type"] = "PEM"
        settings[f"{listener}.ssl.keystore.location"] = str(store)
        settings[f"{listener}.scram-sha-512.sasl.jaas.config"] = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        )
    with LocalKafka(kafka, settings, ports) as started:
        yield Secured(started.bootstrap_servers, ports, folder, ca, started.log)
