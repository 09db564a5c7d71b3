"""One request in, one answer out: all that the simulated Alipay does, without sockets and without waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from worker.alipay.signing import Signer, Verifier
from worker.refunds.money import Money
from worker.simulator.accounts import Accounts, App
from worker.simulator.ams import Ams
from worker.simulator.behaviour import Behaviour
from worker.simulator.ledger import Ledger
from worker.simulator.mainland import Mainland
from worker.simulator.mainland_v2 import GATEWAY_PATH, MainlandV2
from worker.simulator.mainland_v3 import V3_PREFIX, MainlandV3
from worker.simulator.modes import Ending
from worker.simulator.notices import Notices
from worker.simulator.observed import Observed
from worker.simulator.provider import Provider
from worker.simulator.wire import Answer, Request

__all__ = ["Answer", "Endpoint", "Request"]


class Endpoint:
    """Every interface, over one set of books. `clients`: the merchants' public keys by client id. `apps`: the
    mainland's. What else is known of accounts is changed in `accounts`.
    """

    def __init__(
        self,
        signer: Signer,
        clients: Mapping[str, Verifier],
        ledger: Ledger,
        behaviour: Behaviour,
        apps: Mapping[str, App] | None = None,
    ) -> None:
        self.accounts: Final = Accounts(dict(clients), dict(apps or {}))
        self.provider: Final = Provider(signer, ledger, behaviour)
        self.notices: Final = Notices(self.provider, self.accounts)
        self.outage = False
        mainland = Mainland(self.provider, self.accounts)
        self._ams: Final = Ams(self.provider, self.accounts)
        self._v2: Final = MainlandV2(mainland)
        self._v3: Final = MainlandV3(mainland)

    @property
    def signer(self) -> Signer:
        return self.provider.signer

    @property
    def ledger(self) -> Ledger:
        return self.provider.ledger

    @property
    def behaviour(self) -> Behaviour:
        return self.provider.behaviour

    @property
    def observed(self) -> Observed:
        return self.provider.observed

    @property
    def clients(self) -> dict[str, Verifier]:
        return self.accounts.clients

    @property
    def apps(self) -> dict[str, App]:
        return self.accounts.apps

    @property
    def v3_signs_errors(self) -> bool:
        """Whether v3 signs errors about a trade, as v2 does."""
        return self._v3.signs_errors

    @v3_signs_errors.setter
    def v3_signs_errors(self, signs: bool) -> None:
        self._v3.signs_errors = signs

    @property
    def revoked(self) -> set[str]:
        """Clients and apps whose key was taken back."""
        return self.accounts.revoked

    def register_trade(self, trade_no: str, order_number: str, fen: int, *, refusal: str = "") -> None:
        """Make a mainland trade known by both its names, worth `fen`; the books call it `trade_no`."""
        trade = self.provider.trades.find(trade_no, order_number)
        self.ledger.register(trade.payment_id, Money("CNY", fen), refusal=refusal)

    def answer(self, request: Request, now: float) -> Answer:
        """What becomes of `request` at `now` (Unix seconds). Money moves here, before the answer leaves."""
        if trace := request.headers.get("traceparent"):
            self.observed.traces[trace] += 1
        if self.outage:
            self.observed.refused["outage"] += 1
            return Answer(Ending.CUT)
        path = request.path.partition("?")[0]
        if path == GATEWAY_PATH:
            return self._v2.answer(request, now)
        if path.startswith(V3_PREFIX):
            return self._v3.answer(request, now)
        return self._ams.answer(request, now)
