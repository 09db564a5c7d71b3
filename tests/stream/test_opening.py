"""The one opening path: what it does in which order, and when it refuses."""

from dataclasses import replace

import orjson
import pytest
from typing_extensions import override

from tests.stream.fake_kafka import FakeInputs, FakeKafka, Trouble
from tests.stream.stage import COMMANDS, GROUP, LEDGER, NOW, SIGNALS, entry, head, header, value
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.entry import REKEYING, FinalEntry, Head, OpenEntry, Reading
from worker.stream.opening import open_partition
from worker.stream.ports import Batch, Fenced, InDoubt, WrongLedger


def write(kafka: FakeKafka, written: OpenEntry | FinalEntry | Head) -> None:
    """An entry stands in the ledger."""
    key = HEAD_KEY if isinstance(written, Head) else ledger_key(written.refund_request_id)
    kafka.append(LEDGER, 0, write_entry(written), key)


def final(refund_request_id: str, at: float) -> FinalEntry:
    digest = entry(refund_request_id).attempt.command.digest()
    return FinalEntry(refund_request_id, digest, at, {"ce_type": "refund.succeeded.v1"}, {})


# The order of things.


@in_virtual_time
async def test_the_first_opening_starts_at_the_logs_first_record() -> None:
    world = World()
    world.kafka.begins[COMMANDS, 0] = 7
    opened = await world.open()
    assert opened.partition.readers[COMMANDS].next_offset == 7
    assert world.head() == opened.partition.books.head
    assert (world.head().opening, world.head().group, world.head().partitions) == (1, GROUP, 1)
    assert world.committed() == 7


@in_virtual_time
async def test_every_opening_has_the_next_number_and_the_same_ledger() -> None:
    world = World()
    heads = [(await world.open()).partition.books.head for _ in range(3)]
    assert [found.opening for found in heads] == [1, 2, 3]
    assert len({found.ledger_id for found in heads}) == 1


@in_virtual_time
async def test_the_predecessor_is_fenced_before_the_ledger_is_read() -> None:
    """Read first, and what it commits in between would be missed."""
    world = World()
    first = await world.open()
    second = await world.open()
    with pytest.raises(Fenced):
        await first.journal.commit(first.partition.books.batch(0.0))
    await second.journal.commit(second.partition.books.batch(0.0))


@in_virtual_time
async def test_whoever_was_overtaken_while_it_read_does_not_open() -> None:
    world = World()
    await world.open()

    class Overtaken(FakeInputs):
        @override
        async def partitions(self) -> int:
            await world.worker.journals.open(0)
            return await super().partitions()

    with pytest.raises(Fenced):
        await open_partition(0, Overtaken(world.kafka, [COMMANDS]), world.worker.journals, world.worker.scope)
    assert world.head().opening == 1


@in_virtual_time
async def test_an_opening_whose_first_commit_is_in_doubt_is_none() -> None:
    world = World()
    world.kafka.troubles.append(Trouble.IN_DOUBT_APPLIED)
    with pytest.raises(InDoubt):
        await world.open()
    assert all(journal.closed for journal in world.worker.journals.opened)
    assert (await world.open()).partition.books.head.opening == 2


@in_virtual_time
async def test_an_opening_that_fails_counts_no_open_refunds() -> None:
    world = World()
    write(world.kafka, head())
    write(world.kafka, entry("a"))
    world.kafka.troubles.append(Trouble.IN_DOUBT_LOST)
    with pytest.raises(InDoubt):
        await world.open()
    assert world.meter.open.total() == 0


@in_virtual_time
async def test_the_head_and_not_the_committed_offset_says_where_to_start() -> None:
    """OffsetFetch may be stale, reset by hand, or expired, and a crash leaves it behind. Beyond is an alarm."""
    for committed in (None, 0, 3, 5):
        world = World()
        for number in range(5):
            world.ask(f"refund-{number}")
        write(world.kafka, head(position=3, reach=4))
        if committed is not None:
            world.kafka.committed[COMMANDS, 0] = committed
        reader = (await world.open()).partition.readers[COMMANDS]
        assert (reader.next_offset, reader.inherited) == (3, 4)
        assert world.committed() == 3
        assert world.meter.moved_offsets == (committed == 5)


@in_virtual_time
async def test_the_reach_is_raised_by_the_opening_itself() -> None:
    world = World({"reach_records": 10})
    write(world.kafka, head(position=0, reach=4))
    assert (await world.open()).partition.readers[COMMANDS].reach == 10
    assert world.head().inputs[COMMANDS].reach == 10


# What the ledger says.


