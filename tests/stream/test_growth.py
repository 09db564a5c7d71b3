"""Partitions are added to a ledger in use: whatever ends that in between, each refund is made once and told once."""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from itertools import islice

import orjson
import pytest

from tests.stream.fake_kafka import Trouble
from tests.stream.fake_layout import FakeLayout, Killed, Life, MortalJournals
from tests.stream.stage import (
    COMMANDS,
    DECLINED,
    LEDGER,
    LETTERS,
    RESULTS,
    entry,
    head,
    header,
    ids_at,
    value,
)
from tests.stream.world import World
from tests.virtual_time import in_virtual_time
from worker.messages.ledger import HEAD_KEY, ledger_key, write_entry
from worker.refunds.entry import REKEYING, Reading
from worker.refunds.reply import Unknown
from worker.stream.growth import Found, Plan, grow, look
from worker.stream.ports import Fenced, InDoubt, WrongLedger
from worker.stream.routing import home, hop

BEFORE, AFTER = 2, 5
LONG_S = 300.0
LIMITS = {"poll_wait_s": 10.0, "quiet_commit_s": 60.0}  # idle workers have little to do
SUCCEEDED = "refund.succeeded.v1"
STOPPED = r"topics grow|counts differ"


@dataclass(slots=True)
class Story:
    """A cluster with `BEFORE` partitions and a past: refunds that are done, that wait, that nobody has read."""

    world: World
    layout: FakeLayout = field(init=False)
    told: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = FakeLayout(self.world.kafka)

    def plan(self, to: int = AFTER) -> Plan:
        return Plan(to, self.world.worker.scope, self.told.append)

    async def grow(self, to: int = AFTER, life: Life | None = None) -> Found:
        self.layout.life = life or Life()
        return await grow(
            self.plan(to), self.layout, MortalJournals(self.world.worker.journals, self.layout.life)
        )

    async def look(self) -> Found:
        return await look(self.plan(), self.layout, self.world.worker.journals)

    async def work(self, seconds: float = LONG_S) -> None:
        """A worker for all partitions of the input, which ends in order; raises what stopped it."""
        worker = self.world.another_worker(LIMITS)
        worker.source.differing = self.layout.uneven
        await worker.run_for(seconds, *range(self.layout.sizes[COMMANDS]))


def ask(story: Story, name: str, partition: int | None = None, **changes: object) -> None:
    story.world.ask(name, home(name, BEFORE) if partition is None else partition, **changes)


async def told() -> Story:
    """Of each kind there are some for every old and new home."""
    story = Story(World(LIMITS, partitions=BEFORE))
    story.done = [f"done-{number}" for number in range(12)]
    story.waiting = [f"waiting-{number}" for number in range(12)]
    story.unread = [f"unread-{number}" for number in range(12)]
    for name in story.waiting:
        story.world.gateway.script(name, *[Unknown("no answer")] * 4)
    for name in (*story.done, *story.waiting):
        ask(story, name)
    await story.work(5.0)
    assert all(story.world.outcomes(name) == [SUCCEEDED] for name in story.done)
    assert not any(story.world.outcomes(name) for name in story.waiting)
    for name in story.unread[:6]:
        ask(story, name)
    for name in story.unread[6:]:
        # Forwarded by the old count, and not read there yet.
        story.world.kafka.append(COMMANDS, home(name, BEFORE), value(name), headers=(hop(BEFORE),))
    return story


async def killed_after(steps: int) -> tuple[Story, bool]:
    """The story, with the process killed after so many steps; whether it was."""
    story = await told()
    try:
        await story.grow(life=Life(steps))
    except Killed:
        return story, True
    return story, False


def repeat(story: Story) -> None:
    """Order systems go by the new count, and say again what they said before; and once something else."""
    for name in (*story.done, *story.waiting, *story.unread):
        ask(story, name, home(name, AFTER))
    ask(story, story.done[0], home(story.done[0], AFTER), paymentId="another")


