"""Gives an instruction to the owner of a refund, and waits for what it answers."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Final

from worker.desk.answers import Answered, NotPossible
from worker.desk.lookup import Found
from worker.desk.vocabulary import Vocabulary
from worker.kafka.exchange import Answer, answers, send
from worker.messages.events import INSTRUCTED
from worker.messages.instructed import instruction_signal
from worker.messages.invalid import Invalid
from worker.messages.signal import read_signal
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry, OpenEntry, Origin
from worker.refunds.instruction import (
    Inquire,
    Instruction,
    Order,
    Refusal,
    Reissue,
    Retry,
    Settle,
)
from worker.refunds.reply import NextAction
from worker.settings import Settings
from worker.stream.ports import Outgoing

SOURCE: Final = "/alipay-refund-worker/desk"
NO_ANSWER: Final = "no_answer"
_VERDICTS: Final[Mapping[str, bool]] = {"succeeded": True, "failed": False}


def instruction_of(
    name: str, order: Order, details: Mapping[str, str], entry: OpenEntry | FinalEntry
) -> Instruction | Refusal:
    """The instruction; a Refusal where no owner needs to be asked. Raises NotPossible for what is not one at all.

    `entry`: the refund's, as the ledger has it now.
    """
    match name:
        case "retry":
            return Retry(order)
        case "inquire":
            return Inquire(order)
        case "settle":
            return _settle(order, details, _attempts_seen(details.get("attempts", ""), entry))
        case "reissue":
            command = command_of(entry)
            return Refusal.ADVISED_AGAINST if command is None else Reissue(order, command)
        case _:
            raise NotPossible(f"{name!r} is no instruction; expected retry, inquire, settle or reissue")


def _settle(order: Order, details: Mapping[str, str], attempts_seen: int | None) -> Settle:
    verdict, advice = details.get("as", ""), details.get("next_action", "")
    if verdict not in _VERDICTS:
        raise NotPossible(f"settle as {verdict!r}; expected succeeded or failed")
    if advice and advice not in set(NextAction):
        raise NotPossible(f"next_action {advice!r}; expected one of {', '.join(NextAction)}")
    next_action = NextAction(advice) if advice else None
    return Settle(order, _VERDICTS[verdict], details.get("evidence", ""), next_action, attempts_seen)


def _attempts_seen(told: str, entry: OpenEntry | FinalEntry) -> int | None:
    """What the person says to have seen. Who does not say it has seen at most what the ledger has now."""
    if told:
        if not (told.isascii() and told.isdecimal()):
            raise NotPossible(f"attempts {told!r}; expected the number of calls that was shown, like 3")
        return int(told)
    return entry.attempt.number if isinstance(entry, OpenEntry) else None


def command_of(entry: OpenEntry | FinalEntry) -> Command | None:
    """What a refund was made from. Of a final one it is kept where it may be issued anew."""
    return entry.attempt.command if isinstance(entry, OpenEntry) else entry.command


def signal_record(
    settings: Settings, instruction: Instruction, partition: int, signal_id: str, now: float
) -> Outgoing:
    """The record of the signal, as its reader will take it. Raises NotPossible for what that would refuse."""
    event = instruction_signal(instruction, signal_id, now, SOURCE)
    topic = settings.topics.signals
    read = read_signal(event.value, event.headers, Origin(topic, partition, 0, 0))
    if isinstance(read, Invalid):
        raise NotPossible(read.message)
    return Outgoing(topic, event.key, event.value, event.headers, partition)


async def instruct(
    settings: Settings, found: Found, instruction: Instruction, words: Vocabulary, now: float, wait_s: float
) -> Answered:
    """Write the signal to the partition in which the refund was found, then wait for its answer. Raises Unreachable."""
    signal_id = str(uuid.uuid4())
    record = signal_record(settings, instruction, found.place.partition, signal_id, now)
    async with answers(settings) as events:
        await send(settings, record)
        try:
            async with asyncio.timeout(wait_s):
                async for event in events:
                    if event.type == INSTRUCTED and event.cause == signal_id:
                        return answered(event, words)
        except TimeoutError:
            pass
    sentence = words.words.no_answer.format(
        seconds=wait_s, topic=settings.topics.signals, partition=found.place.partition
    )
    return Answered(accepted=False, result=NO_ANSWER, sentence=sentence)


def refused(why: Refusal, words: Vocabulary) -> Answered:
    """What nobody has to be asked about."""
    return Answered(accepted=False, result=why.value, sentence=words.words.refusals[why])


def answered(event: Answer, words: Vocabulary) -> Answered:
    """The answer in an event."""
    data = event.data
    accepted, result = data.get("accepted") is True, str(data.get("result", ""))
    sentence = words.result(result, accepted=accepted) or str(data.get("message", ""))
    return Answered(accepted, result, sentence, str(data.get("reissuedAs", "")))
