"""Every cache keeps the same rules, in memory and on disk; only one of them outlives its opening."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cache.making import NOW, final, rocks
from worker.messages.ledger import HEAD_KEY
from worker.stream.finals import FinalsInMemory, InMemory, LedgerCaches

SINCE = 1_000.0
FINAL = b'{"v":1,"kind":"final","..."}'
OPEN = b'{"v":1,"kind":"open","..."}'


@pytest.fixture(params=["memory", "rocks"])
def caches(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerCaches:
    return InMemory() if request.param == "memory" else rocks(tmp_path)


async def test_a_final_refund_is_known_with_what_was_said_of_it(caches: LedgerCaches) -> None:
    cache = await caches.open(0, SINCE)
    cache.put("new", final(1))
    cache.keep("read", final(2), SINCE)
    assert [cache.get(name) for name in ("new", "read", "none")] == [final(1), final(2), None]
    await cache.close()


async def test_what_the_ledger_has_forgotten_is_forgotten(caches: LedgerCaches) -> None:
    cache = await caches.open(0, SINCE)
    for name, value in (("gone", None), ("open", OPEN)):
        cache.keep(name, final(), SINCE)
        cache.note(name.encode(), value)
        cache.reached(1, NOW)
        assert cache.get(name) is None
    await cache.close()


async def test_what_is_older_than_the_retention_is_unknown_and_to_be_forgotten(caches: LedgerCaches) -> None:
    cache = await caches.open(0, SINCE)
    for name in ("old", "gone", "open", "anew"):
        cache.keep(name, final(), SINCE - 1)
    cache.note(b"gone", None)
    cache.note(b"open", OPEN)
    cache.keep("anew", final(3), SINCE + 1)
    assert list(await cache.expired()) == ["old"]
    assert [cache.get(name) for name in ("old", "gone", "open", "anew")] == [None, None, None, final(3)]
    await cache.close()


async def test_a_cache_that_was_of_another_ledger_is_emptied(caches: LedgerCaches) -> None:
    cache = await caches.open(0, SINCE)
    cache.keep("a", final(), SINCE)
    cache.keep("old", final(), SINCE - 1)
    cache.note(b"open", OPEN)
    cache.reached(1, NOW)
    cache.clear()
    assert (cache.get("a"), list(await cache.expired()), list(cache.unsettled())) == (None, [], [])
    assert cache.position is None
    await cache.close()


# On disk.


async def test_what_no_transaction_has_written_does_not_outlive_the_opening(tmp_path: Path) -> None:
    caches = rocks(tmp_path)
    cache = await caches.open(0, SINCE)
    cache.note(HEAD_KEY, b"{}")
    cache.put("lost", final(1))
    cache.put("written", final(2))
    cache.committed([(b"written", FINAL), (b"open", OPEN)], 7, NOW)
    await cache.close()
    cache = await caches.open(0, SINCE)
    assert (cache.position, cache.get("lost"), cache.get("written")) == (7, None, final(2))
    assert dict(cache.unsettled()) == {HEAD_KEY: b"{}", b"open": OPEN}
    cache.put("open", final(3))
    cache.committed([(b"open", FINAL), (b"written", None)], None, NOW)
    await cache.close()
    cache = await caches.open(0, SINCE)
    assert (cache.position, cache.get("open"), cache.get("written")) == (7, final(3), None)
    assert dict(cache.unsettled()) == {HEAD_KEY: b"{}"}
    await cache.close()


async def test_what_is_to_be_forgotten_is_remembered_until_the_ledger_has_forgotten_it(
    tmp_path: Path,
) -> None:
    caches = rocks(tmp_path)
    cache = await caches.open(0, SINCE)
    cache.keep("old", final(), SINCE + 1)
    cache.reached(1, NOW)
    await cache.close()
    for _ in range(2):
        cache = await caches.open(0, SINCE + 10)
        assert (cache.get("old"), list(await cache.expired())) == (None, ["old"])
        await cache.close()
    cache = await caches.open(0, SINCE + 10)
    cache.committed([(b"old", None)], 2, NOW)
    assert list(await cache.expired()) == []
    await cache.close()


NAMES = st.sampled_from("abcd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), NAMES, st.integers(998, 1_002)),
        st.tuples(st.just("note"), NAMES, st.sampled_from((None, OPEN))),
        st.tuples(st.just("commit"), NAMES, st.integers(0, 9)),
        st.tuples(st.just("reopen"), st.just(""), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
async def test_on_disk_it_says_what_memory_says(steps: list[tuple[str, str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        caches, model = rocks(Path(folder)), FinalsInMemory(SINCE)
        cache = await caches.open(0, SINCE)
        cache.reached(1, NOW)
        for kind, name, said in steps:
            if kind == "reopen":
                cache.reached(1, NOW)
                await cache.close()
                cache = await caches.open(0, SINCE)
                assert cache.position == 1
                _ = list(cache.unsettled())
            for each in (cache, model):
                if kind == "keep":
                    each.keep(name, final(), float(str(said)))
                elif kind == "note":
                    each.note(name.encode(), said if isinstance(said, bytes) else None)
                elif kind == "commit":
                    each.put(name, final(int(str(said))))
            if kind == "commit":
                cache.committed([(name.encode(), FINAL)], 1, NOW)
                model.keep(name, final(int(str(said))), NOW)
        cache.reached(1, NOW)
        assert [cache.get(name) for name in "abcd"] == [model.get(name) for name in "abcd"]
        assert sorted(await cache.expired()) == sorted(await model.expired())
        await cache.close()
