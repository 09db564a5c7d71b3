"""What can be asked of the console: all that changes something, and what is read."""

from typing import Any, Final

from tests.console.fake_desk import FAILED, PARKED

RETRY: Final = {"instruction": "retry", "reason": "asked by the buyer"}
CHANGES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (f"/api/refunds/{PARKED}/instructions", RETRY),
    (f"/api/refunds/{PARKED}/instructions", RETRY | {"instruction": "inquire"}),
    (
        f"/api/refunds/{PARKED}/instructions",
        RETRY
        | {
            "instruction": "settle",
            "as": "succeeded",
            "evidence": "statement 7",
            "attempts": 60,
            "confirm": PARKED,
        },
    ),
    (f"/api/refunds/{FAILED}/instructions", RETRY | {"instruction": "reissue", "confirm": FAILED}),
    ("/api/control", {"channel": "global", "halted": True, "reason": "wrong key"}),
    ("/api/control", {"channel": "*", "halted": True, "reason": "wrong key", "confirm": "ALL"}),
    (
        "/api/submissions",
        {"id": "console-1", "channel": "global", "payment": "pay-1", "amount": "10.50", "currency": "USD"},
    ),
)
READS: Final = (
    "/api/overview",
    "/api/refunds?state=parked",
    f"/api/refunds/{PARKED}",
    f"/api/refunds/{PARKED}/history",
)
