"""A refund is found wherever its entry is: by the view, or in its partition, the newest record first."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.desk.test_view import LATER, Ledger, closed, opened
from tests.kafka.test_topics import settings_for
from worker.demo.broker import Broker
from worker.desk.answers import NotPossible
from worker.desk.lookup import Lookup
from worker.desk.view import View
from worker.kafka import topics
from worker.kafka.archive import KafkaArchive
from worker.refunds.entry import FinalEntry, OpenEntry, State
from worker.refunds.issue import first_issue
from worker.settings import Settings
from worker.stream.ports import Record
from worker.stream.routing import home

PARTITIONS = 2


@pytest.fixture
async def settings(kafka: Broker, tmp_path: Path, topic_prefix: str) -> Settings:
    """Topics of their own, made."""
    settings = settings_for(tmp_path, topic_prefix, kafka.bootstrap_servers)
    await topics.create(settings)
    return settings


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[KafkaArchive]:
    archive = KafkaArchive(settings.kafka)
    yield archive
    await archive.close()


async def kept(settings: Settings, *records: Record, partition: int | None = None) -> None:
    """Entries, each where its refund has its home, or in `partition`."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await producer.start()
    try:
        for record in records:
            key = record.key or b""
            number = home(first_issue(key.decode()), PARTITIONS) if partition is None else partition
            await producer.send_and_wait(settings.topics.ledger, record.value, key, number)
    finally:
        await producer.stop()


async def test_the_newest_entry_is_found_without_a_view(settings: Settings, archive: KafkaArchive) -> None:
    await kept(settings, opened("r-1"), opened("r-1", state=State.PARKED), opened("r-10"))
    found = await Lookup(settings, archive).find("r-1")
    assert isinstance(found.entry, OpenEntry)
    assert found.entry.state is State.PARKED
    assert (found.place.partition, found.issues) == (home("r-1", PARTITIONS), ("r-1",))


async def test_every_issue_of_a_chain_is_found_from_any_of_them(
    settings: Settings, archive: KafkaArchive
) -> None:
    await kept(settings, closed("r-1"), opened("r-1~2"), closed("r-1~2"), opened("r-1~3"))
    lookup = Lookup(settings, archive)
    for name in ("r-1", "r-1~2", "r-1~3"):
        found = await lookup.find(name)
        assert (found.entry.refund_request_id, found.issues) == (name, ("r-1", "r-1~2", "r-1~3"))


async def test_with_routing_by_payment_every_partition_is_searched(
    settings: Settings, archive: KafkaArchive
) -> None:
    changed: Any = settings.model_copy(update={"stream": type(settings.stream)(routing_key="payment")})
    elsewhere = 1 - home("r-1", PARTITIONS)
    await kept(settings, closed("r-1"), partition=elsewhere)
    found = await Lookup(changed, archive).find("r-1")
    assert isinstance(found.entry, FinalEntry)
    assert found.place.partition == elsewhere
    with pytest.raises(NotPossible, match="no refund with the id r-1"):
        await Lookup(settings, archive).find("r-1")


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (None, "no refund with the id r-1"),
        (LATER, "a newer release wrote"),
        (b"{", "cannot be read"),
    ],
    ids=["forgotten", "newer", "damaged"],
)
async def test_what_cannot_be_shown_is_said_with_its_reason(
    settings: Settings, archive: KafkaArchive, last: bytes | None, said: str
) -> None:
    await kept(settings, closed("r-1"), Record("", 0, 0, 0, 0, b"r-1", last, ()))
    with pytest.raises(NotPossible, match=said):
        await Lookup(settings, archive).find("r-1")


async def test_what_the_view_has_forgotten_is_found_in_the_ledger(
    settings: Settings, archive: KafkaArchive
) -> None:
    await kept(settings, closed("r-1"))
    view = View(Ledger(), finals_max=0)
    view.take([closed("r-1")])
    assert view.place("r-1") is None
    assert (await Lookup(settings, archive, view).find("r-1")).entry.refund_request_id == "r-1"


async def test_a_place_that_the_view_has_and_another_record_holds_is_not_believed(
    settings: Settings, archive: KafkaArchive
) -> None:
    await kept(settings, opened("r-2"), closed("r-1"), partition=home("r-1", PARTITIONS))
    view = View(Ledger())
    view.take([opened("r-1", offset=0, partition=home("r-1", PARTITIONS))])
    found = await Lookup(settings, archive, view).find("r-1")
    assert (found.entry.refund_request_id, found.place.offset) == ("r-1", 1)
