"""The desk itself: everything that the command line and the console ask for."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

from worker.desk.answers import (
    Answered,
    Credential,
    Language,
    Moment,
    NotPossible,
    Overview,
    Row,
    Shown,
    Submitted,
)
from worker.desk.explain import Circumstances, explained, possible
from worker.desk.facts import facts
from worker.desk.history import History
from worker.desk.instruct import instruct, instruction_of, refused
from worker.desk.lookup import Lookup
from worker.desk.rows import row_of
from worker.desk.timeline import KINDS, Said, timeline, told
from worker.desk.view import View
from worker.desk.vocabulary import Vocabulary, vocabulary
from worker.kafka import control
from worker.kafka.archive import KafkaArchive
from worker.kafka.exchange import Answer, answers, send
from worker.kafka.following import Following
from worker.messages.control import EVERYTHING, Control
from worker.messages.events import has_succeeded, rfc3339
from worker.messages.instructed import BY, REASON
from worker.messages.invalid import NotReadable
from worker.messages.texts import required
from worker.operations.submit import EXITS, Asked, NotSubmitted, command_record, is_answer
from worker.refunds.entry import FinalEntry, State
from worker.refunds.instruction import Order, Refusal
from worker.settings import Settings
from worker.stream.halts import Halts

ANSWER_S: Final = 20.0
OUTCOME_S: Final = 120.0
PROGRESS_S: Final = 0.2
OPERATOR: Final = "operator"
PROVIDER: Final = "provider"
SUBMITTED_BY: Final = "refund-submitted-by"
"""The header of a command that names who asked for it at the desk."""


class KafkaDesk:
    """Keeps to the Protocol `Desk`. `view`: None for a short visit, which then can neither list nor count."""

    def __init__(
        self,
        settings: Settings,
        view: View | None = None,
        *,
        answer_s: float = ANSWER_S,
        outcome_s: float = OUTCOME_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.archive = KafkaArchive(settings.kafka)
        self._settings = settings
        self._view = view
        self._lookup = Lookup(settings, self.archive, view)
        self._history = History(settings, self.archive)
        self._answer_s = answer_s
        self._outcome_s = outcome_s
        self._now = now
        self._halts = Halts()
        self._halts_read = 0
        self._reading_halts = asyncio.Lock()

    async def check(self) -> None:
        """Raises Unreachable if Kafka or a topic is not there."""
        topics = self._settings.topics
        for name in (topics.ledger, topics.control, topics.signals, topics.results, topics.commands):
            await self.archive.partitions(name)

    async def caught_up(self, told: Callable[[float], None]) -> None:
        """Returns once the view holds all that the ledger held; until then tells its progress."""
        view = self._following()
        while not await view.complete(PROGRESS_S):
            told(view.progress)

    async def close(self) -> None:
        """Disconnect."""
        await self.archive.close()

    # Lists.

    async def overview(self) -> Overview:
        view = self._following()
        return Overview(view.progress, view.totals(), await self._credentials(view), dict(view.braked))

    async def rows(self, state: str, limit: int) -> Sequence[Row]:
        """Open refunds in `state` ("" for all), oldest first."""
        found = self._following().rows(state, limit)
        halts = await self._read_halts()
        return [self._by_whom(row, halts) for row in found]

    def _by_whom(self, row: Row, halts: Halts) -> Row:
        if row.state != State.HALTED:
            return row
        halt = halts.of(row.channel)
        return replace(row, reason=PROVIDER if halt is None else OPERATOR)

    async def _credentials(self, view: View) -> Sequence[Credential]:
        halts, waiting = await self._read_halts(), view.waiting(State.HALTED)
        found = []
        for name in self._settings.channels:
            halt, row = halts.of(name), waiting.get(name)
            if halt is not None:
                everything = halt.channel == EVERYTHING
                by = halt.by or "?"
                found.append(Credential(name, OPERATOR, by, halt.reason, halt.at, everything=everything))
            elif row is not None:
                found.append(Credential(name, PROVIDER, "", row.code, rfc3339(row.since)))
            else:
                found.append(Credential(name, "", "", "", ""))
        return found

    def _following(self) -> View:
        if self._view is None:
            raise NotPossible("the ledger is not followed here; a list needs it to be read first")
        return self._view

    async def _read_halts(self) -> Halts:
        """As the control topic has them now."""
        async with self._reading_halts:
            topic = self._settings.topics.control
            async with aclosing(self.archive.forwards(topic, 0, self._halts_read)) as windows:
                async for records in windows:
                    self._halts.take(records)
                    if records:
                        self._halts_read = records[-1].offset + 1
        return self._halts

    # One refund.

    async def show(self, refund_request_id: str, language: Language) -> Shown:
        found = await self._lookup.find(refund_request_id)
        entry, now = found.entry, self._now()
        row = self._by_whom(row_of(entry, found.place.partition), halts := await self._read_halts())
        around = Circumstances(now, found.place.partition, found.last_issue, halts.of(row.channel))
        return Shown(
            row=row,
            explanation=explained(entry, around, self._words(language, row.channel)),
            instructions=possible(entry, now, newest=found.last_issue == refund_request_id),
            issues=found.issues,
            facts=facts(found),
        )

    async def history(self, refund_request_id: str, language: Language) -> Sequence[Moment]:
        found = await self._lookup.find(refund_request_id)
        sources = await self._history.of(found)
        return timeline(sources, self._words(language, row_of(found.entry, 0).channel))

    async def instruct(
        self,
        name: str,
        refund_request_id: str,
        by: str,
        reason: str,
        details: Mapping[str, str],
        language: Language,
    ) -> Answered:
        """`name`: of INSTRUCTIONS.

        `details` of settle: as (succeeded, failed), evidence, next_action or "", attempts (as many calls as the person
        has seen, "" for what the ledger has now).
        """
        found = await self._lookup.find(refund_request_id)
        words = self._words(language, row_of(found.entry, 0).channel)
        order = Order(refund_request_id, by, reason)
        instruction = instruction_of(name, order, details, found.entry)
        if isinstance(instruction, Refusal):
            succeeded = isinstance(found.entry, FinalEntry) and has_succeeded(found.entry)
            return refused(Refusal.SUCCEEDED if succeeded else instruction, words)
        return await instruct(self._settings, found, instruction, words, self._now(), self._answer_s)

    async def halt(self, channel: str, by: str, reason: str, *, halted: bool) -> None:
        """Halt or resume a channel, or everything ("*")."""
        known = self._settings.channels
        if channel not in known and channel != EVERYTHING:
            raise NotPossible(
                f"no channel {channel!r} is in the settings; expected one of {', '.join(known)}"
            )
        _check_order(by, reason)
        topic, now = self._settings.topics.control, self._now()
        await control.write(self._settings.kafka, topic, channel, by, reason, now, halted=halted)

    async def halts(self) -> Sequence[Control]:
        """What operators have halted now."""
        return (await self._read_halts()).in_force()

    # A command.

    async def submit(
        self, asked: Mapping[str, str], by: str, language: Language
    ) -> AsyncGenerator[Submitted, None]:
        """Write a command, then tell what answers it, until that is final or for `outcome_s`."""
        words = self._words(language, asked.get("channel", ""))
        try:
            submitted = command_record(self._settings, _asked(asked), self._now())
        except NotSubmitted as error:
            raise NotPossible(str(error).removeprefix("--")) from None
        name = submitted.refund_request_id
        async with answers(self._settings) as events:
            record = submitted.record
            signed = replace(record, headers=(*record.headers, (SUBMITTED_BY, by.encode())))
            place = await send(self._settings, signed)
            yield Submitted(name, "", final=False, sentence=words.words.written.format(place=place), data={})
            until = time.monotonic() + self._outcome_s
            while (left := until - time.monotonic()) > 0:
                event = await _next(events, left)
                if event is None or event.type not in KINDS or not is_answer(event, submitted):
                    continue
                said = Said(event.type, event.id, event.cause, self._now(), 0, event.data)
                final = event.type in EXITS
                yield Submitted(name, event.type, final, told(said, words).sentence, event.data)
                if final:
                    return

    def _words(self, language: Language, channel: str) -> Vocabulary:
        return vocabulary(language, self._settings.channels.get(channel))


@asynccontextmanager
async def visiting(settings: Settings, answer_s: float = ANSWER_S) -> AsyncIterator[KafkaDesk]:
    """A desk for one question: it reads what it needs of the ledger, and cannot list. Raises Unreachable."""
    desk = KafkaDesk(settings, answer_s=answer_s)
    try:
        await desk.check()
        yield desk
    finally:
        await desk.close()


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[KafkaDesk]:
    """A desk whose view follows the ledger. It begins empty; the overview tells how far it has come."""
    view = View(Following(settings.kafka, settings.topics.ledger))
    work = asyncio.create_task(view.run())
    desk = KafkaDesk(settings, view)
    try:
        yield desk
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await desk.close()


async def _next(events: AsyncIterator[Answer], wait_s: float) -> Answer | None:
    try:
        return await asyncio.wait_for(anext(events), wait_s)
    except TimeoutError:
        return None


def _asked(asked: Mapping[str, str]) -> Asked:
    return Asked(
        channel=asked.get("channel", ""),
        payment_id=asked.get("payment", ""),
        order_number=asked.get("order", ""),
        amount=asked.get("amount", ""),
        currency=asked.get("currency", ""),
        refund_request_id=asked.get("id", ""),
        merchant=asked.get("merchant", ""),
        reason=asked.get("reason", ""),
    )


def _check_order(by: str, reason: str) -> None:
    try:
        required({"by": by, "reason": reason}, "by", BY)
        required({"by": by, "reason": reason}, "reason", REASON)
    except NotReadable as fault:
        raise NotPossible(str(fault)) from None
