"""What stops reading, calling, or the whole process, and what makes it go on again."""

import orjson
from aiokafka import AIOKafkaProducer

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from tests.broker.settings_file import CLIENT_ID
from worker.refunds.entry import State
from worker.simulator.ledger import LedgerSettings

BRAKE = {"stream": {"brake_window": 20, "brake_records_min": 10, "brake_ratio": 0.5}}


async def test_a_partition_of_mostly_unreadable_records_is_not_emptied_into_the_dead_letters(
    make_world: MakeWorld,
) -> None:
    """The brake stops this partition, over a restart too, and no other; `resume-partition` releases it."""
    here = await make_world(sections=BRAKE)
    good, other = here.ids(5, partition=0), here.ids(5, partition=1)
    first = await here.started()
    for _ in range(25):
        await here.write(b"rubbish", 0)
    await here.ask(*(refund(name) for name in good + other))
    await here.until(here.final(other), "refunds of the other partition")
    await here.until(lambda: bool((head := here.head(0)) and head.braked), "the brake tripped")
    letters = len(here.letters)
    assert letters < 25
    assert first.running
    assert await first.stop() == 0
    second = await here.started()
    await here.until(lambda: second.logged("partition 0 stopped") == 1, "it is still stopped")
    await here.caught_up()
    assert len(here.letters) == letters
    assert not here.outcomes(good[0])
    # Twice: twenty-five records are more than one brake lets pass.
    for _ in range(2):
        passed = here.position(0)
        await here.command("resume-partition", "0")
        await here.until(
            lambda before=passed: here.position(0) > before,  # type: ignore[misc] # its default has no type
            "read on",
        )
    await here.until(here.final(good), "the refunds behind them")
    await here.settled()
    assert len(here.letters) == 25
    assert second.running


async def test_a_revoked_key_halts_the_channel_and_fails_no_refund(here: World) -> None:
    """All wait untouched, over a restart too; once the key is back they are made, with no attempt used up."""
    names = here.ids(40)
    first = await here.started()
    here.simulator.endpoint.revoked.add(CLIENT_ID)
    await here.ask(*(refund(name) for name in names))
    await here.until(
        lambda: sum(entry.state is State.HALTED for entry in here.open().values()) == len(names), "all halted"
    )
    refused = here.simulator.observed.refused["KEY_NOT_FOUND"]
    assert not here.results
    assert await first.stop() == 0
    second = await here.started()
    await here.until(
        lambda: here.simulator.observed.refused["KEY_NOT_FOUND"] >= refused + 3, "the next one probes too"
    )
    assert not [
        record for record in here.results if b"failed" in (dict(record.headers).get("ce_type") or b"")
    ]
    here.simulator.endpoint.revoked.discard(CLIENT_ID)
    await here.until(here.final(names), "outcomes")
    await here.settled()
    for record in here.events("refund.succeeded.v1"):
        assert orjson.loads(record.value or b"")["attempts"] == 1
    assert second.logged("channel global resumed") == 1


async def test_declines_that_our_own_settings_may_cause_are_not_published_before_a_success(
    make_world: MakeWorld,
) -> None:
    """A run of ORDER_NOT_EXIST, as with a sandbox mixed up with production, halts before any of them is published."""
    here = await make_world(
        ledger=LedgerSettings(auto_payment_value=None), sections={"stream": {"suspect_run_max": 5}}
    )
    names = here.ids(20)
    worker = await here.started()
    await here.ask(*(refund(name) for name in names))
    await here.until(lambda: worker.logged("SUSPECT_RUN") > 0, "the channel is halted")
    await here.until(lambda: set(here.open()) == set(names), "every refund is open in the ledger")
    await here.caught_up()
    assert not here.events("refund.failed.v1")
    await here.proven()


async def test_a_single_declined_refund_among_successes_fails_within_moments(make_world: MakeWorld) -> None:
    here = await make_world()
    names, bad = here.ids(10), here.ids(1, start="bad")[0]
    here.simulator.behaviour.script(bad, mode("decline", code="ORDER_NOT_EXIST"))
    await here.started()
    await here.ask(refund(bad), *(refund(name) for name in names))
    await here.until(here.final([*names, bad]), "outcomes")
    await here.settled()
    assert here.outcomes(bad) == ["refund.failed.v1"]


async def test_a_partition_that_is_fenced_again_and_again_is_given_back_to_the_group(
    make_world: MakeWorld,
) -> None:
    """Somebody else uses its transactional id: the worker leaves the group, joins anew and goes on with its work."""
    here = await make_world(sections={"topics": {"partitions": 1}, "stream": {"fences_per_minute_max": 2}})
    names = here.ids(12)
    worker = await here.started()
    transactional_id = f"{here.settings.kafka.group_id}:{here.settings.topics.commands}:0"
    for opening in range(1, 4):
        await here.until(lambda n=opening: worker.logged("open, opening") >= n, "open")  # type: ignore[misc] # its default has no type
        await here.ask(*(refund(name) for name in names[opening * 3 - 3 : opening * 3]))
        stranger = AIOKafkaProducer(
            bootstrap_servers=here.bootstrap_servers, transactional_id=transactional_id, retry_backoff_ms=20
        )
        await stranger.start()
        await stranger.stop()
        await here.until(lambda n=opening: worker.logged("lost: ") >= n, "fenced")  # type: ignore[misc] # its default has no type
    await here.until(lambda: worker.logged("joining anew") == 1, "it gives the partition back")
    await here.ask(*(refund(name) for name in names[9:]))
    await here.until(here.final(names), "outcomes")
    await here.settled()
    assert await worker.stop() == 0


async def test_a_partition_whose_ledger_cannot_be_read_to_its_end_stays_closed_and_says_why(
    make_world: MakeWorld,
) -> None:
    """What is behind somebody's open transaction may be ours: a refund that is final there would be made again."""
    here = await make_world(sections={"stream": {"opening_deadline_s": 2.0}})
    name, other = here.ids(1, partition=0)[0], here.ids(1, partition=1)[0]
    first = await here.started()
    await here.ask(refund(name))
    await here.until(here.final([name]), "an outcome")
    assert await first.stop() == 0
    stranger = AIOKafkaProducer(
        bootstrap_servers=here.bootstrap_servers,
        transactional_id=f"{here.prefix}stranger",
        retry_backoff_ms=20,
    )
    await stranger.start()
    try:
        await stranger.begin_transaction()
        await stranger.send_and_wait(here.settings.topics.ledger, b"{}", b"stranger", partition=0)
        second = await here.started()
        await here.ask(refund(name), refund(other))
        await here.until(here.final([other]), "a refund of the partition that can be opened")
        await here.until(lambda: second.logged("kafka-transactions.sh find-hanging") > 0, "it says why")
        assert here.simulator.observed.seen(name).refunds == 1
        await stranger.abort_transaction()
    finally:
        await stranger.stop()
    await here.until(lambda: second.logged("partition 0 open") == 1, "it is open")
    await here.settled()
    assert here.simulator.observed.seen(name).refunds == 1
