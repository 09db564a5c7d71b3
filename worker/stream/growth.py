"""More partitions for a ledger in use, while all workers are stopped.

Fence every partition, and take what may have been sent into its ledger → mark every head, so that no worker opens one
→ add partitions, but not to the input → give the added ones marked heads → copy each entry that has a new home there,
then forget it here → let every head say the new count → add the input's partitions.

Whatever ends it in between, nothing is lost: an entry is forgotten only after its copy is committed, and until the
last step a worker finds a marked head or unequal counts, and stops. Running it again goes on from what it finds. Every
record is written under its own partition's transactional id: whoever comes between is fenced, or fences this.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from worker.messages.ledger import HEAD_KEY, write_entry
from worker.refunds.entry import REKEYING, Head
from worker.stream.leftover import Layout, take_over
from worker.stream.ports import Batch, Bounds, Journal, Journals, Outgoing, Record, Stretch
from worker.stream.rekeying import Survey, Wanted, collisions, doubtful, hindrance
from worker.stream.scope import Scope

COPIED_RECORDS_MAX: Final = 500
COPIED_BYTES_MAX: Final = 4_000_000
TOLD_EVERY_RECORDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """`to`: the new count. `tell`: takes a line about what is done now."""

    to: int
    scope: Scope
    tell: Callable[[str], None]

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.scope.group, self.scope.routing_key, self.to)

    @property
    def commands(self) -> str:
        return self.scope.topics.commands

    @property
    def ledger(self) -> str:
        return self.scope.topics.ledger


@dataclass(frozen=True, slots=True)
class Found:
    """What there is. `counts`: partitions by topic. `moving`: entries whose home is another partition.

    `doubtful`: offsets at which a worker may have sent more than its ledger says; taken over first. `refused`: why it
    cannot be done now, and what to do first; empty if it can. `finished`: there is nothing to do.
    """

    counts: Mapping[str, int]
    entries: int = 0
    moving: int = 0
    doubtful: int = 0
    refused: tuple[str, ...] = ()
    finished: bool = False


async def look(plan: Plan, layout: Layout, journals: Journals) -> Found:
    """What `grow` would do. Reads only, fences nobody; while workers run, what it finds may be different later."""
    counts, refused = await _outside(plan, layout)
    if refused:
        return Found(counts, refused=refused)
    surveys = {}
    for number in range(counts[plan.ledger]):
        surveys[number] = await _survey(number, plan, journals.replay(number))
        surveys[number].let_go()
    return await _found(plan, layout, counts, surveys)


async def grow(plan: Plan, layout: Layout, journals: Journals) -> Found:
    """Do it. Raises Fenced or InDoubt when it could not be finished: run it again."""
    counts, refused = await _outside(plan, layout)
    if refused:
        return Found(counts, refused=refused)
    async with AsyncExitStack() as stack:
        growth = _Growth(plan, layout, journals, stack)
        plan.tell(f"fence and read {counts[plan.ledger]} partitions of {plan.ledger}")
        surveys = {number: await growth.settle(number, counts) for number in range(counts[plan.ledger])}
        found = await _found(plan, layout, counts, surveys)
        # Asked again: a worker that came while the ledger was read is one that may call.
        found = replace(found, refused=found.refused + await _members(layout))
        if found.refused:
            await growth.unmark(counts)
        elif not found.finished:
            await growth.carry_out(counts, [number for number, survey in surveys.items() if survey.leaving])
        return found


async def _outside(plan: Plan, layout: Layout) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """What can be said without reading the ledger."""
    counts, to = await layout.counts(), plan.to
    missing = [name for name, count in counts.items() if not count]
    if missing:
        return counts, (f"{', '.join(missing)}: no such topic; make it with: python -m worker topics create",)
    larger = {name: count for name, count in counts.items() if count > to}
    refused = tuple(
        f"{name} has {count} partitions, and there can only be more; expected --to {max(larger.values())} or above"
        for name, count in larger.items()
    )
    return counts, refused + await _members(layout)


async def _members(layout: Layout) -> tuple[str, ...]:
    count = await layout.members()
    if not count:
        return ()
    text = f"the group has {count} members; stop all workers with SIGTERM"
    return (f"{text} (one that was killed is a member until its session has timed out)",)


async def _found(
    plan: Plan, layout: Layout, counts: Mapping[str, int], surveys: Mapping[int, Survey]
) -> Found:
    refused, unreleased = [], 0
    for survey in surveys.values():
        bounds = await _bounds(survey, plan, layout, counts)
        refused.append(hindrance(survey, bounds))
        if survey.head is not None:
            unreleased += sum(end - start for start, end in doubtful(survey.head, bounds).values())
    refused += collisions(surveys)
    heads = [survey.head for survey in surveys.values()]
    done = all(head is not None and head.partitions == plan.to for head in heads)
    return Found(
        counts,
        entries=sum(survey.entries for survey in surveys.values()),
        moving=sum(survey.leaving for survey in surveys.values()),
        doubtful=unreleased,
        refused=tuple(filter(None, refused)),
        finished=done and all(count == plan.to for count in counts.values()),
    )


async def _bounds(
    survey: Survey, plan: Plan, layout: Layout, counts: Mapping[str, int]
) -> Mapping[str, Bounds]:
    partitions = counts[plan.commands]
    # A head that is ahead of the input was written by a run that came so far, and nobody could read since then. An
    # input partition that is to be made yet has no records.
    ahead = survey.head is not None and survey.head.partitions > partitions
    return {} if ahead or survey.number >= partitions else await layout.bounds(survey.number)


async def _survey(number: int, plan: Plan, replay: AsyncIterator[Stretch]) -> Survey:
    survey = Survey(number, plan.wanted)
    read = 0
    async for stretch in replay:
        for record in stretch.records:
            survey.take(record)
        if read // TOLD_EVERY_RECORDS != (read := read + len(stretch.records)) // TOLD_EVERY_RECORDS:
            plan.tell(f"{plan.ledger}-{number}: {read} records read, at most {stretch.left} to go")
    return survey


class _Growth:
    """Under way: a writer for each partition, and the head that it is known to have."""

    def __init__(self, plan: Plan, layout: Layout, journals: Journals, stack: AsyncExitStack) -> None:
        self._plan = plan
        self._layout = layout
        self._opener = journals
        self._stack = stack
        self._journals: dict[int, Journal] = {}
        self._heads: dict[int, Head] = {}

    async def settle(self, number: int, counts: Mapping[str, int]) -> Survey:
        """As `fence`, after what may have been sent and is in no ledger was taken over as any opening takes it over."""
        survey = await self.fence(number)
        bounds = await _bounds(survey, self._plan, self._layout, counts)
        head = survey.head
        if head is None or hindrance(survey, bounds) or not doubtful(head, bounds):
            return survey
        self._plan.tell(f"partition {number}: take over what its last owner may have sent")
        await take_over(head, number, self._plan.scope, self._layout, self._opener)
        # That has fenced our own writer.
        return await self.fence(number)

    async def fence(self, number: int) -> Survey:
        """Whoever was to write to this partition cannot any more. What is read after that is all there is."""
        journal = await self._opener.open(number)
        self._stack.push_async_callback(journal.close)
        self._journals[number] = journal
        survey = await _survey(number, self._plan, journal.replay())
        survey.let_go()
        if survey.head is not None:
            self._heads[number] = survey.head
        return survey

    async def unmark(self, counts: Mapping[str, int]) -> None:
        """An earlier run had only begun: nothing was added or moved yet. Let the workers start again."""
        before = counts[self._plan.ledger]
        said = {head.partitions for head in self._heads.values()}
        if before < self._plan.to and said == {REKEYING, before}:
            for number, head in self._heads.items():
                if head.partitions == REKEYING:
                    await self._write(number, replace(head, partitions=before))

    async def carry_out(self, counts: Mapping[str, int], leaving: Sequence[int]) -> None:
        plan, to = self._plan, self._plan.to
        plan.tell("mark every head: no worker opens a partition from here on")
        for number, head in self._heads.items():
            if head.partitions not in {REKEYING, to}:
                await self._write(number, replace(head, partitions=REKEYING))
        # Without a head, a partition would be opened with whatever count there is then.
        await self._mark_headless(counts[plan.ledger])
        for topic, count in counts.items():
            if count < to and topic != plan.commands:
                plan.tell(f"add partitions to {topic}: {count} -> {to}")
                await self._layout.grow(topic, to)
        plan.tell(f"mark the heads of added partitions: {to - len(self._heads)}")
        await self._mark_headless(to)
        for number in leaving:
            await self._move(number)
        plan.tell(f"let every head say {to} partitions")
        for number, head in self._heads.items():
            if head.partitions == REKEYING:
                await self._write(number, replace(head, partitions=to))
        if counts[plan.commands] < to:
            plan.tell(f"add partitions to {plan.commands}: {counts[plan.commands]} -> {to}")
            await self._layout.grow(plan.commands, to)

    async def _mark_headless(self, partitions: int) -> None:
        wanted = self._plan.wanted
        # An entry is as doubtful as the end of the partition that wrote it, and may be at home in any other now.
        closed = all(head.closed for head in self._heads.values())
        for number, head in self._heads.items():
            if head.partitions == REKEYING and head.closed and not closed:
                await self._write(number, replace(head, closed=False))
        for number in range(partitions):
            if number in self._heads:
                continue
            if number not in self._journals:
                await self.fence(number)
                if number in self._heads:
                    continue
            # Its input is read from the log's beginning, as any is that no head speaks of.
            head = Head(
                str(uuid.uuid4()), wanted.group, REKEYING, 0, routing_key=wanted.routing_key, closed=closed
            )
            await self._write(number, head)

    async def _move(self, number: int) -> None:
        """Entries to their new homes, byte by byte and as old as they are; then forget them here."""
        journal, topic = self._journals[number], self._plan.ledger
        survey = await _survey(number, self._plan, journal.replay())
        self._plan.tell(f"move {len(survey.astray)} of {len(survey.live)} entries of {topic}-{number}")
        async for copies in _copies(survey, journal.replay()):
            for at_home, copied in copies.items():
                records = (
                    Outgoing(topic, one.key, one.value, one.headers, at_home, one.timestamp_ms)
                    for one in copied
                )
                await self._journals[at_home].commit(Batch({}, tuple(records)))
            gone = [
                Outgoing(topic, one.key, None, partition=number) for each in copies.values() for one in each
            ]
            await journal.commit(Batch({}, tuple(gone)))

    async def _write(self, number: int, head: Head) -> None:
        record = Outgoing(self._plan.ledger, HEAD_KEY, write_entry(head), partition=number)
        await self._journals[number].commit(Batch({}, (record,)))
        self._heads[number] = head


async def _copies(
    survey: Survey, replay: AsyncIterator[Stretch]
) -> AsyncIterator[Mapping[int, Sequence[Record]]]:
    """Records that are to be moved, by their new home; as many at a time as go into one transaction."""
    copies: dict[int, list[Record]] = {}
    count = size = 0
    async for stretch in replay:
        for record in stretch.records:
            at_home = survey.moving(record)
            if at_home is None:
                continue
            copies.setdefault(at_home, []).append(record)
            count, size = count + 1, size + len(record.value or b"")
            if count >= COPIED_RECORDS_MAX or size >= COPIED_BYTES_MAX:
                yield copies
                copies, count, size = {}, 0, 0
    if copies:
        yield copies
