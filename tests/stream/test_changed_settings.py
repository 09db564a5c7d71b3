"""Settings that change while the worker runs: what was read by the old ones, and may have been sent, is not lost."""

import asyncio

from tests.stream.stage import LETTERS, READING, Bench, head, record, reopened, scope, value
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.command import CommandLimits
from worker.refunds.attempt import Attempt
from worker.stream.books import SEVERAL_READINGS
from worker.stream.scope import Readable

NEW = "as the new settings read"
WITHOUT = CommandLimits(65_536, {"another": None})


def change(readable: Readable) -> None:
    """The channel is removed while the worker runs."""
    readable.limits, readable.fingerprint = WITHOUT, NEW


def test_a_record_that_was_sent_before_a_change_is_not_rejected_after_it() -> None:
    """Its call was under way, and its offset held back, when the settings changed and the worker died."""
    first = Bench()
    first.accept(record(0, value("a")))
    first.begin("a")
    change(first.scope.readable)
    left = first.commit()
    second = Bench(scope(readable=Readable(WITHOUT, NEW)), left.head)
    second.accept(record(0, value("a")))
    batch = second.commit()
    assert "global" in batch.head.braked
    assert (batch.position, batch.on(LETTERS)) == (0, [])


def test_a_record_that_was_sent_after_a_change_is_not_rejected_by_the_settings_before_it() -> None:
    """Another worker may not have changed them yet."""
    first = Bench(scope(readable=Readable(WITHOUT, NEW)))
    first.accept(record(0, value("bad")))
    known = scope().readable
    first.scope.readable.limits, first.scope.readable.fingerprint = known.limits, known.fingerprint
    first.accept(record(1, value("a")))
    first.begin("a")
    left = first.commit()
    second = Bench(scope(readable=Readable(WITHOUT, NEW)), left.head)
    second.accept(record(1, value("a")))
    assert second.partition.books.braked


def test_once_all_that_was_read_before_is_written_down_the_head_names_the_new_settings() -> None:
    bench = Bench()
    bench.accept(record(0, value("a")))
    assert bench.commit().head.reading == READING
    change(bench.scope.readable)
    assert bench.commit().head.reading == SEVERAL_READINGS
    bench.answer("a")
    assert bench.commit().head.reading == NEW


def test_a_change_with_nothing_held_back_is_named_at_once() -> None:
    bench = Bench()
    change(bench.scope.readable)
    assert bench.commit().head.reading == NEW
    assert reopened(bench).commit().head.reading == NEW


def test_a_change_before_the_predecessors_reach_is_passed_names_neither() -> None:
    bench = Bench(found=head(position=0, reach=2))
    assert bench.commit().head.reading == READING
    change(bench.scope.readable)
    assert bench.commit().head.reading == SEVERAL_READINGS


@in_virtual_time
async def test_no_call_is_made_before_the_head_has_named_what_its_record_was_read_by() -> None:
    world = World()
    known = world.worker.scope.readable
    asked: list[tuple[str, str]] = []

    def note(attempt: Attempt) -> None:
        asked.append((attempt.command.refund_request_id, world.head().reading))

    world.gateway.on_call = note
    async with world.worker.running():
        world.ask("a")
        await asyncio.sleep(20)
        known.fingerprint = NEW
        world.ask("b")
        await asyncio.sleep(20)
    assert [name for name, _ in asked] == ["a", "b"]
    assert (asked[0][1], asked[1][1]) == (READING, SEVERAL_READINGS)
    assert world.head().reading == NEW
