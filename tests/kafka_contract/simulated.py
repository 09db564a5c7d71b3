"""The simulated cluster as the contracts see it: no faults but those that a test asks for, in real time."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Final

from typing_extensions import override

from tests.kafka_contract.cluster import PARTITIONS, Disturbed, Names, settings
from tests.kafka_contract.proxy import Loss
from tests.simulation import cluster as simulation
from tests.simulation.consumer import SimulatedAdmin, SimulatedConsumer
from tests.simulation.faults import LINE, Faults
from tests.simulation.group import Group
from tests.simulation.line import Line
from tests.simulation.processes import Process
from tests.simulation.producer import SimulatedProducer
from worker.kafka.clients import Clients
from worker.stream.ports import Headers

SEED: Final = 1  # its line takes 3 ms a way
LOSSES: Final = {
    Loss.REQUEST: "kafka: cut before",
    Loss.ANSWER: "kafka: cut after",
    Loss.LATE: "kafka: cut, request late",
}
assert set(LOSSES.values()) <= set(LINE)


class Script(Faults):
    """Strikes when it is told to. `losses`: what becomes of the next request with this name."""

    def __init__(self, *, markers_slow: bool) -> None:
        super().__init__(SEED, lambda event: None, lambda process: False)
        self._markers_slow = markers_slow
        self.requests: Counter[str] = Counter()
        self.losses: dict[str, Loss] = {}

    @override
    def strikes(self, kind: str, process: str, detail: str = "") -> bool:
        return self._markers_slow and kind == "kafka: markers slow"

    @override
    def one_of(self, kinds: Sequence[str], process: str, detail: str = "", weight: float = 1.0) -> str:
        if kinds != tuple(LINE):
            return ""
        self.requests[detail] += 1
        loss = self.losses.pop(detail, None)
        return "" if loss is None else LOSSES[loss]


class HoldingLine(Line):
    """Its late requests arrive when they are released."""

    def __init__(self, faults: Faults, outside: Context) -> None:
        super().__init__(SEED, faults, _Unharmed(), outside)
        self._held: list[Callable[[], None]] = []

    @override
    def _straggle(self, arrive: Callable[[], None]) -> None:
        self._held.append(arrive)

    def release(self) -> None:
        held, self._held = self._held, []
        for arrive in held:
            arrive()


class _Unharmed:
    def step(self, process: Process, name: str, kinds: tuple[str, ...]) -> None:
        """No process is struck."""


class Simulated(Disturbed):
    """What the simulation puts around the worker."""

    def __init__(self, names: Names, *, markers_slow: bool = False) -> None:
        super().__init__(settings("simulated:9092", names), names)
        outside = copy_context()
        self.script = Script(markers_slow=markers_slow)
        self.cluster = simulation.Cluster(PARTITIONS, SEED, self.script, lambda event: None, outside)
        self.cluster.topics = set(names.all)
        self.line = HoldingLine(self.script, outside)
        self.group = Group(PARTITIONS, self.kafka.rebalance_timeout_s, SEED, outside)
        self.processes: list[Process] = []

    @override
    def clients(self) -> Clients:
        process = Process(f"process {len(self.processes)}")
        self.processes.append(process)
        cluster, line = self.cluster, self.line
        return Clients(
            producer=partial(SimulatedProducer, cluster, line, self.script, process),  # type: ignore[arg-type] # looks like it
            consumer=partial(SimulatedConsumer, cluster, line, self.group, process, lambda event: None),  # type: ignore[arg-type] # looks like it
            admin=partial(SimulatedAdmin, cluster, process),  # type: ignore[arg-type] # looks like it
        )

    @override
    async def append(
        self,
        partition: int,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        topic: str = "",
    ) -> None:
        self.cluster.ask(topic or self.names.commands, partition, key, value, headers, time.time())

    @property
    @override
    def ends(self) -> int:
        return self.script.requests["EndTxn"]

    @override
    def lose_end(self, loss: Loss) -> None:
        self.script.losses["EndTxn"] = loss

    @override
    async def release(self) -> None:
        self.line.release()

    @override
    def freeze(self) -> None:
        self.line.isolated_until = dict.fromkeys(self.processes, math.inf)

    @override
    def thaw(self) -> None:
        self.line.isolated_until.clear()
