"""How often the simulation's Alipay misbehaves in which way, on each interface. All drawn from the seed."""

from collections.abc import Callable
from random import Random
from typing import Final

from typing_extensions import override

from tests.simulation.channels import Speaks
from tests.simulation.faults import Faults
from worker.simulator import modes
from worker.simulator.behaviour import Behaviour, Operation, Rule
from worker.simulator.modes import NORMAL, Mode, Signing

Shares = tuple[tuple[Mode, float], ...]

# Of a refund call, in the order in which they were first drawn: a seed keeps what it has.
_DONE_OR_NOT: Final[Shares] = (
    (modes.cut_before(), 0.03),
    (modes.cut_after(), 0.04),
    (modes.cut_within(), 0.02),
    (modes.silent_before(), 0.02),
    (modes.silent_after(), 0.04),
    (modes.late(5_000), 0.04),
    (modes.unknown_result(), 0.02),
    (modes.unknown_after(), 0.03),
    (modes.throttle(), 0.03),
    (modes.in_process_then_success(2), 0.03),
    (modes.in_process_then_fail(2), 0.03),
)
_UNTRUE: Final[Shares] = (
    (modes.unsigned_s(), 0.02),
    (modes.wrong_signature(), 0.03),
    (modes.wrong_echo(), 0.01),
    (modes.http_502(), 0.02),
    (modes.http_502_after(), 0.03),
    (modes.garbled(), 0.02),
)
_AMS: Final[Shares] = (
    *_DONE_OR_NOT,
    (modes.declined_then_success(), 0.02),
    (modes.decline("RISK_REJECT"), 0.04),
    (modes.decline("REFUND_AMOUNT_EXCEED"), 0.02),
    (modes.unsigned_f(), 0.03),
    *_UNTRUE,
)
_AMS_ASYNCHRONOUS: Final[Shares] = (
    (modes.accepted_then_success(1), 0.2),
    (modes.accepted_then_fail(1), 0.1),
)
# What failed on the mainland may be asked for again under its number, so that nothing is declined for good.
_MAINLAND: Final[Shares] = (
    *_DONE_OR_NOT,
    (modes.declined_then_success(), 0.02),
    (modes.decline("ACQ.TRADE_HAS_FINISHED"), 0.03),
    (modes.decline("ACQ.REASON_TRADE_BEEN_FREEZEN"), 0.02),
    (modes.decline("ACQ.TRADE_STATUS_ERROR"), 0.03),
    (modes.refuse("ACQ.DISCORDANT_REPEAT_REQUEST"), 0.02),
    (modes.balance_empty(), 0.04),
    (modes.accepted_then_success(1), 0.04),
    (modes.accepted_then_fail(1), 0.04),
    (modes.gbk(), 0.03),
    (modes.gbk(unknown_unsigned=True), 0.02),
    (modes.duplicated(), 0.05),
    (modes.unsigned_f("ACQ.TRADE_HAS_FINISHED"), 0.03),
    *_UNTRUE,
)
_V3: Final[Shares] = (*_MAINLAND, (modes.not_processed_yet(), 0.04))
REFUNDS: Final = {Speaks.AMS: _AMS, Speaks.V2: _MAINLAND, Speaks.V3: _V3}

_ASKED: Final[Shares] = (
    (modes.process_fail(), 0.04),
    (modes.unknown_result(), 0.04),
    (modes.throttle(), 0.04),
    (modes.wrong_signature(), 0.04),
    (modes.http_502(), 0.04),
)
# "Not found" of a known refund is a hiccup, never a habit: three in a row are proof.
_AMS_ASKED: Final[Shares] = (*_ASKED, (modes.order_not_exist(), 0.12))
_MAINLAND_ASKED: Final[Shares] = (
    *_ASKED,
    (modes.gbk(), 0.04),
    (modes.gbk(unknown_unsigned=True), 0.03),
    (modes.unsigned_s(), 0.03),
    (modes.garbled(), 0.02),
    (modes.refund_status("REFUND_PROCESSING"), 0.07),
)
INQUIRIES: Final = {Speaks.AMS: _AMS_ASKED, Speaks.V2: _MAINLAND_ASKED, Speaks.V3: _MAINLAND_ASKED}
ASKED_TOO_EARLY: Final = 0.9
"""The share of a mainland's queries, soon after their refund, that do not see it yet."""


class Manners(Behaviour):
    """The simulator's modes, drawn from the seed, and counted as faults.

    `too_early`: whether a query about this number may not see its refund yet.
    """

    def __init__(
        self,
        seed: int,
        faults: Faults,
        speaks: Speaks,
        too_early: Callable[[str], bool],
        *,
        asynchronous: bool,
    ) -> None:
        random = Random(f"{seed} manners")
        super().__init__(seed)
        self._faults = faults
        self._too_early = too_early
        self._works = False
        operations = [(Operation.REFUND, REFUNDS[speaks]), (Operation.INQUIRY, INQUIRIES[speaks])]
        if asynchronous:
            operations.insert(0, (Operation.REFUND, _AMS_ASYNCHRONOUS))
        for operation, table in operations:
            for mode, share in table:
                if random.random() < 0.6:
                    times = 1 if mode.name == "order_not_exist" else 0
                    share *= random.choice((0.5, 1.0, 2.0))  # noqa: PLW2901 -- the same share, weighed
                    self.add(Rule(mode, operation, min(share, 1.0), times=times))

    @override
    def clear(self) -> None:
        super().clear()
        self._works = True

    @override
    def choose(self, operation: Operation, refund_request_id: str, number: int) -> Mode:
        mode = super().choose(operation, refund_request_id, number)
        if mode is NORMAL and operation is Operation.INQUIRY and self._not_seen(refund_request_id, number):
            self._faults.fire("alipay: asked too early", "", refund_request_id)
            return modes.order_not_exist()
        if mode is not NORMAL:
            unsigned = " unsigned" if mode.name == "gbk" and mode.signing is Signing.NONE else ""
            self._faults.fire(f"alipay: {mode.name}{unsigned}", "", refund_request_id)
        return mode

    def _not_seen(self, refund_request_id: str, number: int) -> bool:
        if self._works or not self._too_early(refund_request_id):
            return False
        return self.fraction(Operation.INQUIRY, refund_request_id, number, "early") < ASKED_TOO_EARLY
