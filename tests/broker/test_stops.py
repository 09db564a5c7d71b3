"""What stops a worker in order, and what it finds when it starts again."""

import asyncio
import time
from pathlib import Path

import orjson

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund, world
from tests.broker.sight import is_final, text
from worker.demo.local_kafka import LocalKafka
from worker.messages.ledger import HEAD_KEY
from worker.refunds.attempt import Stage
from worker.refunds.entry import OpaqueEntry, State
from worker.simulator import Operation, Rule


async def test_a_drain_commits_everything_and_leaves_no_doubt(make_world: MakeWorld) -> None:
    """SIGTERM with calls under way, others waiting for a free call: what is not done is asked for by the next one."""
    here = await make_world(sections={"stream": {"in_flight_max": 20}})
    here.simulator.behaviour.add(Rule(mode("latency", ms=700)))
    names = here.ids(100)
    first, partitions = await here.started(), range(here.partitions)
    await here.until(lambda: first.logged("open, opening") >= len(partitions), "all partitions are open")
    await here.ask(*(refund(name) for name in names))
    await here.until(
        lambda: here.simulator.observed.in_flight == 20 and all(map(here.head, partitions)),
        "calls are in flight, and each partition's head has been read",
    )
    began = time.monotonic()
    assert await first.stop() == 0
    assert time.monotonic() - began < here.settings.stream.drain_s + 2
    await here.caught_up()
    await here.proven()
    final, left = {text(record, "ce_subject") for record in here.results if is_final(record)}, here.open()
    read = [record for record in here.commands if record.offset < here.position(record.partition)]
    assert final | set(left) == {(record.key or b"").decode() for record in read}
    assert not final & set(left)
    # Whoever was called has answered: not one call was made whose answer is not in the ledger.
    assert set(here.simulator.observed.by_id) == final
    assert not any(entry.attempt.number or entry.attempt.ambiguous for entry in left.values())
    for number in partitions:
        head = here.head(number)
        assert head is not None
        reading = head.inputs[here.settings.topics.commands]
        assert reading.position == reading.reach
    here.simulator.behaviour.clear()
    await here.start()
    await here.until(here.final(names), "outcomes")
    await here.settled()


async def test_a_command_read_after_a_clean_stop_is_not_in_doubt(here: World) -> None:
    """Its decline is believed at once, without asking what became of it."""
    name = here.ids(1)[0]
    first = await here.started()
    assert await first.stop() == 0
    await here.ask(refund(name))
    here.simulator.behaviour.script(name, mode("decline", code="RISK_REJECT"))
    await here.start()
    await here.until(here.final([name]), "an outcome")
    await here.settled()
    assert here.outcomes(name) == ["refund.failed.v1"]
    assert here.simulator.observed.seen(name).inquiries == 0


async def test_a_stop_ends_in_time_although_alipay_never_answers(make_world: MakeWorld) -> None:
    here = await make_world(
        sections={
            "stream": {"revoke_s": 2.0, "drain_s": 2.0, "drain_floor_s": 1.0},
            "channels.global": {"deadline_s": 2.5},
        }
    )
    names = here.ids(10)
    here.simulator.behaviour.add(Rule(mode("silent_after")))
    first = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: here.simulator.observed.in_flight == 10, "calls are in flight")
    began = time.monotonic()
    assert await first.stop() == 0
    assert time.monotonic() - began < 5
    here.simulator.behaviour.clear()
    await here.caught_up()
    assert set(here.open()) == set(names)
    await here.start()
    await here.until(here.final(names), "outcomes")
    await here.settled()


async def test_a_back_off_survives_kill_9_and_holds_up_nothing(make_world: MakeWorld) -> None:
    """Neither the committed offset nor another refund, of its own payment even, waits for it; nor is it cut short."""
    here = await make_world(
        sections={"channels.global": {"backoff_floor_s": 6.0, "backoff_base_s": 0.1, "backoff_cap_s": 0.1}}
    )
    slow, quick = here.ids(2, partition=0)
    here.simulator.behaviour.script(slow, mode("unknown"))
    first = await here.started()
    await here.ask(refund(slow, "pay-1"), refund(quick, "pay-1"))
    await here.until(here.final([quick]), "the outcome of the quick one")
    await here.until(lambda: here.position(0) == 2, "no offset is held back")
    first.kill()
    await first.ended()
    entry = here.open()[slow]
    assert (entry.state, entry.attempt.number, entry.attempt.stage) == (State.WAITING, 1, Stage.SUBMIT)
    due_at = entry.next_at
    await here.start()
    await here.until(here.final([slow]), "the outcome of the slow one")
    second_call = here.simulator.observed.seen(slow).calls[1]
    assert second_call.at >= due_at
    await here.settled()
    assert here.outcomes(slow) == ["refund.succeeded.v1"]


