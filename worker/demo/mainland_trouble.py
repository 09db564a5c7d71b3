"""How the demo's mainland Alipay misbehaves: shares of its calls, and what it does to numbers with a certain prefix."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from worker.demo.mainland_workload import MERCHANTS, PREFIX, prefix_of
from worker.simulator.behaviour import Operation, Rule
from worker.simulator.ledger import SUCCEED, Process
from worker.simulator.modes import (
    Mode,
    balance_empty,
    cut_after,
    cut_before,
    decline,
    duplicated,
    garbled,
    gbk,
    http_502,
    http_502_after,
    in_process_then_fail,
    in_process_then_success,
    late,
    latency,
    normal,
    not_processed_yet,
    silent_after,
    throttle,
    unknown_after,
    unknown_result,
    unsigned_f,
    unsigned_s,
    wrong_echo,
    wrong_signature,
)
from worker.simulator.results import declined

ANSWER_MS: Final = (5, 60)
LATE_MS: Final = 1_500
NEVER: Final = 1_000  # queries: more than anybody will make

# Of the refund calls: the share, the mode, and what it looks like. None is a refusal: each of these refunds succeeds.
REFUND_TROUBLE: Final[tuple[tuple[float, Mode, str], ...]] = (
    (0.04, cut_before(), "connection cut before any money moves"),
    (0.05, cut_after(), "connection cut after the money moved"),
    (0.03, silent_after(), "no answer ever, the money moved"),
    (0.03, late(LATE_MS), "cut, and the call arrives later"),
    (0.04, unknown_result(), "20000, nothing happened"),
    (0.04, unknown_after(), "20000, the money moved"),
    (0.06, in_process_then_success(), "10000 with fund_change=N, then REFUND_SUCCESS"),
    (
        0.03,
        in_process_then_fail(),
        "10000 with fund_change=N, then nothing: the same number goes through later",
    ),
    (0.02, throttle(), "40005 isv.app-call-limited"),
    (0.02, not_processed_yet(), "not processed yet (v3: HTTP 202)"),
    (0.02, http_502(), "HTTP 502, nothing happened"),
    (0.02, http_502_after(), "HTTP 502, the money moved"),
    (0.04, gbk(), "the true answer in GBK"),
    (0.03, gbk(unknown_unsigned=True), "20000 in GBK and unsigned, the money moved"),
    (0.02, unsigned_f(), "a refusal without a signature, the money moved"),
    (0.01, unsigned_s(), "a success without a signature"),
    (0.03, wrong_signature(), "the true answer, wrongly signed"),
    (0.01, garbled(), "an answer that is not JSON"),
    (0.02, duplicated(), "the call arrives twice"),
)
INQUIRY_TROUBLE: Final[tuple[tuple[float, Mode, str], ...]] = (
    (0.04, cut_before(), "query cut"),
    (0.04, unknown_result(), "query: 20000"),
    (0.03, wrong_signature(), "query: wrongly signed"),
    (0.06, gbk(), "query: the true answer in GBK"),
)

NOTIFICATION_TROUBLE: Final[tuple[tuple[float, Mode, str], ...]] = (
    (0.10, cut_before(), "notification never sent"),
    (0.05, wrong_signature(), "notification wrongly signed"),
    (0.10, duplicated(), "notification sent twice"),
    (0.10, gbk(), "notification in GBK"),
)
WAITS_FOR_NOTICE: Final = ("late", "returned")

# Its query finds nothing, until something happens at Alipay.
LATE: Final = Mode("declined_then_success", fate=Process(NEVER, SUCCEED, declined("NEW_IN_2027")))

# What happens to every call about numbers of this kind.
BY_FATE: Final[tuple[tuple[str, Operation, Mode, str], ...]] = (
    (
        "gone",
        Operation.REFUND,
        decline("ORDER_NOT_EXIST"),
        "TRADE_NOT_EXIST → failed, once the account is proven",
    ),
    ("toolate", Operation.REFUND, decline("REFUND_WINDOW_EXCEED"), "TRADE_HAS_FINISHED → failed"),
    (
        "exceed",
        Operation.REFUND,
        decline("REFUND_AMOUNT_EXCEED"),
        "more than is left → asked about, then failed",
    ),
    ("unlisted", Operation.REFUND, decline("NEW_IN_2027"), "a code nobody knows → asked about, then parked"),
    ("echo", Operation.REFUND, wrong_signature(), "the answer is wrongly signed, and …"),
    ("echo", Operation.INQUIRY, wrong_echo(), "… queries speak of another amount → parked"),
    ("late", Operation.REFUND, LATE, "a code nobody knows → parked; and later the money moves all the same"),
    (
        "returned",
        Operation.REFUND,
        latency(*ANSWER_MS),
        "succeeds, and the buyer's bank sends the money back",
    ),
    ("gbk", Operation.REFUND, gbk(), "answers in GBK"),
)
UNFUNDED: Final = balance_empty()


def rules(*, funded: bool) -> Iterator[Rule]:
    """In the order in which they are tried. `funded`: whether the empty balance has been refilled."""
    for fate, operation, mode, _ in BY_FATE:
        yield Rule(_slow(mode), operation, prefix=prefix_of(fate))
    if not funded:
        yield Rule(_slow(UNFUNDED), prefix=prefix_of("unfunded"))
    for fate in MERCHANTS:  # what they wait for is trouble enough
        yield Rule(latency(*ANSWER_MS), prefix=prefix_of(fate))
    for share, mode, _ in REFUND_TROUBLE:
        yield Rule(_slow(mode), probability=share, prefix=PREFIX)
    yield Rule(latency(*ANSWER_MS), prefix=PREFIX)
    for share, mode, _ in INQUIRY_TROUBLE:
        yield Rule(mode, Operation.INQUIRY, share, prefix=PREFIX)
    yield Rule(latency(*ANSWER_MS), Operation.INQUIRY, prefix=PREFIX)
    for fate in WAITS_FOR_NOTICE:
        yield Rule(normal(), Operation.NOTIFICATION, prefix=prefix_of(fate))
    for share, mode, _ in NOTIFICATION_TROUBLE:
        yield Rule(mode, Operation.NOTIFICATION, share, prefix=PREFIX)


def share_of_trouble() -> float:
    """Of the refund calls that chance decides."""
    return sum(share for share, _, _ in REFUND_TROUBLE)


def _slow(mode: Mode) -> Mode:
    return replace(mode, delay_ms=ANSWER_MS)
