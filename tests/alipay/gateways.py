"""Gateways under test, with short deadlines, and what they told the metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.alipay.sample import ALIPAY_PUBLIC, CLIENT_ID, COMMAND, MERCHANT, SUBMIT
from worker.alipay.ams.content import refund_body
from worker.alipay.ams.interface import AmsInterface
from worker.alipay.channel import Calls, Channel
from worker.alipay.gateway import ChannelGateway
from worker.alipay.interface import Keys
from worker.refunds.attempt import Attempt
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply

NOW = 1_685_599_933.871
BODY = refund_body(COMMAND)
INTERFACE = AmsInterface(CLIENT_ID, "production", Keys(MERCHANT, ALIPAY_PUBLIC))
CALLS = Calls("http://127.0.0.1:1", connect_s=5.0, deadline_s=5.0)
CHANNEL = Channel("global", INTERFACE, Terms(asynchronous=False), CALLS)


def changed(**changes: Any) -> Channel:
    """The channel with other values, each wherever it belongs."""
    of_calls = {name: value for name, value in changes.items() if name in CALLS.__dataclass_fields__}
    of_interface = {name: value for name, value in changes.items() if name in INTERFACE.__dataclass_fields__}
    others = {name: value for name, value in changes.items() if name not in of_calls | of_interface}
    interface, calls = replace(INTERFACE, **of_interface), replace(CALLS, **of_calls)
    return replace(CHANNEL, interface=interface, calls=calls, **others)


def yes() -> bool:
    return True


@dataclass(slots=True)
class Asked:
    """A `may_start` that says yes and counts."""

    times: int = 0

    def __call__(self) -> bool:
        self.times += 1
        return True


@dataclass(slots=True)
class Observed:
    """What the gateway told its observer: operation, reply, phase."""

    calls: list[tuple[str, Reply, str | None]] = field(default_factory=list)

    def __call__(self, operation: str, reply: Reply, seconds: float, phase: str | None) -> None:
        assert 0 <= seconds < 60
        self.calls.append((operation, reply, phase))

    @property
    def phases(self) -> list[str | None]:
        return [phase for _, _, phase in self.calls]


def gateway(url: str, observe: Observed | None = None, **changes: Any) -> ChannelGateway:
    channel = changed(base_url=url, **changes)
    return ChannelGateway(channel, observe or Observed(), lambda: NOW, time.monotonic)


async def call(
    to: ChannelGateway, attempt: Attempt = SUBMIT, may_start: Callable[[], bool] = yes
) -> Reply | NotStarted:
    return await to.call(attempt, BODY, may_start)
