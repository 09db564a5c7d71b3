"""A Kafka to run against: the one in KAFKA_BOOTSTRAP_SERVERS, else Apache Kafka here, else a stand-in.

python -m worker.demo.broker fetch   fetch and check what a local broker needs
python -m worker.demo.broker pin     write the jars' sums anew after a change of pom.xml
python -m worker.demo.broker run     start one, print its address, stop it at Ctrl-C
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from worker.demo import artifacts
from worker.demo.artifacts import CannotHave, console
from worker.demo.local_kafka import LocalKafka
from worker.demo.noida import Noida

Kind = Literal["any", "kafka", "noida"]
ADDRESS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"


class NoBroker(Exception):
    """There is none to be had; the text says why for each kind."""


class Broker(Protocol):
    """A running broker. `real`: Apache Kafka, or what the user calls so. `limits`: what it cannot prove."""

    @property
    def bootstrap_servers(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def real(self) -> bool: ...
    @property
    def limits(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class ExternalBroker:
    """Somebody else's broker, never started or stopped by us."""

    bootstrap_servers: str
    real: bool = True
    limits: tuple[str, ...] = ("it is not ours to stop: restarts and outages are not exercised",)

    @property
    def description(self) -> str:
        return f"Kafka at {self.bootstrap_servers} (from {ADDRESS_VARIABLE})"


@contextmanager
def broker(kind: Kind = "any", environ: Mapping[str, str] = os.environ) -> Iterator[Broker]:
    """A started broker for the time of the `with`; a local one is stopped and its data removed at the end.

    "kafka": Apache Kafka or NoBroker. "noida": the stand-in or NoBroker. "any": as the module says.
    What a stand-in cannot prove is printed, so that nobody takes its green for the real one's.
    """
    address = environ.get(ADDRESS_VARIABLE)
    if address and kind != "noida":
        yield ExternalBroker(address)
        return
    with local_broker(kind) as local:
        yield local


def local_broker(kind: Kind = "any") -> LocalKafka | Noida:
    """A local broker, not started yet: enter it, or start() and close() it."""
    reasons = []
    if kind != "noida":
        try:
            return LocalKafka()
        except CannotHave as error:
            reasons.append(f"Apache Kafka: {error}")
    if kind != "kafka":
        try:
            stand_in = Noida()
        except CannotHave as error:
            reasons.append(f"noida-db: {error}")
        else:
            for reason in reasons:
                console.print(reason, markup=False, soft_wrap=True)
            console.print(f"Using {stand_in.description}. It cannot prove:", markup=False, soft_wrap=True)
            for limit in stand_in.limits:
                console.print(f"  - {limit}", markup=False, soft_wrap=True)
            return stand_in
    reasons.append(f"or set {ADDRESS_VARIABLE}=host:9092 to a Kafka 3.7.1 or newer")
    raise NoBroker("\n".join(["no broker to run against:", *reasons]))


def main() -> None:
    match sys.argv[1:]:
        case ["fetch"]:
            kafka = artifacts.kafka()
            console.print(
                f"Apache Kafka {kafka.version}, {len(kafka.jars)} jars as pinned, on {kafka.java}",
                soft_wrap=True,
            )
        case ["pin"]:
            artifacts.pin()
            console.print(f"{artifacts.SUMS} written; read the difference before you commit it")
        case ["run"]:
            with broker() as running:
                print(running.bootstrap_servers, flush=True)
                console.print(f"{running.description}; Ctrl-C stops it", markup=False, soft_wrap=True)
                # Only now: a blocked signal would be blocked in the broker too.
                signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
                signal.sigwait((signal.SIGINT, signal.SIGTERM))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