def assert_kept(story: Story) -> None:
    world, calls = story.world, story.world.gateway.calls
    for name in (*story.done, *story.waiting, *story.unread):
        assert world.outcomes(name) == [SUCCEEDED], name
        assert len({call.body for call in calls if call.attempt.command.refund_request_id == name}) == 1
        assert world.is_final(name, home(name, AFTER))
    for name in (*story.done, *story.unread):
        assert len(world.gateway.attempts(name)) == 1, name
    letters = [header(letter, "kafka_dlt-exception-fqcn") for letter in world.kafka.read(LETTERS)]
    assert letters == ["Conflict"]
    assert not world.gateway.overlaps
    assert {world.head(number).partitions for number in range(AFTER)} == {AFTER}


@in_virtual_time
async def test_every_refund_is_made_once_and_told_once_with_more_partitions() -> None:
    story = await told()
    found = await story.grow()
    assert not found.refused
    assert 0 < found.moving < found.entries == 24
    repeat(story)
    await story.work()
    assert_kept(story)


@in_virtual_time
async def test_a_back_off_goes_on_in_its_new_home_as_if_nothing_had_been() -> None:
    story = await told()
    before = {name: story.world.open_entry(name, home(name, BEFORE)) for name in story.waiting}
    await story.grow()
    assert before == {name: story.world.open_entry(name, home(name, AFTER)) for name in story.waiting}


@in_virtual_time
async def test_entries_are_moved_byte_by_byte_and_keep_their_time() -> None:
    """And are forgotten where they were."""
    story = await told()
    logs = story.world.kafka.logs
    name = next(name for name in story.done if home(name, BEFORE) != home(name, AFTER))
    (was,) = (one for one in logs[LEDGER, home(name, BEFORE)] if one.key == ledger_key(name))
    await asyncio.sleep(100)
    await story.grow()
    now = next(one for one in logs[LEDGER, home(name, AFTER)] if one.key == ledger_key(name))
    assert (now.value, now.timestamp_ms) == (was.value, was.timestamp_ms)
    assert [one.value for one in logs[LEDGER, home(name, BEFORE)] if one.key == ledger_key(name)][-1] is None


@in_virtual_time
async def test_whatever_kills_it_running_it_again_finishes_it() -> None:
    """At every step; in between no worker starts."""
    steps = 0
    while True:
        story, killed = await killed_after(steps)
        if not killed:
            break
        unchanged = {story.world.head(number).partitions for number in range(BEFORE)} == {BEFORE}
        finished = set(story.layout.sizes.values()) == {AFTER}
        calls = len(story.world.gateway.calls)
        if not unchanged and not finished:
            with pytest.raises(WrongLedger, match=STOPPED):
                await story.work(1.0)
            assert len(story.world.gateway.calls) == calls
        again = await story.grow()
        assert not again.refused
        repeat(story)
        await story.work()
        assert_kept(story)
        steps += 1
    assert steps > 30


@in_virtual_time
async def test_a_commit_without_an_answer_ends_it_and_running_it_again_finishes_it() -> None:
    for trouble in Trouble:
        story = await told()
        story.world.kafka.troubles.append(trouble)
        with pytest.raises(InDoubt):
            await story.grow()
        assert not (await story.grow()).refused
        repeat(story)
        await story.work()
        assert_kept(story)


@in_virtual_time
async def test_one_that_was_killed_may_be_finished_with_more() -> None:
    """What it has moved is moved on."""
    story, killed = await killed_after(25)
    assert killed
    assert not (await story.grow(7)).refused
    await story.work()
    assert all(
        story.world.outcomes(name) == [SUCCEEDED] for name in (*story.done, *story.waiting, *story.unread)
    )
    assert all(story.world.is_final(name, home(name, 7)) for name in story.done)


@in_virtual_time
async def test_one_that_had_only_begun_can_be_given_up() -> None:
    """Nothing was added: with the old count, its marks are taken back."""
    story, killed = await killed_after(2)
    assert killed
    assert story.world.head(0).partitions == REKEYING
    assert not (await story.grow(BEFORE)).refused
    await story.work()
    assert all(story.world.outcomes(name) == [SUCCEEDED] for name in (*story.done, *story.waiting))


