"""A Meter that remembers what it was told."""

from collections import Counter

from worker.refunds.entry import State
from worker.refunds.money import Money


class RecordingMeter:
    """Everything that was said, in order; and how many refunds are open in each state."""

    def __init__(self) -> None:
        self.open: Counter[State] = Counter()
        self.dispositions: Counter[str] = Counter()
        self.signals: Counter[str] = Counter()
        self.instructions: Counter[tuple[str, str]] = Counter()
        self.events: Counter[str] = Counter()
        self.parks: Counter[str] = Counter()
        self.halts: list[bool] = []
        self.operators_halts: list[bool] = []
        self.halted_merchants: list[int] = []
        self.fences = 0
        self.doubts = 0
        self.openings = 0
        self.transactions = 0
        self.ledger_lags: dict[int, list[int]] = {}
        self.finals = 0
        self.states: dict[int, str] = {}
        self.lags: dict[int, int] = {}
        self.opaque_entries: dict[int, int] = {}
        self.moved_offsets = 0
        self.oldest: dict[int, tuple[float | None, float | None]] = {}

    def signalled(self, result: str) -> None:
        self.signals[result] += 1

    def instructed(self, instruction: str, result: str) -> None:
        self.instructions[instruction, str(result)] += 1

    def consumed(self, disposition: str) -> None:
        self.dispositions[disposition] += 1

    def opened(self, state: State, amount: Money) -> None:
        self.open[state] += 1

    def closed(self, state: State, amount: Money) -> None:
        self.open[state] -= 1

    def published(self, event_type: str) -> None:
        self.events[event_type] += 1

    def final(self, seconds: float, attempts: int) -> None:
        self.finals += 1

    def parked(self, reason: str) -> None:
        self.parks[reason] += 1

    def halted(self, channel: str, halted: bool) -> None:
        self.halts.append(halted)

    def operator_halted(self, channel: str, halted: bool) -> None:
        self.operators_halts.append(halted)

    def merchants_halted(self, channel: str, count: int) -> None:
        self.halted_merchants.append(count)

    def transaction(self, seconds: float, records: int) -> None:
        self.transactions += 1

    def fenced(self) -> None:
        self.fences += 1

    def in_doubt(self) -> None:
        self.doubts += 1

    def opening(self, seconds: float) -> None:
        self.openings += 1

    def ledger_lag(self, partition: int, records: int) -> None:
        self.ledger_lags.setdefault(partition, []).append(records)

    def partition(self, partition: int, state: str) -> None:
        self.states[partition] = state

    def lag(self, partition: int, records: int) -> None:
        self.lags[partition] = records

    def oldest_open(
        self, partition: int, accepted_at: float | None, unparked_accepted_at: float | None
    ) -> None:
        self.oldest[partition] = (accepted_at, unparked_accepted_at)

    def offset_moved(self) -> None:
        self.moved_offsets += 1

    def opaque(self, partition: int, entries: int) -> None:
        self.opaque_entries[partition] = entries
