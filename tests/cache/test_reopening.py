"""A partition that is opened with a cache knows what one without it knows, and reads only what the cache lacks."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.cache.making import KEPT
from tests.stream.fake_gateway import SUCCEEDED
from tests.stream.fake_kafka import Trouble
from tests.stream.stage import LEDGER, entry, head
from tests.stream.test_opening import final, write
from tests.stream.world import World
from tests.virtual_time import VirtualClock
from worker.cache.folder import RocksCaches
from worker.messages.ledger import write_entry
from worker.stream.finals import InMemory
from worker.stream.opening import Opened
from worker.stream.ports import InDoubt, WrongLedger

# The caches' threads have a time of their own, so time is real here.


def world(folder: Path, **limits: float) -> World:
    return World(limits, caches=RocksCaches(folder / "caches", KEPT, VirtualClock().now))


async def closed(opened: Opened) -> None:
    opened.partition.forget()
    await opened.journal.close()


async def reopened(of: World, opened: Opened) -> Opened:
    await closed(opened)
    return await of.open()


def known(opened: Opened, *names: str) -> list[bool]:
    return [opened.partition._known(name) is not None for name in names]


def answered(of: World, opened: Opened, name: str) -> None:
    """A command has come, and its refund has succeeded; nothing of it is committed."""
    partition, now, mono = opened.partition, of.clock.now(), of.clock.monotonic()
    partition.accept(of.ask(name), now, mono)
    refund = partition.refunds[name]
    attempt = partition.begin(refund, now)
    partition.answered(refund, attempt, SUCCEEDED, now, 0.1, overtaken=False)


async def committed(of: World, opened: Opened) -> None:
    await opened.journal.commit(opened.partition.books.batch(of.clock.monotonic()))
    opened.partition.books.committed()


def cut(of: World, batch: int) -> None:
    """What the ledger had before its last records is gone, so whoever knows it has it from elsewhere."""
    log = of.kafka.logs[LEDGER, 0]
    of.kafka.begins[LEDGER, 0] += len(log) - batch
    del log[:-batch]


async def test_what_was_known_is_known_again_without_being_read_again(tmp_path: Path) -> None:
    here = world(tmp_path)
    write(here.kafka, head(1, 1))
    here.ask("gap")
    write(here.kafka, entry("open"))
    write(here.kafka, final("read", here.clock.now()))
    here.kafka.append(LEDGER, 0, orjson.dumps({"v": 99}), b"opaque")
    opened = await here.open()
    answered(here, opened, "written")
    await committed(here, opened)
    cut(here, batch=2)
    opened = await reopened(here, opened)
    assert known(opened, "open", "read", "opaque", "written", "other") == [True] * 4 + [False]
    assert list(opened.partition.refunds) == ["open"]
    assert opened.partition.books.head.opening == 3
    await closed(opened)


async def test_a_refund_that_was_open_and_is_final_is_not_open_again(tmp_path: Path) -> None:
    here = world(tmp_path)
    write(here.kafka, head())
    opened = await here.open()
    partition = opened.partition
    partition.accept(here.ask("a"), here.clock.now(), here.clock.monotonic())
    partition.books.write(partition.refunds["a"])
    await committed(here, opened)
    opened = await reopened(here, opened)
    assert list(opened.partition.refunds) == ["a"]
    refund, now = opened.partition.refunds["a"], here.clock.now()
    attempt = opened.partition.begin(refund, now)
    opened.partition.answered(refund, attempt, SUCCEEDED, now, 0.1, overtaken=False)
    await committed(here, opened)
    opened = await reopened(here, opened)
    assert (list(opened.partition.refunds), known(opened, "a")) == ([], [True])
    await closed(opened)


@pytest.mark.parametrize(
    ("trouble", "final_now"), [(Trouble.IN_DOUBT_LOST, False), (Trouble.IN_DOUBT_APPLIED, True)]
)
async def test_of_a_commit_in_doubt_the_ledger_says_what_became_of_it_and_not_memory(
    tmp_path: Path, trouble: Trouble, final_now: bool
) -> None:
    """Memory ran ahead of the ledger: that must not be found in the cache."""
    here = world(tmp_path)
    opened = await here.open()
    answered(here, opened, "first")
    await committed(here, opened)
    answered(here, opened, "second")
    assert known(opened, "first", "second") == [True, True]
    here.kafka.troubles.append(trouble)
    with pytest.raises(InDoubt):
        await committed(here, opened)
    opened = await reopened(here, opened)
    assert known(opened, "first", "second") == [True, final_now]
    await closed(opened)


async def test_what_another_owner_has_written_since_is_read(tmp_path: Path) -> None:
    here = world(tmp_path / "here")
    opened = await here.open()
    answered(here, opened, "first")
    await committed(here, opened)
    await closed(opened)
    there = replace(here.worker.scope, caches=world(tmp_path / "there").worker.scope.caches)
    mine, here.worker.scope = here.worker.scope, there
    opened = await here.open()
    answered(here, opened, "second")
    await committed(here, opened)
    await closed(opened)
    here.worker.scope = mine
    opened = await here.open()
    assert known(opened, "first", "second") == [True, True]
    await closed(opened)


@pytest.mark.parametrize("which", ["another", "cut short", "without its end"])
async def test_the_cache_of_another_ledger_is_not_believed(tmp_path: Path, which: str) -> None:
    here = world(tmp_path)
    write(here.kafka, head())
    for number in range(5):
        write(here.kafka, final(f"refund-{number}", here.clock.now()))
    opened = await here.open()
    await closed(opened)
    log = here.kafka.logs[LEDGER, 0]
    match which:
        case "another":
            log[:] = [log[0]] * len(log)
            log[-1] = log[-1]._replace(value=write_entry(replace(head(), ledger_id="ledger-2", opening=9)))
        case "cut short":
            del log[3:]
        case _:
            log[-1] = log[-1]._replace(
                key=b"refund-0", value=write_entry(final("refund-0", here.clock.now()))
            )
    names = [f"refund-{number}" for number in range(5)]
    opened = await here.open()
    with_cache = known(opened, *names)
    await closed(opened)
    here.worker.scope = replace(here.worker.scope, caches=InMemory())
    assert known(await here.open(), *names) == with_cache
    assert all(with_cache) == (which == "without its end")


async def test_a_cache_from_before_partitions_were_added_is_not_believed(tmp_path: Path) -> None:
    """What was at home elsewhere has left meanwhile, and Kafka may have forgotten that it was deleted."""
    here = world(tmp_path)
    write(here.kafka, head())
    write(here.kafka, final("moved", here.clock.now()))
    opened = await here.open()
    assert known(opened, "moved") == [True]
    await closed(opened)
    here.kafka.count = 2
    log = here.kafka.logs[LEDGER, 0]
    log[:] = [one for one in log if one.key != b"moved"]
    here.kafka.begins[LEDGER, 0] += 1
    write(here.kafka, replace(here.head(), partitions=2))
    opened = await here.open()
    assert known(opened, "moved") == [False]
    await closed(opened)


async def test_a_ledger_that_was_marked_meanwhile_stops_the_worker(tmp_path: Path) -> None:
    here = world(tmp_path)
    opened = await here.open()
    await closed(opened)
    write(here.kafka, replace(here.head(), group="another"))
    with pytest.raises(WrongLedger, match="Undo the change"):
        await here.open()


async def test_what_has_outlived_its_retention_is_forgotten_in_the_ledger_too(tmp_path: Path) -> None:
    here = world(tmp_path, ledger_retention_s=1_000.0)
    write(here.kafka, head())
    write(here.kafka, final("old", here.clock.now() - 995.0))
    opened = await here.open()
    assert known(opened, "old") == [True]
    await closed(opened)
    here.clock.step(10.0)
    opened = await here.open()
    assert known(opened, "old") == [False]
    assert [one.key for one in here.kafka.logs[LEDGER, 0] if one.value is None] == [b"old"]
    await closed(opened)


async def test_what_an_opening_has_read_is_not_read_again_though_it_failed(tmp_path: Path) -> None:
    here = world(tmp_path)
    for one in (head(), final("a", here.clock.now()), final("b", here.clock.now()), head()):
        write(here.kafka, one)
    here.kafka.troubles.append(Trouble.IN_DOUBT_LOST)
    with pytest.raises(InDoubt):
        await here.open()
    cut(here, batch=1)
    opened = await here.open()
    assert known(opened, "a", "b") == [True, True]
    await closed(opened)


async def test_a_fenced_opening_leaves_the_cache_to_its_successor(tmp_path: Path) -> None:
    here = world(tmp_path)
    first = await here.open()
    answered(here, first, "a")
    await committed(here, first)
    second = await here.open()
    assert known(second, "a") == [True]
    await closed(first)
    await closed(second)


async def test_an_opening_that_fails_lets_the_cache_go(tmp_path: Path) -> None:
    here = world(tmp_path)
    await closed(await here.open())
    here.kafka.troubles.append(Trouble.IN_DOUBT_APPLIED)
    with pytest.raises(InDoubt):
        await here.open()
    opened = await here.open()
    assert (await here.worker.scope.caches.open(0, 0.0)).position is None
    await closed(opened)
