"""How many of everything: the figures of one look, counted from the records themselves. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from worker.demo.evidence import Evidence, Index, index, is_forwarded, reason_of_letter
from worker.demo.proof import NothingLost
from worker.messages.events import RETURNED
from worker.messages.invalid import Invalid, Problem
from worker.refunds.command import Command
from worker.refunds.entry import OpenEntry, State


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the refunds of one channel."""

    succeeded: int
    failed: int
    parked: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts. `commands` are order systems' records, copies of strays not among them.

    `returned`: sent back by a bank after their success. `duplicates` repeat a refund, `conflicts` reuse its id for
    another. `lost` counts violations of NothingLost. `final_s`: for each final refund, seconds from its first command's
    timestamp to its outcome's, ascending.
    """

    commands: int
    duplicates: int
    conflicts: int
    unreadable: int
    strays: int
    succeeded: int
    failed: int
    parked: int
    open: int
    returned: int
    dead_letters: int
    lost: int
    second_outcomes: int
    double_refunds: int
    final_s: tuple[float, ...]
    channels: Mapping[str, Counts]

    def quantile_s(self, share: float) -> float:
        """The time to final that `share` (0 to 1) of the final refunds did not exceed; 0.0 if there are none."""
        if not self.final_s:
            return 0.0
        return self.final_s[min(int(share * len(self.final_s)), len(self.final_s) - 1)]


def summary(evidence: Evidence) -> Summary:
    """The figures of one look, counted from the records themselves."""
    known = index(evidence)
    reasons = [reason_of_letter(record) for record in evidence.dead_letters]
    conflicts = reasons.count(Problem.CONFLICT)
    outcomes = [told for told in known.outcomes.values() if told]
    succeeded = sum(told[0].succeeded for told in outcomes)
    parked = sum(isinstance(e, OpenEntry) and e.state is State.PARKED for e in evidence.ledger.values())
    return Summary(
        commands=sum(not is_forwarded(record) for record in evidence.commands),
        duplicates=_duplicates(known),
        conflicts=conflicts,
        unreadable=len(reasons) - conflicts,
        strays=sum(asked.stray and not is_forwarded(asked.record) for asked in known.asked),
        succeeded=succeeded,
        failed=len(outcomes) - succeeded,
        parked=parked,
        open=evidence.open,
        returned=sum(dict(record.headers).get("ce_type") == RETURNED.encode() for record in evidence.results),
        dead_letters=len(evidence.dead_letters),
        lost=sum(1 for _ in NothingLost.violations(known)),
        second_outcomes=sum(sum(not one.replayed for one in told) - 1 for told in outcomes),
        double_refunds=sum(len(treated.moved) > 1 for treated in evidence.alipay.refunds.values()),
        final_s=tuple(sorted(_times_to_final(known))),
        channels=_by_channel(known),
    )


def _by_channel(known: Index) -> dict[str, Counts]:
    final = Counter((told[0].channel, told[0].succeeded) for told in known.outcomes.values())
    parked = Counter(
        entry.attempt.command.channel
        for entry in known.evidence.ledger.values()
        if isinstance(entry, OpenEntry) and entry.state is State.PARKED
    )
    names = {*parked, *(channel for channel, _ in final)}
    return {name: Counts(final[name, True], final[name, False], parked[name]) for name in names}


def _duplicates(known: Index) -> int:
    """Commands at home that say what an earlier one with their id said."""
    repeats: Counter[tuple[str, bytes]] = Counter()
    for asked in known.asked:
        match asked.command:
            case Command() as command:
                if not asked.stray and asked.place not in known.letters:
                    repeats[command.refund_request_id, command.digest()] += 1
            case Invalid():
                pass
            case _:
                assert_never(asked.command)
    return sum(count - 1 for count in repeats.values())


def _times_to_final(known: Index) -> Iterator[float]:
    asked_ms: dict[str, int] = {}
    for asked in known.asked:
        if isinstance(asked.command, Command):
            key, at_ms = asked.command.refund_request_id, asked.record.timestamp_ms
            asked_ms[key] = min(asked_ms.get(key, at_ms), at_ms)
    for key, told in known.outcomes.items():
        if key in asked_ms:
            yield (min(one.timestamp_ms for one in told) - asked_ms[key]) / 1000
