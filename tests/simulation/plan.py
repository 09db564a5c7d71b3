"""The faults that are planned: when each will strike, and whom."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition

from tests.simulation.events import CONTROL, LEDGER, RESULTS, Stopping
from tests.simulation.faults import MAINLAND_ONLY, MERCHANTS_ONLY, PLANNED
from tests.simulation.guarantee import CLOCKS_APART_S
from worker.messages.control import EVERYTHING
from worker.refunds.money import Money

if TYPE_CHECKING:
    from tests.simulation.world import Worker, World

FROM_S: Final = 1.5
TO_S: Final = 34.0
OUTSIDE: Final = (
    MAINLAND_ONLY
    | MERCHANTS_ONLY
    | {
        "compaction",
        "leader change",
        "key revoked",
        "outage",
        "operator's halt",
        "kill switch",
        "control unavailable",
    }
)
"""What strikes no worker's process."""


class Plan:
    """`acts`: what happens when, s since the beginning."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = Random(f"{world.seed} plan")
        kinds: dict[str, Callable[[Worker], None]] = {
            "crash": self._crash,
            "freeze": self._freeze,
            "zombie": self._zombie,
            "isolated": self._isolate,
            "coordinator silent": self._silence,
            "clock step": self._step,
            "suspend": self._suspend,
            "rebalance": self._rebalance,
            "stop and start": self._stop,
            "leader change": self._leader,
            "compaction": self._compact,
            "key revoked": self._revoke,
            "outage": self._outage,
            "token revoked": self._revoke_token,
            "balance empty": self._empty,
            "refunded by hand": self._refund_by_hand,
            "operator's halt": self._halt,
            "kill switch": self._halt_everything,
            "control unavailable": self._hide_control,
        }
        assert set(kinds) == set(PLANNED)
        for absent in self._absent():
            del kinds[absent]
        self.acts: list[tuple[float, Callable[[], None]]] = []
        for kind, act in kinds.items():
            mean = world.faults.share(kind)
            count = int(mean) + (self._random.random() < mean % 1)
            for _ in range(count):
                self.acts.append((self._random.uniform(FROM_S, TO_S), self._acting(kind, act)))

    def _absent(self) -> frozenset[str]:
        """What cannot happen on this world's channel."""
        channel = self._world.channel
        return (frozenset() if channel.mainland else MAINLAND_ONLY) | (
            frozenset() if channel.tokens else MERCHANTS_ONLY
        )

    def _acting(self, kind: str, act: "Callable[[Worker], None]") -> Callable[[], None]:
        def strike() -> None:
            world = self._world
            alive = [one for one in world.workers.values() if not one.process.cut and not one.task.done()]
            if not alive:
                return
            worker = self._random.choice(alive)
            process = "" if kind in OUTSIDE else worker.process.name
            world.faults.fire(kind, process)
            act(worker)

        return strike

    def _crash(self, worker: "Worker") -> None:
        self._world.kill(worker)

    def _freeze(self, worker: "Worker") -> None:
        self._world.freeze(worker, self._random.uniform(0.3, 5.0))

    def _zombie(self, worker: "Worker") -> None:
        self._world.freeze(worker, self._random.uniform(10.0, 20.0))

    def _suspend(self, worker: "Worker") -> None:
        self._world.freeze(worker, self._random.uniform(2.0, 15.0), suspended=True)

    def _isolate(self, worker: "Worker") -> None:
        until = self._world.loop.time() + self._random.uniform(1.0, 14.0)
        self._world.line.isolated_until[worker.process] = until

    def _silence(self, worker: "Worker") -> None:
        until = self._world.loop.time() + self._random.uniform(5.0, 16.0)
        self._world.line.silent_until[worker.process] = until

    def _step(self, worker: "Worker") -> None:
        worker.clock.unix_ahead_s = self._random.uniform(-0.5, 0.5) * CLOCKS_APART_S

    def _rebalance(self, worker: "Worker") -> None:
        self._world.group.rebalance()

    def _stop(self, worker: "Worker") -> None:
        self._world.happened(Stopping(worker.process.name))
        worker.engine.stop()

    def _leader(self, worker: "Worker") -> None:
        world = self._world
        part = TopicPartition(
            self._random.choice((RESULTS, LEDGER)), self._random.randrange(world.partitions)
        )
        world.cluster.unavailable_until[part] = world.loop.time() + self._random.uniform(0.2, 4.0)

    def _compact(self, worker: "Worker") -> None:
        self._world.cluster.compact(self._random.randrange(self._world.partitions))

    def _revoke(self, worker: "Worker") -> None:
        world, revoked = self._world, self._world.alipay.endpoint.revoked
        account = world.channel.interface.account
        revoked.add(account)
        world.loop.call_later(self._random.uniform(3.0, 12.0), revoked.discard, account)

    def _outage(self, worker: "Worker") -> None:
        endpoint = self._world.alipay.endpoint
        endpoint.outage = True
        self._world.loop.call_later(self._random.uniform(2.0, 8.0), setattr, endpoint, "outage", False)

    def _revoke_token(self, worker: "Worker") -> None:
        world = self._world
        merchant = self._random.choice(sorted(world.channel.tokens))
        world.alipay.revoke(merchant)
        world.loop.call_later(self._random.uniform(3.0, 14.0), world.alipay.authorise, merchant)

    def _empty(self, worker: "Worker") -> None:
        ledger = self._world.alipay.ledger
        ledger.balance_empty = True
        self._world.loop.call_later(self._random.uniform(2.0, 12.0), setattr, ledger, "balance_empty", False)

    def _halt(self, worker: "Worker") -> None:
        self._switch(self._world.channel.name)

    def _halt_everything(self, worker: "Worker") -> None:
        self._switch(EVERYTHING)

    def _hide_control(self, worker: "Worker") -> None:
        """Half of the time something is halted meanwhile."""
        world = self._world
        until = world.loop.time() + self._random.uniform(1.0, 6.0)
        world.cluster.unavailable_until[TopicPartition(CONTROL, 0)] = until
        if self._random.random() < 0.5:
            self._halt(worker)

    def _switch(self, channel: str) -> None:
        world = self._world
        world.switch(channel, halted=True)
        world.loop.call_later(self._random.uniform(2.0, 10.0), partial(world.switch, channel, halted=False))

    def _refund_by_hand(self, worker: "Worker") -> None:
        """Of something that nobody has asked the worker for yet; half of the time of another amount."""
        world = self._world
        asked = [command for at, command in world.workload.commands if at > world.loop.time() + 0.5]
        if not asked:
            return
        command = self._random.choice(asked)
        more = self._random.choice((0, 1))
        world.alipay.refund_by_hand(command, Money(command.amount.currency, command.amount.value + more))
