"""How long to wait before the next call. Derived from the refund's id: a redelivery repeats it."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """delay = floor + uniform(0, min(cap, base · 2ⁿ)), seconds."""

    floor_s: float = 5.0
    base_s: float = 5.0
    cap_s: float = 900.0


def delay_s(backoff: Backoff, refund_request_id: str, number: int) -> float:
    """Seconds before call number `number` + 1 (`number` ≥ 1 calls were made)."""
    window = min(backoff.cap_s, backoff.base_s * 2.0 ** min(max(number - 1, 0), 40))
    return backoff.floor_s + window * fraction(refund_request_id, number)


def fraction(refund_request_id: str, number: int) -> float:
    """A number in [0, 1), the same for the same refund and call wherever it is computed."""
    seed = hashlib.blake2b(f"{refund_request_id}\n{number}".encode(), digest_size=8).digest()
    # 53 bits are what a float holds: with more, the largest would round up to 1.
    return (int.from_bytes(seed, "big") >> 11) / 2**53
