"""The faults, and when they strike: drawn from a seed, the same for the same seed. Pure."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What goes wrong."""

    WORKER_KILLED = "worker killed with -9"
    WORKER_FROZEN = "worker frozen past its session"
    WORKER_PAUSED = "worker frozen, but not for so long"
    WORKER_ADDED = "worker added"
    WORKER_REMOVED = "worker removed (TERM)"
    BROKER_RESTARTED = "broker restarted (TERM)"
    BROKER_KILLED = "broker killed with -9"
    BROKER_FROZEN = "broker frozen"
    ALIPAY_CUT = "connections to Alipay cut"
    ALIPAY_FROZEN = "connections to Alipay frozen"
    KAFKA_CUT = "connections to the broker cut"
    KAFKA_FROZEN = "connections to the broker frozen"
    TOPIC_GROWN = "partitions added to the commands"


# Seconds, from and to, with sessions of 4 s and calls of 1.5 s.
LASTS_S: Final[dict[Kind, tuple[float, float]]] = {
    Kind.WORKER_KILLED: (0.0, 3.0),  # until its successor is started
    Kind.WORKER_FROZEN: (4.5, 8.0),
    Kind.WORKER_PAUSED: (0.5, 3.0),
    Kind.WORKER_ADDED: (0.0, 0.0),
    Kind.WORKER_REMOVED: (0.0, 0.0),
    Kind.BROKER_RESTARTED: (0.0, 1.0),  # between its end and its start
    Kind.BROKER_KILLED: (0.0, 1.0),
    Kind.BROKER_FROZEN: (0.5, 6.0),
    Kind.ALIPAY_CUT: (0.0, 0.0),
    Kind.ALIPAY_FROZEN: (0.5, 4.0),
    Kind.KAFKA_CUT: (0.0, 0.0),
    Kind.KAFKA_FROZEN: (0.5, 7.0),
}
EVERYWHERE: Final = 0.3  # the share of network faults that all workers have at once
TOGETHER: Final = 0.35  # the share of faults after which the next one does not wait for the recovery
BEFORE_S: Final = (0.2, 1.5)


@dataclass(frozen=True, slots=True)
class Fault:
    """`before_s`: after the load for it began to come. `target`: in [0, 1), which of those there are then.

    `everywhere`: all workers' connections, not one's. `alone`: the next fault waits until this one is recovered from.
    """

    kind: Kind
    before_s: float
    lasts_s: float
    target: float
    everywhere: bool
    alone: bool


def schedule(count: int, seed: int) -> list[Fault]:
    """`count` faults. Kinds are dealt like cards, so that each comes as often as any other."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    deck: list[Kind] = []
    for _ in range(count):
        if not deck:
            deck = list(LASTS_S)
            chance.shuffle(deck)
        kind = deck.pop()
        faults.append(
            Fault(
                kind=kind,
                before_s=round(chance.uniform(*BEFORE_S), 2),
                lasts_s=round(chance.uniform(*LASTS_S[kind]), 2),
                target=chance.random(),
                everywhere=chance.random() < EVERYWHERE,
                alone=chance.random() >= TOGETHER,
            )
        )
    return faults
