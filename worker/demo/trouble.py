"""How the demo's Alipay misbehaves: shares of its calls, and what it does to ids with a certain prefix."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from worker.simulator.behaviour import Operation, Rule
from worker.simulator.modes import (
    Mode,
    cut_after,
    cut_before,
    cut_within,
    decline,
    declined_then_success,
    garbled,
    http_502,
    http_502_after,
    in_process_then_fail,
    in_process_then_success,
    late,
    latency,
    order_not_exist,
    process_fail,
    silent_after,
    silent_before,
    throttle,
    unknown_after,
    unknown_result,
    unsigned_f,
    unsigned_s,
    wrong_echo,
    wrong_signature,
)

LATE_MS: Final = 1_500
NEVER: Final = 1_000  # inquiries: more than anybody will make


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow Alipay answers: milliseconds from and to, and the same for the rush."""

    answer_ms: tuple[int, int]
    rush_ms: tuple[int, int]


BUSY: Final = Pace((250, 900), (1_200, 1_700))
QUIET: Final = Pace((5, 60), (5, 60))

# Of the refund calls: the share, the mode, and what it looks like.
REFUND_TROUBLE: Final[tuple[tuple[float, Mode, str], ...]] = (
    (0.03, cut_before(), "connection cut before any money moves"),
    (0.04, cut_after(), "connection cut after the money moved"),
    (0.01, cut_within(), "connection cut in the middle of the answer"),
    (0.01, silent_before(), "no answer ever, no money moved"),
    (0.02, silent_after(), "no answer ever, the money moved"),
    (0.02, late(LATE_MS), "cut, and the call arrives later"),
    (0.02, unknown_result(), "U UNKNOWN_EXCEPTION, nothing happened"),
    (0.02, unknown_after(), "U UNKNOWN_EXCEPTION, the money moved"),
    (0.05, in_process_then_success(), "REFUND_IN_PROCESS, then success"),
    (0.03, in_process_then_fail(), "REFUND_IN_PROCESS, then failure"),
    (0.02, declined_then_success(), "F SYSTEM_ERROR, and it succeeds all the same"),
    (0.01, throttle(), "REQUEST_TRAFFIC_EXCEED_LIMIT"),
    (0.02, http_502(), "HTTP 502, nothing happened"),
    (0.02, http_502_after(), "HTTP 502, the money moved"),
    (0.02, unsigned_f(), "F without a signature, the money moved"),
    (0.01, unsigned_s(), "S without a signature"),
    (0.02, wrong_signature(), "the true answer, wrongly signed"),
    (0.01, garbled(), "an answer that is not JSON"),
    (0.03, decline("RISK_REJECT"), "F RISK_REJECT"),
)

INQUIRY_TROUBLE: Final[tuple[tuple[float, Mode, str], ...]] = (
    (0.04, cut_before(), "inquiry cut"),
    (0.03, unknown_result(), "inquiry: U UNKNOWN_EXCEPTION"),
    (0.03, process_fail(), "inquiry: F PROCESS_FAIL (the inquiry failed, not the refund)"),
    (0.02, wrong_signature(), "inquiry: wrongly signed"),
)
ABSENT: Final = (0.04, order_not_exist(), "inquiry: ORDER_NOT_EXIST, although the refund is known")

# What happens to every call about ids with this prefix.
BY_PREFIX: Final[tuple[tuple[str, Operation, Mode, str], ...]] = (
    ("declined-", Operation.REFUND, decline("RISK_REJECT"), "F RISK_REJECT → failed"),
    ("toolate-", Operation.REFUND, decline("REFUND_WINDOW_EXCEED"), "F REFUND_WINDOW_EXCEED → failed"),
    (
        "suspect-",
        Operation.REFUND,
        decline("ORDER_NOT_EXIST"),
        "F ORDER_NOT_EXIST → failed, once the account has proved itself",
    ),
    ("unlisted-", Operation.REFUND, decline("NEW_IN_2027"), "F with a code nobody knows → parked"),
    ("balance-", Operation.REFUND, decline("MERCHANT_BALANCE_NOT_ENOUGH"), "no funds → parked"),
    ("echo-", Operation.REFUND, in_process_then_success(NEVER), "in process for ever, and …"),
    ("echo-", Operation.INQUIRY, wrong_echo(), "… inquiries speak of another amount → parked"),
)


def rules(pace: Pace) -> Iterator[Rule]:
    """In the order in which they are tried."""
    for prefix, operation, mode, _ in BY_PREFIX:
        yield Rule(_slow(mode, pace.answer_ms), operation, prefix=prefix)
    yield Rule(latency(*pace.rush_ms), prefix="rush-")
    for share, mode, _ in REFUND_TROUBLE:
        yield Rule(_slow(mode, pace.answer_ms), probability=share)
    yield Rule(latency(*pace.answer_ms))
    # Once per refund: whoever is told three times that it is not there has to believe it.
    yield Rule(ABSENT[1], Operation.INQUIRY, ABSENT[0], times=1)
    for share, mode, _ in INQUIRY_TROUBLE:
        yield Rule(mode, Operation.INQUIRY, share)


def _slow(mode: Mode, answer_ms: tuple[int, int]) -> Mode:
    return replace(mode, delay_ms=answer_ms)


def share_of_trouble() -> float:
    """Of the refund calls that chance decides."""
    return sum(share for share, _, _ in REFUND_TROUBLE)