@in_virtual_time
async def test_the_last_entry_of_a_refund_counts() -> None:
    world = World()
    write(world.kafka, head())
    write(world.kafka, entry("open"))
    write(world.kafka, entry("open", next_at=NOW + 99))
    write(world.kafka, entry("done"))
    write(world.kafka, final("done", world.clock.now()))
    world.kafka.append(LEDGER, 0, write_entry(final("gone", world.clock.now())), b"gone")
    world.kafka.append(LEDGER, 0, None, b"gone")
    partition = (await world.open()).partition
    assert list(partition.refunds) == ["open"]
    assert partition.refunds["open"].entry.next_at == NOW + 99
    assert partition._known("done") is not None
    assert partition._known("gone") is None


@in_virtual_time
async def test_a_long_reading_shows_how_much_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """The gauge at every step, the log every five seconds."""
    world = World()
    world.kafka.read_s = 3.0
    write(world.kafka, head())
    for number in range(9):
        write(world.kafka, final(f"refund-{number}", world.clock.now()))
    with caplog.at_level("INFO", logger="worker.stream.replay"):
        await world.open()
    assert world.meter.ledger_lags == {0: [8, 6, 4, 2, 0, 0]}
    assert caplog.messages == [
        "partition 0: 4 records of its ledger read, at most 6 to go",
        "partition 0: 8 records of its ledger read, at most 2 to go",
        "partition 0: 10 records of its ledger read in 15.0 s",
    ]


@in_virtual_time
async def test_a_reading_that_fails_leaves_nothing_to_be_read() -> None:
    world = World()
    for _ in range(5):
        write(world.kafka, head())
    world.kafka.append(LEDGER, 0, b"rubbish", HEAD_KEY)
    write(world.kafka, head())
    with pytest.raises(WrongLedger):
        await world.open()
    assert world.meter.ledger_lags == {0: [5, 3, 0]}


@in_virtual_time
async def test_an_entry_written_anew_by_a_release_that_is_understood_is_understood() -> None:
    world = World()
    write(world.kafka, head())
    for name in ("open", "final"):
        world.kafka.append(LEDGER, 0, orjson.dumps({"v": 99}), ledger_key(name))
    write(world.kafka, entry("open"))
    write(world.kafka, final("final", world.clock.now()))
    opened = await world.open()
    assert list(opened.partition.refunds) == ["open"]
    assert not opened.partition._opaque


@in_virtual_time
async def test_an_entry_of_a_newer_release_is_held_and_kept() -> None:
    world = World()
    write(world.kafka, head())
    write(world.kafka, entry("a"))
    write(world.kafka, final("b", world.clock.now()))
    for name in ("a", "b"):
        world.kafka.append(LEDGER, 0, orjson.dumps({"v": 99}), ledger_key(name))
    partition = (await world.open()).partition
    assert not partition.refunds
    for name in ("a", "b"):
        known = partition._known(name)
        assert known is not None
        assert known.digest is None


@in_virtual_time
async def test_final_refunds_are_remembered_for_the_retention_and_then_forgotten_in_the_ledger_too() -> None:
    world = World({"ledger_retention_s": 1_000.0})
    write(world.kafka, head())
    write(world.kafka, final("old", world.clock.now() - 1_001))
    write(world.kafka, final("young", world.clock.now() - 999))
    partition = (await world.open()).partition
    assert partition._known("old") is None
    assert partition._known("young") is not None
    assert [record.key for record in world.kafka.logs[LEDGER, 0] if record.value is None] == [b"old"]


@in_virtual_time
async def test_a_final_refund_that_was_asked_for_anew_after_its_retention_is_not_forgotten() -> None:
    world = World({"ledger_retention_s": 1_000.0})
    write(world.kafka, head())
    write(world.kafka, final("open", world.clock.now() - 5_000))
    write(world.kafka, final("final", world.clock.now() - 5_000))
    write(world.kafka, final("gone", world.clock.now() - 5_000))
    write(world.kafka, entry("open"))
    write(world.kafka, final("final", world.clock.now()))
    partition = (await world.open()).partition
    forgotten = [record.key for record in world.kafka.logs[LEDGER, 0] if record.value is None]
    assert forgotten == [b"gone"]
    assert all(partition._known(name) is not None for name in ("open", "final"))


# What it refuses.


@in_virtual_time
@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        (head(group="another", partitions=2), "Undo the change"),
        (head(routing_key="payment", partitions=2), "Undo the change"),
        (head(partitions=1), "were added: .* topics grow --to 2 --yes"),
        (head(partitions=REKEYING), "not finished: .* topics grow"),
        (head(partitions=3), "cannot be taken away"),
    ],
)
async def test_a_ledger_of_another_group_count_or_routing_stops_the_worker(wrong: Head, cure: str) -> None:
    world = World(partitions=2)
    write(world.kafka, wrong)
    with pytest.raises(WrongLedger, match=cure):
        await world.open()
    assert world.worker.journals.opened[-1].closed


