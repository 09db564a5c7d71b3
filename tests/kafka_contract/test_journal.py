"""What the stream relies on in a journal, whoever keeps it."""

import asyncio
from collections.abc import Sequence
from typing import Final

import pytest

from tests.kafka_contract.cluster import Cluster
from worker.stream.ports import Batch, Fenced, InDoubt, Journal, Outgoing, Record
from worker.stream.routing import home

MUCH: Final = 100
"""Records; taking one in costs about 20 us."""


def entry(cluster: Cluster, key: bytes, value: bytes | None, partition: int = 0) -> Outgoing:
    return Outgoing(cluster.names.ledger, key, value, partition=partition)


def result(cluster: Cluster, value: bytes, key: bytes | None = b"key") -> Outgoing:
    return Outgoing(cluster.names.results, key, value)


async def replayed(journal: Journal, start: int | None = None) -> list[tuple[bytes | None, bytes | None]]:
    found: list[Record] = []
    async for stretch in journal.replay(start):
        found += stretch.records
    return [(record.key, record.value) for record in found]


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


async def committed(cluster: Cluster, partition: int = 0) -> int | None:
    source = cluster.source()
    await source.start(lambda _: None, nothing)
    try:
        return (await source.bounds(partition))[cluster.names.commands].committed
    finally:
        await source.stop()


async def nothing(_: object) -> None:
    await asyncio.sleep(0)