@in_virtual_time
async def test_done_once_there_is_nothing_to_do() -> None:
    story = await told()
    await story.grow()
    written = len(story.world.kafka.read(LEDGER))
    assert (await story.grow()).finished
    assert (await story.look()).finished
    assert len(story.world.kafka.read(LEDGER)) == written


@in_virtual_time
async def test_looking_changes_nothing() -> None:
    story = await told()
    written, sizes, epochs = (
        len(story.world.kafka.read(LEDGER)),
        dict(story.layout.sizes),
        dict(story.world.kafka.epochs),
    )
    found = await story.look()
    assert (found.refused, found.finished) == ((), False)
    assert 0 < found.moving < found.entries
    assert (len(story.world.kafka.read(LEDGER)), story.layout.sizes, dict(story.world.kafka.epochs)) == (
        written,
        sizes,
        epochs,
    )


@in_virtual_time
async def test_partitions_that_somebody_else_has_added_are_taken_into_use() -> None:
    """To the commands, or to the ledger too: no worker has started since."""
    for added in ((COMMANDS,), (COMMANDS, LEDGER)):
        story = await told()
        for topic in added:
            await story.layout.grow(topic, AFTER)
        with pytest.raises(WrongLedger, match=STOPPED):
            await story.work(1.0)
        repeat(story)
        assert not (await story.grow()).refused
        await story.work()
        assert_kept(story)


# When it refuses.


@in_virtual_time
async def test_it_refuses_while_the_group_has_members() -> None:
    story = await told()
    story.layout.present = 1
    epochs = dict(story.world.kafka.epochs)
    for found in (await story.look(), await story.grow()):
        assert "stop all workers" in found.refused[0]
    assert dict(story.world.kafka.epochs) == epochs


@in_virtual_time
async def test_it_refuses_when_a_worker_has_come_while_the_ledger_was_read() -> None:
    """It has been fenced, but may not know yet, and may still call for what it reads."""
    story = await told()

    def come(step: str) -> None:
        story.layout.present = 1

    found = await grow(Plan(AFTER, story.world.worker.scope, come), story.layout, story.world.worker.journals)
    assert "stop all workers" in found.refused[0]
    assert story.world.head(0).partitions == BEFORE


@in_virtual_time
async def test_it_refuses_fewer_partitions_than_there_are() -> None:
    story = await told()
    assert "there can only be more" in (await story.grow(1)).refused[0]


@in_virtual_time
async def test_it_refuses_topics_that_do_not_exist() -> None:
    story = await told()
    story.layout.sizes[LETTERS] = 0
    assert "topics create" in (await story.grow()).refused[0]


@in_virtual_time
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"group": "another"}, "correct the settings"),
        ({"routing_key": "payment"}, "correct the settings"),
        ({"partitions": 9}, "--to 9 or above"),
        ({"inputs": {COMMANDS: Reading(99, 99)}}, "deleted before they were read"),
        ({"braked": "rubbish", "inputs": {COMMANDS: Reading(0, 9)}}, "resume-partition 1"),
    ],
)
async def test_it_refuses_a_partition_that_no_worker_could_open(wrong: dict[str, object], said: str) -> None:
    story = await told()
    last = story.world.head(1)
    story.world.kafka.append(LEDGER, 1, write_entry(replace(last, **wrong)), HEAD_KEY)  # type: ignore[arg-type] # any field
    for found in (await story.look(), await story.grow()):
        assert len(found.refused) == 1
        assert said in found.refused[0]
    assert story.world.head(0).partitions == BEFORE


@in_virtual_time
async def test_a_refusal_takes_back_the_marks_of_a_run_that_had_only_begun() -> None:
    """Or no worker could start to mend what it is about."""
    story, killed = await killed_after(2)
    assert killed
    assert story.world.head(0).partitions == REKEYING
    braked = replace(story.world.head(1), braked="rubbish", inputs={COMMANDS: Reading(0, 9)})
    story.world.kafka.append(LEDGER, 1, write_entry(braked), HEAD_KEY)
    assert "resume-partition 1" in (await story.grow()).refused[0]
    assert story.world.head(0).partitions == BEFORE


