"""The order system's trace (W3C Trace Context), from the command to Alipay and to every event that answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from tests.broker.sight import text
from worker.stream.ports import Record
from worker.stream.routing import home

TRACESTATE = "shop=t61rcWkgMzE"


def traceparent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


async def ask(here: World, asked: Mapping[str, Any], trace: str, *, astray: bool = False) -> None:
    """A command with a trace in its headers, at home or in the partition that is not."""
    name = asked["refundRequestId"]
    partition = home(name, here.partitions) ^ astray
    headers = [("traceparent", trace.encode()), ("tracestate", TRACESTATE.encode())]
    await here.write(orjson.dumps(dict(asked)), partition, key=name.encode(), headers=headers)


def said(records: Sequence[Record], trace: str) -> list[str]:
    """The types of the events in this trace, and "" for a dead letter."""
    return [
        text(record, "ce_type")
        for record in records
        if (text(record, "traceparent"), text(record, "tracestate")) == (trace, TRACESTATE)
    ]


async def test_a_trace_survives_back_off_parking_kill_and_another_worker(make_world: MakeWorld) -> None:
    here = await make_world(
        sections={"stream": {"delayed_after_s": 0.5}, "channels.hasty": {"attempts_max": 1}}
    )
    slow, parked = here.ids(2)
    trace_slow, trace_parked = traceparent(1), traceparent(2)
    here.simulator.behaviour.script(slow, mode("in_process_then_success", inquiries=6))
    here.simulator.behaviour.script(parked, mode("in_process_then_success", inquiries=99))
    first = await here.started()
    await ask(here, refund(slow), trace_slow)
    await ask(here, refund(parked, channel="hasty"), trace_parked)
    await here.until(
        lambda: bool(here.events("refund.delayed.v1") and here.events("refund.parked.v1")), "news of both"
    )
    first.kill()
    await first.ended()
    calls_before = here.simulator.observed.traces[trace_slow]
    await here.start()
    await here.until(here.final([slow]), "an outcome from the second worker")
    await here.settled()
    assert said(here.results, trace_slow) == ["refund.delayed.v1", "refund.succeeded.v1"]
    assert "refund.parked.v1" in said(here.results, trace_parked)
    assert len(here.results) == len(said(here.results, trace_slow)) + len(said(here.results, trace_parked))
    seen = {name: here.simulator.observed.seen(name) for name in (slow, parked)}
    assert (
        here.simulator.observed.traces[trace_slow] == seen[slow].refunds + seen[slow].inquiries > calls_before
    )
    assert here.simulator.observed.traces[trace_parked] == seen[parked].refunds + seen[parked].inquiries > 0


async def test_a_trace_travels_with_strays_refusals_and_dead_letters(here: World) -> None:
    astray, refused = here.ids(2)
    await here.started()
    await ask(here, refund(astray), traceparent(3), astray=True)
    await ask(here, refund(refused) | {"channel": "mars"}, traceparent(4))
    await here.until(here.final([astray]), "an outcome")
    await here.until(lambda: bool(here.letters and here.events("refund.rejected.v1")), "a refusal")
    await here.settled()
    assert said(here.results, traceparent(3)) == ["refund.succeeded.v1"]
    assert here.simulator.observed.traces[traceparent(3)] == 1
    assert said(here.results, traceparent(4)) == ["refund.rejected.v1"]
    assert said(here.letters, traceparent(4)) == [""]
    assert not here.simulator.observed.traces[traceparent(4)]
