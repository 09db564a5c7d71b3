"""A dispatcher under test, with the accounts it calls and an owner."""

from collections.abc import Mapping
from typing import Any

from tests.stream.fake_gateway import FakeGateway
from tests.stream.fake_owner import FakeOwner
from tests.stream.recording_meter import RecordingMeter
from tests.virtual_time import VirtualClock
from worker.stream.dispatch import Dispatcher
from worker.stream.limits import Limits


class Switchboard:
    """A dispatcher, its gateways, and an owner."""

    def __init__(self, *gateways: FakeGateway, limits: Mapping[str, Any] | None = None) -> None:
        self.clock = VirtualClock()
        self.meter = RecordingMeter()
        self.gateways = gateways or (FakeGateway(),)
        self.gateway = self.gateways[0]
        self.dispatcher = Dispatcher(
            {each.name: each for each in self.gateways}, Limits(**(limits or {})), self.clock, self.meter
        )
        self.owner = self.another_owner()

    def another_owner(self, *, commits: bool = False) -> FakeOwner:
        owner = FakeOwner(self.gateway, self.clock)
        owner.commits_to = self.dispatcher if commits else None
        return owner

    def offer(
        self, *names: str, payment: str = "", owner: FakeOwner | None = None, merchant: str = ""
    ) -> None:
        of = owner or self.owner
        for name in names:
            self.dispatcher.offer(of.call(name, payment, merchant=merchant))

    @property
    def called(self) -> list[str]:
        return [call.attempt.command.refund_request_id for call in self.gateway.calls]