@in_virtual_time
async def test_it_refuses_a_ledger_without_its_head() -> None:
    story = Story(World(LIMITS, partitions=BEFORE))
    story.world.kafka.append(LEDGER, 0, write_entry(entry("a")), b"a")
    assert "no head" in (await story.grow()).refused[0]


@in_virtual_time
async def test_whoever_opens_a_partition_in_between_stops_it_and_not_the_other_way_round() -> None:
    story = await told()

    async def come_between(step: str) -> None:
        if step.startswith("mark every"):
            await story.world.worker.journals.open(1)

    opening: list[asyncio.Task[None]] = []
    plan = Plan(
        AFTER,
        story.world.worker.scope,
        lambda step: opening.append(asyncio.ensure_future(come_between(step))),
    )
    with pytest.raises((Fenced, InDoubt)):
        await grow(plan, story.layout, story.world.worker.journals)
    assert set(story.layout.sizes.values()) == {BEFORE}
    assert not (await story.grow()).refused


# What a predecessor may have sent.


def crashed(names: list[str], reach: int) -> Story:
    """Its last worker was killed: calls for records below the reach may have been made, and none is in the ledger."""
    story = Story(World(LIMITS, partitions=BEFORE))
    for name in names:
        ask(story, name, 0)
    for number in range(BEFORE):
        left = head(partitions=BEFORE, reach=reach if number == 0 else 0)
        story.world.kafka.append(LEDGER, number, write_entry(left), HEAD_KEY)
    return story


def moved(count: int) -> list[str]:
    """At home in partition 0, and in none of the old ones afterwards."""
    leaving = (name for name in ids_at(0, BEFORE) if home(name, AFTER) >= BEFORE)
    return list(islice(leaving, count))


@in_virtual_time
async def test_what_may_have_been_sent_is_doubted_in_its_new_home_too() -> None:
    """A decline there may answer the repetition of our own success; it is confirmed first."""
    sent, fresh = moved(4)[:2], moved(4)[2:]
    story = crashed([*sent, *fresh], reach=2)
    assert (await story.look()).doubtful == 2
    for name in (*sent, *fresh):
        story.world.gateway.script(name, DECLINED)
    assert not (await story.grow()).refused
    await story.work()
    for name in sent:
        assert story.world.gateway.attempts(name)[0].ambiguous
        assert story.world.outcomes(name) == [SUCCEEDED]
    for name in fresh:
        assert not story.world.gateway.attempts(name)[0].ambiguous
        assert story.world.outcomes(name) == ["refund.failed.v1"]


@in_virtual_time
async def test_what_may_have_been_sent_is_doubted_whatever_kills_the_growth() -> None:
    sent = moved(2)
    steps, killed = 0, True
    while killed:
        story = crashed(sent, reach=2)
        for name in sent:
            story.world.gateway.script(name, DECLINED)
        try:
            await story.grow(life=Life(steps))
            killed = False
        except Killed:
            assert not (await story.grow()).refused
        await story.work()
        assert [story.world.outcomes(name) for name in sent] == [[SUCCEEDED], [SUCCEEDED]]
        steps += 1


@in_virtual_time
async def test_an_open_refund_of_a_partition_that_did_not_end_in_order_is_doubted_in_its_new_home() -> None:
    (name,) = moved(1)
    for closed in (True, False):
        story = Story(World(LIMITS, partitions=BEFORE))
        for number in range(BEFORE):
            left = head(partitions=BEFORE, closed=closed or number != 0)
            story.world.kafka.append(LEDGER, number, write_entry(left), HEAD_KEY)
        story.world.kafka.append(LEDGER, 0, write_entry(entry(name)), ledger_key(name))
        story.world.gateway.script(name, DECLINED)
        assert not (await story.grow()).refused
        await story.work()
        assert story.world.gateway.attempts(name)[0].ambiguous is not closed


