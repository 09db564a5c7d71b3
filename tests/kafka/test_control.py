"""How old the news of operators' halts may be, as the reader of them tells it."""

from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from tests.stream.stage import HandClock
from worker.kafka.clients import Clients
from worker.kafka.control import KafkaControl
from worker.settings import KafkaSettings

KAFKA: Final = KafkaSettings(bootstrap_servers="127.0.0.1:1")
TOPIC: Final = "refund.control"


@dataclass
class Broker:
    """An empty topic. `answering`: False while requests get no answer. `cut`: the next request fails."""

    clock: HandClock = field(default_factory=HandClock)
    answering: bool = True
    cut: bool = False

    def control(self) -> KafkaControl:
        return KafkaControl(KAFKA, TOPIC, self.clock, Clients(consumer=lambda **_: Consumer(self)))  # type: ignore[arg-type] # looks like it


class Consumer:
    """As much of aiokafka's as is used."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._answered_ms: int | None = None

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def seek_to_beginning(self, _: Any) -> None: ...
    def assign(self, _: Any) -> None: ...
    def seek(self, *_: Any) -> None: ...

    async def topics(self) -> set[str]:
        return {TOPIC}

    async def end_offsets(self, parts: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(parts, 0)

    async def position(self, _: Any) -> int:
        return 0

    async def getmany(self, *_: Any, timeout_ms: int) -> dict[Any, Any]:
        del timeout_ms
        if self._broker.cut:
            raise KafkaConnectionError
        if self._broker.answering:
            self._answered_ms = round(self._broker.clock.now() * 1000)
        return {}

    def last_poll_timestamp(self, _: Any) -> int | None:
        return self._answered_ms


async def test_every_answer_makes_the_news_younger() -> None:
    broker = Broker()
    control = broker.control()
    await control.start()
    for _ in range(5):
        broker.clock.forward(1)
        await control.poll(0)
    assert control.age_s() == 1


async def test_a_new_connection_is_no_news_before_its_first_answer() -> None:
    broker = Broker()
    control = broker.control()
    await control.start()
    for _ in range(3):
        broker.clock.forward(1)
        await control.poll(0)
    known_s = control.age_s()
    broker.cut = True
    await control.poll(0)
    broker.cut = broker.answering = False
    for _ in range(4):
        broker.clock.forward(1)
        await control.poll(0)
    assert control.age_s() == known_s + 4
