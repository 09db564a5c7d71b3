"""Dead letters: which there are, what each says, and writing one back to where it came from."""

import heapq
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from worker.desk.answers import NotPossible
from worker.kafka.archive import KafkaArchive
from worker.kafka.exchange import send_all
from worker.messages.cloud_events import Headers
from worker.messages.dead_letter import PREFIX
from worker.messages.invalid import Problem
from worker.messages.mask import MASKED
from worker.refunds.entry import Origin
from worker.settings import Settings
from worker.stream.ports import Outgoing, Record
from worker.stream.routing import HOP_HEADER

REPLAYED_FROM: Final = "refund-replayed-from"
REPLAYED_BY: Final = "refund-replayed-by"
REPLAYED_WHY: Final = "refund-replayed-reason"
REPLAYED_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`at`: when it was given up, Unix seconds. `error`: a Problem. `origin`: None where it does not say.

    `headers`: the original record's own, without what dead-lettering added. `cut`: only its beginning was kept.
    """

    partition: int
    offset: int
    at: float
    error: str
    message: str
    origin: Origin | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    cut: bool

    @property
    def place(self) -> str:
        """Its name at the command line: 3@1204."""
        return f"{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters. `errors`: any of these, all if empty. `text`: in key or value. `since`: Unix seconds."""

    errors: frozenset[str] = frozenset()
    text: str = ""
    since: float = 0.0

    def takes(self, letter: DeadLetter) -> bool:
        """Whether this is one of them."""
        sought = self.text.encode()
        return (
            (not self.errors or letter.error in self.errors)
            and letter.at >= self.since
            and (sought in (letter.value or b"") or sought in (letter.key or b""))
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """What is to be written, or why nothing is (`refused`, else "")."""

    letter: DeadLetter
    record: Outgoing | None
    refused: str = ""


def letter_of(record: Record) -> DeadLetter:
    """What a record of the topic says. Never raises: anybody may have written there."""
    ours = {name: content for name, content in record.headers if name.startswith(PREFIX)}
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp_ms / 1000,
        error=_text(ours, "exception-fqcn"),
        message=_text(ours, "exception-message"),
        origin=_origin(ours),
        key=record.key,
        value=record.value,
        headers=tuple((name, content) for name, content in record.headers if not name.startswith(PREFIX)),
        cut=f"{PREFIX}truncated" in ours,
    )


def replay_of(
    letter: DeadLetter, inputs: Mapping[str, int], dead_letters: str, by: str, reason: str, *, conflicts: bool
) -> Replay:
    """The original record again, as old as it was: what is too old to be carried out is so the second time too.

    `inputs`: the topics that may be written to, with their partition counts. `dead_letters`: the topic it is from.
    """
    refused = _hindrance(letter, inputs, conflicts=conflicts)
    if refused or letter.origin is None:
        return Replay(letter, None, refused)
    # Without the mark of having been forwarded, so that it can be forwarded once more.
    headers = tuple((name, content) for name, content in letter.headers if name != HOP_HEADER)
    marks = (
        (REPLAYED_FROM, f"{dead_letters}-{letter.place}".encode()),
        (REPLAYED_BY, by.encode()),
        (REPLAYED_WHY, reason.encode()),
    )
    origin = letter.origin
    record = Outgoing(
        origin.topic, letter.key, letter.value, (*headers, *marks), origin.partition, origin.timestamp_ms
    )
    return Replay(letter, record)


def _hindrance(letter: DeadLetter, inputs: Mapping[str, int], *, conflicts: bool) -> str:
    """Why it must not be replayed, "" if it may be."""
    origin = letter.origin
    if origin is None:
        return "it does not say where it came from: it is none of the worker's dead letters"
    if not 0 <= origin.partition < inputs.get(origin.topic, 0):
        # Whoever may write dead letters must not be able to have them written to the ledger.
        return f"it says that it came from {origin.topic}-{origin.partition}, which the worker does not read"
    if letter.cut:
        where = f"{origin.topic}-{origin.partition}@{origin.offset}"
        return f"only its beginning was kept; the whole record is at {where}, while that topic keeps it"
    if letter.value is None:
        return "there is nothing in it to be carried out"
    if letter.error == Problem.TOO_OLD:
        return (
            "its refund may have been made and forgotten; look it up at the provider, and only if it was not made "
            "there, ask for it under a new id"
        )
    if letter.error == Problem.CONFLICT and not conflicts:
        return "its id was used before for another refund: it would be refused again; --conflicts replays it anyway"
    if MASKED.encode() in letter.value and b"token" in letter.value.lower():
        return "a merchant's token in it was masked; have its sender send it again"
    return ""


