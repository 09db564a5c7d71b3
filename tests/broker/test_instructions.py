"""Operators' instructions on a real broker: followed once, whichever worker is killed at whichever moment."""

from typing import Any

import orjson

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from worker.messages.instructed import instruction_signal
from worker.refunds.entry import FinalEntry, OpenEntry, State
from worker.refunds.instruction import Instruction, Order, Reissue, Settle
from worker.refunds.issue import provider_id
from worker.refunds.reply import NextAction
from worker.stream.routing import home

BY, REASON = "ana@shop.example", "the provider's support has looked it up"


async def instruct(here: World, instruction: Instruction, signal_id: str) -> None:
    event = instruction_signal(instruction, signal_id, 1_717_462_923.0, "/desk")
    partition = home(instruction.order.refund_request_id, here.partitions)
    await here.producer.send_and_wait(
        here.settings.topics.signals, event.value, event.key, partition, headers=list(event.headers)
    )


def answers(here: World) -> list[tuple[str, str]]:
    told: list[dict[str, Any]] = [
        orjson.loads(event.value or b"") for event in here.events("refund.instructed.v1")
    ]
    return [(one["instruction"], one["result"]) for one in told]


async def test_a_parked_refund_is_settled_and_issued_anew_over_two_kills(make_world: MakeWorld) -> None:
    """The first worker dies before it reads the settlement, the second after it has asked for the new issue."""
    here = await make_world(sections={"channels.global": {"attempts_max": 1}})
    (name,) = here.ids(1)
    again, order = f"{name}~2", Order(name, BY, REASON)
    here.simulator.behaviour.script(name, mode("cut_before"))
    here.simulator.behaviour.script(provider_id(name, 2), mode("latency", ms=1300))
    first = await here.started()
    await here.ask(refund(name))

    def parked() -> bool:
        entry = here.entries().get(name)
        return isinstance(entry, OpenEntry) and entry.state is State.PARKED

    await here.until(parked, "it is parked after one call")
    first.kill()
    await first.ended()
    settle = Settle(order, succeeded=False, evidence="ticket 815", next_action=NextAction.NEW_REFUND)
    await instruct(here, settle, "signal-1")
    second = await here.start()
    await here.until(here.final([name]), "it is settled")
    failed = here.entries()[name]
    assert isinstance(failed, FinalEntry)
    assert failed.command is not None

    await instruct(here, Reissue(order, failed.command), "signal-2")
    await here.until(
        lambda: len(here.simulator.ledger.movements) == 1, "the money of the new issue has moved"
    )
    second.kill()
    await second.ended()
    await instruct(here, Reissue(order, failed.command), "signal-3")
    await here.start()
    await here.until(here.final([again]), "the new issue is final")
    await here.until(lambda: len(answers(here)) == 3, "every instruction is answered")
    await here.settled()
    assert answers(here) == [("settle", "settled"), ("reissue", "reissued"), ("reissue", "issued_anew")]
    assert (here.outcomes(name), here.outcomes(again)) == (["refund.failed.v1"], ["refund.succeeded.v1"])
    (event,) = here.events("refund.succeeded.v1")
    outcome = orjson.loads(event.value or b"")
    assert (outcome["reissueOf"], outcome["providerRequestId"]) == (name, provider_id(name, 2))
