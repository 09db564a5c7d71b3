"""Parked refunds by the reason for which they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from worker.desk.answers import Language, Row
from worker.desk.vocabulary import vocabulary
from worker.refunds.money import Money
from worker.settings import ChannelSettings


@dataclass(frozen=True, slots=True)
class Group:
    """`money`: the sum in each currency. `oldest_since`: Unix seconds."""

    reason: str
    meaning: str
    refunds: int
    money: Sequence[Money]
    oldest_since: float


def grouped(
    rows: Iterable[Row], language: Language, channels: Mapping[str, ChannelSettings]
) -> Sequence[Group]:
    """The largest group first."""
    by_reason: dict[str, list[Row]] = {}
    for row in rows:
        by_reason.setdefault(row.reason, []).append(row)
    groups = [
        Group(
            reason=reason,
            meaning=_meaning(reason, found, language, channels),
            refunds=len(found),
            money=_sums(found),
            oldest_since=min(row.since for row in found),
        )
        for reason, found in by_reason.items()
    ]
    return sorted(groups, key=lambda group: (-group.refunds, group.reason))


def _meaning(
    reason: str, rows: Iterable[Row], language: Language, channels: Mapping[str, ChannelSettings]
) -> str:
    """With the numbers of the channel, where it is one."""
    [first, *others] = {row.channel for row in rows}
    return vocabulary(language, None if others else channels.get(first)).parked(reason)


def _sums(rows: Iterable[Row]) -> Sequence[Money]:
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.amount.currency] = sums.get(row.amount.currency, 0) + row.amount.value
    return [Money(currency, value) for currency, value in sorted(sums.items())]