@in_virtual_time
async def test_a_refund_that_was_read_far_along_its_old_input_is_called_in_its_new_home() -> None:
    """There its offset would be far above the reach; what was sent of it is known from the ledger."""
    (name,) = moved(1)
    story = crashed([], reach=0)
    story.world.kafka.append(LEDGER, 0, write_entry(entry(name, offset=100_000)), ledger_key(name))
    assert not (await story.grow()).refused
    await story.work()
    assert story.world.outcomes(name) == [SUCCEEDED]


@in_virtual_time
async def test_records_that_come_while_partitions_are_added_hinder_nothing() -> None:
    """The reach of the last owner goes far beyond its end; what is written there now, it has not read."""
    names = moved(3)
    story = crashed(names[:1], reach=99)
    with pytest.raises(Killed):
        await story.grow(life=Life(8))
    ask(story, names[1], 0)
    assert not (await story.grow()).refused
    await story.work()
    assert [len(story.world.gateway.attempts(name)) for name in names[:2]] == [1, 1]
    assert not story.world.gateway.attempts(names[1])[0].ambiguous


@in_virtual_time
async def test_records_that_come_before_the_input_has_its_new_partitions_hinder_nothing() -> None:
    """The heads say the new count already, but nobody could read yet: what has come is not to be taken over."""
    (name,) = moved(1)
    steps = 0
    while True:
        story = crashed([], reach=99)
        try:
            await story.grow(life=Life(steps))
            break
        except Killed:
            ask(story, name, 0)
        assert not (await story.look()).refused
        assert not (await story.grow()).refused
        await story.work()
        assert story.world.outcomes(name) == [SUCCEEDED]
        steps += 1
    assert steps > 15


@in_virtual_time
async def test_partitions_without_a_past_are_not_opened_while_others_are_re_keyed() -> None:
    """Partition 0 was never opened, and somebody has added partitions to the input already."""
    steps = 0
    while True:
        story = Story(World(LIMITS, partitions=BEFORE))
        (name,) = islice((each for each in ids_at(1, BEFORE) if home(each, AFTER) != 1), 1)
        ask(story, name, 1)
        worker = story.world.another_worker(LIMITS)
        await worker.run_for(5.0, 1)
        assert story.world.outcomes(name) == [SUCCEEDED]
        await story.layout.grow(COMMANDS, AFTER)
        try:
            await story.grow(life=Life(steps))
            break
        except Killed:
            ask(story, name, home(name, AFTER), paymentId="pay-of-" + name)
        for number in (0, home(name, AFTER)):
            worker = story.world.another_worker(LIMITS)
            worker.source.differing = story.layout.uneven
            with contextlib.suppress(WrongLedger):
                await worker.run_for(5.0, number)
        assert len(story.world.gateway.attempts(name)) == 1
        steps += 1
    assert steps > 10


@in_virtual_time
async def test_an_entry_of_a_newer_release_is_moved_by_its_key() -> None:
    (name,) = moved(1)
    story = crashed([], reach=0)
    story.world.kafka.append(LEDGER, 0, orjson.dumps({"v": 99}), ledger_key(name))
    assert not (await story.grow()).refused
    ask(story, name, home(name, AFTER))
    await story.work()
    assert not story.world.gateway.calls
    assert not story.world.kafka.read(RESULTS)


@in_virtual_time
async def test_a_partition_that_was_never_opened_becomes_one_with_the_new_count() -> None:
    story = Story(World(LIMITS, partitions=BEFORE))
    assert not (await story.grow()).refused
    assert {story.world.head(number).partitions for number in range(AFTER)} == {AFTER}
    ask(story, "a", home("a", AFTER))
    await story.work()
    assert story.world.outcomes("a") == [SUCCEEDED]


@in_virtual_time
async def test_old_partitions_keep_their_place_and_new_ones_begin_at_their_logs_begin() -> None:
    story = await told()
    before = [story.world.head(number) for number in range(BEFORE)]
    await story.grow()
    after = [story.world.head(number) for number in range(AFTER)]
    assert after[:BEFORE] == [replace(each, partitions=AFTER) for each in before]
    assert [each.inputs for each in after[BEFORE:]] == [{}] * (AFTER - BEFORE)
