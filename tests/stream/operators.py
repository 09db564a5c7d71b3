"""An operator at a partition or at a whole worker: instructions given, and the answers to them."""

from itertools import count
from typing import Any, Final

import orjson

from tests.stream.stage import RESULTS, SIGNALS, Bench, Written, header, record
from tests.stream.world import World
from worker.messages.events import INSTRUCTED, Event
from worker.messages.instructed import instruction_signal
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry
from worker.refunds.instruction import Inquire, Instruction, Order, Reissue, Retry, Settle
from worker.refunds.reply import NextAction
from worker.stream.ports import Outgoing, Record

BY: Final = "ana@shop.example"
REASON: Final = "the provider's support has looked it up"
_IDS: Final = count(1)


def order(name: str) -> Order:
    return Order(name, BY, REASON)


def retry(name: str = "a") -> Retry:
    return Retry(order(name))


def inquire(name: str = "a") -> Inquire:
    return Inquire(order(name))


def succeed(name: str = "a", seen: int | None = None) -> Settle:
    return Settle(order(name), succeeded=True, evidence="statement 815, line 7", attempts_seen=seen)


def fail(name: str = "a", advice: NextAction | None = None, seen: int | None = None) -> Settle:
    """`seen`: the calls that it had had when the operator looked."""
    return Settle(order(name), succeeded=False, evidence="ticket 815", next_action=advice, attempts_seen=seen)


def reissue(command: Command, name: str = "") -> Reissue:
    return Reissue(order(name or command.refund_request_id), command)


def signal(instruction: Instruction, now: float, signal_id: str = "") -> Event:
    return instruction_signal(instruction, signal_id or f"signal-{next(_IDS)}", now, "/desk")


def said(event: Outgoing | Record) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(event.value or b"")
    return data


def results(written: Written) -> list[str]:
    """What became of the instructions that a batch answers."""
    answers = [said(event) for event in written.on(RESULTS) if header(event, "ce_type") == INSTRUCTED]
    return [answer["result"] for answer in answers]


def instruct(bench: Bench, *instructions: Instruction) -> Written:
    """The batch that answers them."""
    for each in instructions:
        event, offset = signal(each, bench.clock.now()), bench.signals.next_offset
        bench.accept(record(offset, event.value, topic=SIGNALS)._replace(headers=event.headers))
    batch = bench.commit()
    assert batch.head.inputs[SIGNALS].position == bench.signals.next_offset
    return batch


def give(world: World, instruction: Instruction, partition: int = 0, signal_id: str = "") -> None:
    """The operator's tool writes it."""
    event = signal(instruction, world.clock.now(), signal_id)
    world.kafka.append(SIGNALS, partition, event.value, event.key, event.headers)


def answers(world: World) -> list[tuple[str, str]]:
    """The refund and the result of every answer, in order."""
    told = [said(event) for event in world.kafka.read(RESULTS) if header(event, "ce_type") == INSTRUCTED]
    return [(answer["refundRequestId"], answer["result"]) for answer in told]


def kept_command(final: FinalEntry) -> Command:
    """What the tool takes from the ledger to have a refund issued anew."""
    assert final.command is not None
    return final.command
