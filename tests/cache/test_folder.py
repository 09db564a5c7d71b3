"""A cache is believed only if it is whole, of this partition, made by these settings, and not too old."""

import asyncio
import fcntl
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cache.making import NOW, final, rocks
from worker.cache.folder import AGE_MAX_S, FAILURES_MAX, WRITE_BUFFERS_BYTES, Kept, RocksCaches
from worker.cache.store import RocksCache
from worker.stream.finals import FinalsInMemory, LedgerCache
from worker.stream.ports import InDoubt

COUNT = 20_000


async def fill(caches: RocksCaches, partition: int = 0, count: int = 10) -> None:
    cache = await caches.open(partition, 0.0)
    for number in range(count):
        cache.keep(f"refund-{number}", final(number), NOW)
    cache.reached(count, NOW)
    await cache.close()


def look_up_all(cache: LedgerCache) -> None:
    for number in range(COUNT):
        assert cache.get(f"refund-{number}") == final(number)


async def test_each_partition_has_its_own(tmp_path: Path) -> None:
    caches = rocks(tmp_path)
    await fill(caches, 1)
    for partition, position in ((0, None), (1, 10)):
        cache = await caches.open(partition, 0.0)
        assert cache.position == position
        await cache.close()


@pytest.mark.parametrize(
    "kept",
    [
        Kept("refund.ledger", "another", "refundRequestId", outcomes=False),
        Kept("refund.ledger", "refund-worker", "payment", outcomes=False),
        Kept("refund.ledger", "refund-worker", "refundRequestId", outcomes=True),
    ],
)
async def test_with_other_settings_it_is_begun_anew(tmp_path: Path, kept: Kept) -> None:
    await fill(rocks(tmp_path))
    cache = await rocks(tmp_path, kept).open(0, 0.0)
    assert (cache.position, cache.get("refund-1")) == (None, None)
    await cache.close()


@pytest.mark.parametrize(("slept_s", "believed"), [(AGE_MAX_S - 1, True), (AGE_MAX_S + 1, False)])
async def test_one_that_slept_longer_than_kafka_keeps_what_was_deleted_is_begun_anew(
    tmp_path: Path, slept_s: float, believed: bool
) -> None:
    await fill(rocks(tmp_path))
    cache = await rocks(tmp_path, now=lambda: NOW + slept_s).open(0, 0.0)
    assert (cache.position is not None, cache.get("refund-1") is not None) == (believed, believed)
    await cache.close()


async def test_one_that_was_never_finished_is_begun_anew(tmp_path: Path) -> None:
    cache = await rocks(tmp_path).open(0, 0.0)
    cache.keep("a", final(), NOW)
    await cache.close()
    cache = await rocks(tmp_path).open(0, 0.0)
    assert cache.get("a") is None
    await cache.close()


async def test_two_never_share_one(tmp_path: Path) -> None:
    await fill(rocks(tmp_path))
    first, second = await rocks(tmp_path).open(0, 0.0), await rocks(tmp_path).open(0, 0.0)
    assert (first.position, second.position) == (10, None)
    await first.close()
    again = await rocks(tmp_path).open(0, 0.0)
    assert again.position == 10
    await again.close()
    await second.close()


async def test_an_opening_that_was_cancelled_keeps_its_place_until_it_has_ended(tmp_path: Path) -> None:
    await fill(rocks(tmp_path))
    (lock,) = (tmp_path / "caches").glob("*.lock")
    loop, go_on = asyncio.get_running_loop(), threading.Event()
    with ThreadPoolExecutor(1) as thread:
        loop.set_default_executor(thread)
        thread.submit(go_on.wait)
        opening = asyncio.create_task(rocks(tmp_path).open(0, 0.0))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert opening.cancelled()
        try:
            with lock.open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            go_on.set()
        await loop.run_in_executor(thread, int)
        cache = await rocks(tmp_path).open(0, 0.0)
        assert cache.position == 10
        await cache.close()


async def test_one_that_cannot_be_deleted_is_not_believed_either(tmp_path: Path) -> None:
    await fill(rocks(tmp_path))
    (place,) = (path for path in (tmp_path / "caches").iterdir() if path.is_dir())
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    cache = await rocks(tmp_path, now=lambda: NOW + AGE_MAX_S + 1).open(0, 0.0)
    assert (cache.position, cache.get("refund-1")) == (None, None)
    await cache.close()