class DeadLetters:
    """The topic, through `archive`. Methods raise Unreachable."""

    def __init__(self, settings: Settings, archive: KafkaArchive) -> None:
        self._settings = settings
        self._topic = settings.topics.dead_letters
        self._archive = archive

    async def newest(self, wanted: Wanted, limit: int) -> Sequence[DeadLetter]:
        """The newest first."""
        found: list[DeadLetter] = []
        for partition in range(await self._archive.partitions(self._topic)):
            found = heapq.nlargest(
                limit, [*found, *await self._of(partition, wanted, limit)], key=lambda letter: letter.at
            )
        return found

    async def _of(self, partition: int, wanted: Wanted, limit: int) -> Sequence[DeadLetter]:
        found: list[DeadLetter] = []
        async with aclosing(self._archive.backwards(self._topic, partition)) as windows:
            async for records in windows:
                letters = [letter_of(record) for record in records]
                found += [letter for letter in letters if wanted.takes(letter)]
                if len(found) >= limit or any(letter.at < wanted.since for letter in letters):
                    break
        return found[:limit]

    async def one(self, place: str) -> DeadLetter:
        """The dead letter with this name. Raises NotPossible."""
        partition, offset = _place(place)
        known = await self._archive.partitions(self._topic)
        record = await self._archive.at(self._topic, partition, offset) if partition < known else None
        if record is None:
            raise NotPossible(
                f"{self._topic} has no record at {place}; list what there is with: dead-letters list"
            )
        return letter_of(record)

    async def replays(
        self, letters: Sequence[DeadLetter], by: str, reason: str, *, conflicts: bool
    ) -> Sequence[Replay]:
        """What replaying would write, the oldest first, as they came."""
        oldest_first = sorted(letters, key=lambda letter: (letter.at, letter.partition, letter.offset))
        topics = self._settings.topics
        inputs = {name: await self._archive.partitions(name) for name in (topics.commands, topics.signals)}
        return [
            replay_of(letter, inputs, self._topic, by, reason, conflicts=conflicts) for letter in oldest_first
        ]

    async def replay(self, planned: Sequence[Replay]) -> Sequence[str]:
        """Write what may be written; where it went. If that ends half-way, replaying all again repeats no refund."""
        records = [one.record for one in planned if one.record is not None]
        written: list[str] = []
        for start in range(0, len(records), REPLAYED_AT_ONCE):
            written += await send_all(self._settings, records[start : start + REPLAYED_AT_ONCE])
        return written


def _place(text: str) -> tuple[int, int]:
    partition, at, offset = text.partition("@")
    partition = partition.rpartition("-")[2]
    if not (at and partition.isdecimal() and offset.isdecimal()):
        raise NotPossible(f"{text!r} is no dead letter; expected its partition and offset, as 3@1204")
    return int(partition), int(offset)


def _origin(ours: dict[str, bytes | None]) -> Origin | None:
    topic = _text(ours, "original-topic")
    numbers = [_number(ours, f"original-{name}") for name in ("partition", "offset", "timestamp")]
    if not topic or None in numbers:
        return None
    partition, offset, timestamp_ms = (number or 0 for number in numbers)
    return Origin(topic, partition, offset, timestamp_ms)


def _number(ours: dict[str, bytes | None], name: str) -> int | None:
    content = ours.get(PREFIX + name)
    return None if content is None else int.from_bytes(content, "big", signed=True)


def _text(ours: dict[str, bytes | None], name: str) -> str:
    return (ours.get(PREFIX + name) or b"").decode(errors="replace")