@in_virtual_time
async def test_an_added_partition_is_not_begun_as_if_its_refunds_were_new() -> None:
    """Those that are at home there by the new count are remembered in other partitions."""
    for partitions in (REKEYING, 1):
        world = World(partitions=2)
        write(world.kafka, head(partitions=partitions))
        with pytest.raises(WrongLedger, match="topics grow"):
            await world.open(1)


@in_virtual_time
async def test_a_partition_that_is_opened_later_than_another_is_begun() -> None:
    world = World(partitions=2)
    write(world.kafka, head(partitions=2))
    assert (await world.open(1)).partition.books.head.partitions == 2


@in_virtual_time
async def test_a_worker_that_routes_by_payment_opens_a_ledger_that_was_written_so() -> None:
    world = World(routing_key="payment")
    write(world.kafka, head(routing_key="payment"))
    assert (await world.open()).partition.books.head.routing_key == "payment"


@in_virtual_time
@pytest.mark.parametrize("committed", [0, 1, 900])
async def test_a_group_that_has_been_here_without_its_ledger_stops_the_worker(committed: int) -> None:
    """At offset 0 too: the first opening commits it, and calls for the first records may have followed."""
    world = World()
    world.kafka.committed[COMMANDS, 0] = committed
    with pytest.raises(WrongLedger, match="Restore the topic"):
        await world.open()


@in_virtual_time
@pytest.mark.parametrize("left", ["open", "final", "opaque"])
async def test_a_ledger_with_entries_and_no_head_stops_the_worker(left: str) -> None:
    world = World()
    match left:
        case "open":
            write(world.kafka, entry("a"))
        case "final":
            write(world.kafka, final("a", world.clock.now()))
        case _:
            world.kafka.append(LEDGER, 0, orjson.dumps({"v": 99}), b"a")
    with pytest.raises(WrongLedger, match="no head"):
        await world.open()


@in_virtual_time
@pytest.mark.parametrize(("begin", "records"), [(4, 10), (0, 2)])
async def test_a_head_outside_the_log_stops_the_worker(begin: int, records: int) -> None:
    """Records were deleted before they were read, or the topic was made anew."""
    world = World()
    world.kafka.begins[COMMANDS, 0] = begin
    for number in range(records):
        world.ask(f"refund-{number}")
    write(world.kafka, head(position=3, reach=3))
    with pytest.raises(WrongLedger, match=f"offset 3.*{begin}..{begin + records}"):
        await world.open()


@in_virtual_time
async def test_a_head_at_either_end_of_the_log_is_accepted() -> None:
    for begin in (3, 0):
        world = World()
        world.kafka.begins[COMMANDS, 0] = begin
        for number in range(3):
            world.ask(f"refund-{number}")
        write(world.kafka, head(position=3, reach=3))
        assert (await world.open()).partition.readers[COMMANDS].next_offset == 3


@in_virtual_time
@pytest.mark.parametrize(
    ("key", "content", "problem"),
    [
        (b"a", b"{", "not JSON"),
        (b"a", orjson.dumps({"v": 1, "kind": "tea"}), "kind"),
        (None, b"{}", "without a key"),
        (b"another", write_entry(final("a", 1.0)), "belongs under the key"),
        (HEAD_KEY, orjson.dumps({"v": 99}), "newer release"),
    ],
)
async def test_a_damaged_ledger_stops_the_worker(key: bytes | None, content: bytes, problem: str) -> None:
    world = World()
    write(world.kafka, head())
    world.kafka.append(LEDGER, 0, content, key)
    with pytest.raises(WrongLedger, match=problem):
        await world.open()


@in_virtual_time
async def test_an_input_that_is_new_is_read_from_its_first_record() -> None:
    world = World()
    world.kafka.begins[SIGNALS, 0] = 7
    write(world.kafka, replace(head(), inputs={COMMANDS: Reading(0, 9)}))
    reader = (await world.open()).partition.readers[SIGNALS]
    assert (reader.next_offset, reader.inherited) == (7, 7)
    assert world.head().inputs[SIGNALS] == Reading(7, 7)


@in_virtual_time
async def test_a_record_forwarded_home_is_found_there() -> None:
    world = World(partitions=2)
    opened = await world.open()
    astray = next(
        name
        for name in map("refund-{}".format, range(99))
        if opened.partition._intake.judge(world.ask(name), lambda _: None, world.clock.now()).disposition
        == "stray"
    )
    record = world.ask(astray)
    opened.partition.accept(record, world.clock.now(), world.clock.monotonic())
    batch: Batch = opened.partition.books.batch(world.clock.monotonic())
    await opened.journal.commit(batch)
    (arrived,) = world.kafka.logs[COMMANDS, 1]
    assert (arrived.value, header(arrived, "refund-hop")) == (value(astray), "2")
