"""An Alipay that misbehaves on request, and the oracle of what money moved. For tests and demos only."""

from worker.simulator.behaviour import Behaviour, Operation, Rule
from worker.simulator.ledger import Ledger, LedgerSettings, Movement, RefundRequest
from worker.simulator.server import AlipaySimulator, SimulatorSettings, serve

__all__ = [
    "AlipaySimulator",
    "Behaviour",
    "Ledger",
    "LedgerSettings",
    "Movement",
    "Operation",
    "RefundRequest",
    "Rule",
    "SimulatorSettings",
    "serve",
]
