"""Gateways under test, with short deadlines, and what they told the metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.alipay.sample import ALIPAY_PUBLIC, CLIENT_ID, COMMAND, MERCHANT, SUBMIT
from worker.alipay.channel_settings import AmsSettings
from worker.alipay.gateway import ChannelGateway
from worker.alipay.ams.content import refund_body
from worker.refunds.attempt import Attempt
from worker.refunds.policy import Terms
from worker.refunds.reply import NotStarted, Reply

NOW = 1_685_599_933.871
BODY = refund_body(COMMAND)
SETTINGS = AmsSettings(
    name="global",
    base_url="http://127.0.0.1:1",
    client_id=CLIENT_ID,
    environment="production",
    signer=MERCHANT,
    verifier=ALIPAY_PUBLIC,
    terms=Terms(asynchronous=False),
    connect_s=5.0,
    deadline_s=5.0,
)


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


def gateway(url: str, observe: Observed | None = None, **changes: object) -> AmsGateway:
    settings = replace(SETTINGS, base_url=url, **changes)  # type: ignore[arg-type]
    return AmsGateway(settings, observe or Observed(), lambda: NOW, time.monotonic)


async def call(
    to: AmsGateway, attempt: Attempt = SUBMIT, may_start: Callable[[], bool] = yes
) -> Reply | NotStarted:
    return await to.call(attempt, BODY, may_start)