async def test_what_a_newer_release_wrote_is_known_and_not_run(here: World) -> None:
    """Its entry stays as it is; a command with its id is a repeat; entries of this release are read beside it."""
    newer, ours = here.ids(2, partition=0)
    here.simulator.behaviour.add(Rule(mode("unknown"), refund_request_id=ours))
    first = await here.started()
    await here.ask(refund(ours))
    await here.until(lambda: ours in here.open(), "an open refund")
    assert await first.stop() == 0
    value = orjson.dumps({"v": 99, "kind": "open", "of": "the future"})
    await here.producer.send_and_wait(here.settings.topics.ledger, value, newer.encode(), partition=0)
    here.simulator.behaviour.clear()
    second = await here.started()
    await here.ask(refund(newer))
    await here.until(here.final([ours]), "the outcome of ours")
    await here.until(lambda: here.position(0) == 2, "the repeat was passed")
    await here.caught_up()
    assert here.entries()[newer] == OpaqueEntry(newer, 99)
    assert not here.simulator.observed.seen(newer).calls
    assert not here.outcomes(newer)
    assert second.logged("newer release") == 1
    assert await second.stop() == 0
    await here.caught_up()
    await here.proven()
    assert here.entries()[newer] == OpaqueEntry(newer, 99)


async def test_a_ledger_whose_head_a_newer_release_wrote_stops_the_process(here: World) -> None:
    first = await here.started()
    assert await first.stop() == 0
    value = orjson.dumps({"v": 99, "kind": "head"})
    await here.producer.send_and_wait(here.settings.topics.ledger, value, HEAD_KEY, partition=0)
    second = await here.start()
    assert await second.ended() == 1
    assert second.logged("newer release")


async def test_refunds_go_on_when_the_broker_comes_back(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Killed and started again under load, with calls under way: nothing lost, nothing twice, no process ended."""
    async with world(own_kafka.bootstrap_servers, topic_prefix, tmp_path) as here:
        here.simulator.behaviour.add(Rule(mode("latency", ms=50, to_ms=500)))
        here.simulator.behaviour.add(
            Rule(mode("in_process_then_success", inquiries=1), probability=0.2, times=1)
        )
        names, later = here.ids(150), here.ids(30, start="later")
        worker = await here.started()
        await here.ask(*(refund(name) for name in names))
        await here.until(lambda: here.simulator.observed.in_flight >= 10, "calls are in flight")
        await asyncio.to_thread(own_kafka.restart, kill=True)
        await here.ask(*(refund(name) for name in later))
        await here.until(here.final([*names, *later]), "outcomes", 300)
        await here.settled()
        assert worker.running
        assert await worker.stop() == 0


async def test_a_frozen_broker_stops_calls_until_it_answers_again(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """No commit and no heartbeat is answered: then nobody may be called, for somebody else may own the partition."""
    async with world(own_kafka.bootstrap_servers, topic_prefix, tmp_path) as here:
        here.simulator.behaviour.add(Rule(mode("unknown")))
        here.simulator.behaviour.add(Rule(mode("unknown"), Operation.INQUIRY))
        names = here.ids(10)
        worker = await here.started()
        await here.ask(*(refund(name) for name in names))
        await here.until(lambda: len(here.open()) == len(names), "refunds that are tried again and again")
        own_kafka.freeze()
        thawed_after_s = 8.0
        await asyncio.sleep(thawed_after_s)  # the length of the outage is what is tested
        last = max(call.at for name in names for call in here.simulator.observed.seen(name).calls)
        silent_s = time.time() - last
        own_kafka.thaw()
        assert silent_s > thawed_after_s - here.settings.stream.lease_s - 1.5
        here.simulator.behaviour.clear()
        await here.until(here.final(names), "outcomes", 300)
        await here.settled()
        assert worker.running


async def test_a_stop_ends_in_time_although_the_broker_does_not_answer(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    async with world(own_kafka.bootstrap_servers, topic_prefix, tmp_path) as here:
        names = here.ids(10)
        here.simulator.behaviour.add(Rule(mode("latency", ms=1000)))
        worker = await here.started()
        await here.ask(*(refund(name) for name in names))
        await here.until(lambda: here.simulator.observed.in_flight == len(names), "calls are in flight")
        own_kafka.freeze()
        began = time.monotonic()
        worker.terminate()
        await worker.ended()
        stopped_s = time.monotonic() - began
        own_kafka.thaw()
        assert stopped_s < 20
        await here.start()
        await here.until(here.final(names), "outcomes")
        await here.settled()