async def test_a_commit_makes_all_of_its_batch_visible(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    records = (result(cluster, b"outcome"), entry(cluster, b"a", b"final"))
    await journal.commit(Batch({cluster.names.commands: 7}, records))
    await journal.close()
    assert values(await cluster.read(cluster.names.results)) == [b"outcome"]
    assert values(await cluster.read(cluster.names.ledger)) == [b"final"]
    assert await committed(cluster) == 7


async def test_records_keep_their_order_and_everything_they_carry(cluster: Cluster) -> None:
    journal = await cluster.journals.open(1)
    headers = (("ce_id", b"1"), ("empty", b""), ("none", None), ("ce_id", b"2"))
    sent = [
        Outgoing(cluster.names.ledger, b"a", b"1", headers, partition=1),
        Outgoing(cluster.names.ledger, b"a", None, partition=1),
        Outgoing(cluster.names.ledger, None, b"3", partition=1, timestamp_ms=1_600_000_000_123),
        Outgoing(cluster.names.ledger, None, None, headers, partition=1),
    ]
    await journal.commit(Batch({}, tuple(sent)))
    await journal.close()
    found = await cluster.read(cluster.names.ledger)
    assert [(record.key, record.value, record.headers, record.partition) for record in found] == [
        (each.key, each.value, each.headers, 1) for each in sent
    ]
    assert found[2].timestamp_ms == 1_600_000_000_123


async def test_a_long_ledger_is_replayed_in_order_and_never_much_of_it_at_once(cluster: Cluster) -> None:
    """Between two parts the calls of other partitions go on."""
    journal = await cluster.journals.open(0)
    sent = [b"%d" % number for number in range(MUCH * 2 + 50)]
    await journal.commit(Batch({}, tuple(entry(cluster, value, value) for value in sent)))
    stretches = [stretch async for stretch in journal.replay()]
    await journal.close()
    assert [value for stretch in stretches for value in values(stretch.records)] == sent
    assert max(len(stretch.records) for stretch in stretches) <= MUCH


async def test_a_replay_says_how_much_of_the_ledger_is_left(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    sent = [b"%d" % number for number in range(MUCH * 2 + 50)]
    await journal.commit(Batch({}, tuple(entry(cluster, value, value) for value in sent)))
    left, read = [], 0
    async for stretch in journal.replay():
        read += len(stretch.records)
        left.append(stretch.left)
        # A transaction's marker has an offset too, and comes last.
        assert len(sent) - read <= stretch.left <= len(sent) - read + 1
    await journal.close()
    assert left == sorted(left, reverse=True)


async def test_more_than_one_request_holds_is_one_transaction_all_the_same(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    sent = [bytes([number]) * 400_000 for number in range(8)]
    await journal.commit(Batch({}, tuple(entry(cluster, b"a", value) for value in sent)))
    await journal.close()
    assert values(await cluster.read(cluster.names.ledger)) == sent


async def test_a_record_without_a_partition_goes_where_its_key_belongs(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    keys = [f"refund-{number}" for number in range(12)]
    await journal.commit(Batch({}, tuple(result(cluster, b"", key.encode()) for key in keys)))
    await journal.close()
    for record in await cluster.read(cluster.names.results):
        assert record.key is not None
        assert record.partition == home(record.key.decode(), 2)


async def test_a_commit_may_move_positions_alone_or_write_alone_or_neither(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    await journal.commit(Batch({}, ()))
    await journal.commit(Batch({cluster.names.commands: 3}, ()))
    await journal.commit(Batch({cluster.names.commands: 3}, (entry(cluster, b"a", b"1"),)))
    await journal.commit(Batch({}, ()))
    await journal.commit(Batch({cluster.names.commands: 5}, (entry(cluster, b"a", b"2"),)))
    await journal.close()
    assert values(await cluster.read(cluster.names.ledger)) == [b"1", b"2"]
    assert await committed(cluster) == 5


async def test_a_second_opening_fences_the_first(cluster: Cluster) -> None:
    first = await cluster.journals.open(0)
    await first.commit(Batch({}, (entry(cluster, b"a", b"1"),)))
    second = await cluster.journals.open(0)
    with pytest.raises(Fenced):
        await first.commit(Batch({cluster.names.commands: 9}, (entry(cluster, b"a", b"late"),)))
    await second.commit(Batch({}, (entry(cluster, b"a", b"2"),)))
    for journal in (first, second):
        await journal.close()
    assert values(await cluster.read(cluster.names.ledger)) == [b"1", b"2"]
    assert await committed(cluster) is None


async def test_an_opening_of_another_partition_fences_nobody(cluster: Cluster) -> None:
    first = await cluster.journals.open(0)
    second = await cluster.journals.open(1)
    await first.commit(Batch({}, (entry(cluster, b"a", b"0"),)))
    await second.commit(Batch({}, (entry(cluster, b"a", b"1", partition=1),)))
    for journal in (first, second):
        await journal.close()
    assert values(await cluster.read(cluster.names.ledger)) == [b"0", b"1"]


async def test_a_journal_that_has_failed_never_speaks_again(cluster: Cluster) -> None:
    first = await cluster.journals.open(0)
    second = await cluster.journals.open(0)
    with pytest.raises(Fenced):
        await first.commit(Batch({}, (entry(cluster, b"a", b"1"),)))
    with pytest.raises(InDoubt):
        await first.commit(Batch({}, (entry(cluster, b"a", b"2"),)))
    for journal in (first, second):
        await journal.close()
    assert await cluster.read(cluster.names.ledger) == []


async def test_a_closed_journal_never_speaks_again(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    await journal.close()
    with pytest.raises(InDoubt):
        await journal.commit(Batch({}, (entry(cluster, b"a", b"1"),)))
    await journal.close()
    assert await cluster.read(cluster.names.ledger) == []


async def test_a_commit_that_was_cancelled_is_the_last(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    committing = asyncio.create_task(journal.commit(Batch({}, (entry(cluster, b"a", b"1"),))))
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    await journal.close()
    with pytest.raises(InDoubt):
        await journal.commit(Batch({}, (entry(cluster, b"a", b"2"),)))


async def test_a_replay_gives_everything_that_was_committed_in_order(cluster: Cluster) -> None:
    for number in range(3):
        journal = await cluster.journals.open(0)
        await journal.commit(
            Batch(
                {}, (entry(cluster, b"a", b"%d" % number), entry(cluster, b"b", None), result(cluster, b""))
            )
        )
        await journal.close()
    journal = await cluster.journals.open(0)
    assert await replayed(journal) == [
        (b"a", b"0"), (b"b", None), (b"a", b"1"), (b"b", None), (b"a", b"2"), (b"b", None),
    ]  # fmt: skip
    await journal.close()


async def test_a_replay_from_a_commit_s_place_has_its_last_record_and_none_from_before(
    cluster: Cluster,
) -> None:
    """What a cache of the ledger goes on from, also where one commit takes several batches, and amid a batch."""
    journal = await cluster.journals.open(0)
    await journal.commit(Batch({}, (entry(cluster, b"before", b""),)))
    large = tuple(entry(cluster, key, bytes(400_000)) for key in (b"a", b"b", b"c"))
    place = await journal.commit(Batch({}, (result(cluster, b""), *large, entry(cluster, b"head", b""))))
    await journal.commit(Batch({}, (entry(cluster, b"after", b""),)))
    assert place is not None
    found = [key for key, _ in await replayed(journal, place)]
    assert found[-2:] == [b"head", b"after"]
    assert found == [b"a", b"b", b"c", b"head", b"after"][-len(found) :]
    assert [key for key, _ in await replayed(journal, place + 1)] == found[1:]
    assert await replayed(journal, place + 1_000) == []
    await journal.close()


async def test_a_replay_of_nothing_ends(cluster: Cluster) -> None:
    journal = await cluster.journals.open(0)
    assert await replayed(journal) == []
    await journal.close()


async def test_a_replay_reads_its_own_partition_only(cluster: Cluster) -> None:
    writer = await cluster.journals.open(0)
    await writer.commit(Batch({}, (entry(cluster, b"a", b"0"), entry(cluster, b"a", b"1", partition=1))))
    await writer.close()
    journal = await cluster.journals.open(1)
    assert await replayed(journal) == [(b"a", b"1")]
    await journal.close()


async def test_a_replay_may_be_broken_off(cluster: Cluster) -> None:
    writer = await cluster.journals.open(0)
    for number in range(5):
        await writer.commit(Batch({}, (entry(cluster, b"a", b"%d" % number),)))
    journal = await cluster.journals.open(0)
    async for _ in journal.replay():
        break
    await journal.commit(Batch({}, (entry(cluster, b"a", b"last"),)))
    for each in (writer, journal):
        await each.close()
    assert values(await cluster.read(cluster.names.ledger))[-1] == b"last"