async def test_one_that_was_emptied_does_not_come_back_with_a_crash(tmp_path: Path) -> None:
    await fill(rocks(tmp_path))
    cache = await rocks(tmp_path).open(0, 0.0)
    cache.clear()
    # RocksDB's own logs come and go meanwhile; nothing is written to them.
    unlogged = shutil.ignore_patterns("*.log")
    shutil.copytree(tmp_path / "caches", tmp_path / "crashed" / "caches", ignore=unlogged)
    await cache.close()
    cache = await rocks(tmp_path / "crashed").open(0, 0.0)
    assert (cache.position, cache.get("refund-1")) == (None, None)
    await cache.close()


async def test_200_partitions_share_the_memory_for_writes_without_waiting_for_the_disk(
    tmp_path: Path,
) -> None:
    caches = rocks(tmp_path)
    opened = [await caches.open(partition, 0.0) for partition in range(4)]
    for cache in opened:
        for number in range(100):
            cache.keep(f"refund-{number}", final(number), NOW)
        cache.reached(100, NOW)
    assert 0 < caches._buffers.get_usage() / len(opened) < WRITE_BUFFERS_BYTES / 200
    for cache in opened:
        await cache.close()


async def test_where_none_can_be_written_memory_is_used(tmp_path: Path) -> None:
    (tmp_path / "caches").write_text("a file")
    assert isinstance(await rocks(tmp_path).open(0, 0.0), FinalsInMemory)


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    await fill(rocks(tmp_path))
    places = [tmp_path / "caches", *(path for path in (tmp_path / "caches").iterdir() if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in places} == {0o700}


async def test_that_an_id_is_new_is_known_without_a_look_at_the_disk_after_a_restart_too(
    tmp_path: Path,
) -> None:
    """RocksDB's filter is lost where options are only said at the making."""
    for _ in range(3):
        await fill(rocks(tmp_path))
    (place,) = (path for path in (tmp_path / "caches").iterdir() if path.is_dir())
    said = [path.read_text() for path in place.glob("OPTIONS-*")]
    assert said
    assert all("filter_policy=bloomfilter" in text for text in said)


async def test_a_damaged_one_says_nothing_wrong_and_is_begun_anew(tmp_path: Path) -> None:
    """Wherever the damage is: it is found at the opening, or when a refund is looked up."""
    await fill(rocks(tmp_path), count=COUNT)
    tables = sorted((tmp_path / "caches").rglob("*.sst"))
    for table in tables:
        content = bytearray(table.read_bytes())
        for at in range(100, len(content), 1_000):
            content[at] ^= 0xFF
        table.write_bytes(content)
    caches = rocks(tmp_path)
    cache = await caches.open(0, 0.0)
    if cache.position is not None:
        with pytest.raises(InDoubt, match="cache"):
            look_up_all(cache)
    await cache.close()
    cache = await caches.open(0, 0.0)
    assert isinstance(cache, RocksCache)
    assert (cache.position, cache.get("refund-1")) == (None, None)
    await cache.close()


async def test_after_several_failures_there_is_memory_only(tmp_path: Path) -> None:
    caches = rocks(tmp_path)
    for _ in range(FAILURES_MAX):
        cache = await caches.open(0, 0.0)
        assert isinstance(cache, RocksCache)
        cache._failed()
        await cache.close()
    assert isinstance(await caches.open(0, 0.0), FinalsInMemory)


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.cache.making import NOW, final, rocks

async def write(folder):
    cache = await rocks(folder).open(0, 0.0)
    for number in range(10**9):
        cache.keep(f"refund-{number}", final(number), NOW)
        if number % 1_000 == 999:
            cache.reached(number + 1, NOW)
        if number % 100_000 == 99_999:
            print(number, flush=True)

asyncio.run(write(Path(sys.argv[1])))
"""


async def test_after_a_kill_nothing_is_missing_below_the_position(tmp_path: Path) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline()
    writer.kill()
    await writer.wait()
    cache = await rocks(tmp_path).open(0, 0.0)
    position = cache.position
    assert position is not None
    assert position > 0
    for number in range(0, position, 37):
        assert cache.get(f"refund-{number}") == final(number)
    await cache.close()
