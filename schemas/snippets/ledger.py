"""A ledger that books every refund once. Copy it, and put your own books where SQLite is; it needs aiokafka alone.

    python ledger.py localhost:9092 books.sqlite

It keeps to the reader's rule of schemas/README.md. What makes a booking happen once is that the event's id and the
booking are written in one transaction of the books; the position in Kafka is committed after it, and may be lost.
"""

import argparse
import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError

OUTCOMES = {"refund.succeeded.v1": "succeeded", "refund.failed.v1": "failed"}
LATER_TRUTH = ("refund.returned.v1", "refund.contradicted.v1")

# An id has to be remembered for as long as its event can be read again: the retention of refund.results.
TABLES = """
CREATE TABLE IF NOT EXISTS seen (ce_id TEXT PRIMARY KEY, ce_time TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bookings (
    refund_request_id TEXT PRIMARY KEY,
    outcome TEXT NOT NULL,
    currency TEXT NOT NULL,
    minor_units INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS for_a_person (ce_id TEXT PRIMARY KEY, ce_type TEXT NOT NULL, event TEXT NOT NULL);
"""


def opened(path: str) -> sqlite3.Connection:
    """The books, made if they are not there."""
    books = sqlite3.connect(path)
    books.executescript(TABLES)
    return books


def book(books: sqlite3.Connection, headers: Sequence[tuple[str, bytes | None]], value: bytes) -> str:
    """Book one event in the transaction that is open; what was done with it.

    A second outcome of a refund under another id is a sqlite3.IntegrityError: the worker promises that there is none,
    so stop and find out.
    """
    attributes = {name: text.decode() for name, text in headers if text is not None}
    event_id, kind = attributes.get("ce_id", ""), attributes.get("ce_type", "")
    if kind not in OUTCOMES and kind not in LATER_TRUTH:
        return "not for the books"  # news, or a type that came after this program
    if not books.execute(
        "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING", (event_id, attributes.get("ce_time", ""))
    ).rowcount:
        return "seen before"
    if kind in LATER_TRUTH:
        # It does not change the booking. Somebody must look, so tell them here.
        books.execute("INSERT INTO for_a_person VALUES (?, ?, ?)", (event_id, kind, value.decode()))
        return "for a person"
    refund = json.loads(value)
    amount = refund["refundAmount"]  # a string of minor units: never a float on the way
    booking = refund["refundRequestId"], OUTCOMES[kind], amount["currency"], int(amount["value"])
    books.execute("INSERT INTO bookings VALUES (?, ?, ?, ?)", booking)
    return "booked"


async def follow(bootstrap_servers: str, topic: str, group: str, books: sqlite3.Connection) -> None:
    """Book what comes, until cancelled."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        isolation_level="read_committed",  # else events of aborted transactions are read
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        while True:
            read = await consumer.getmany(timeout_ms=1000)
            with books:  # one transaction: ids and bookings, or nothing
                done = [
                    (record.key, book(books, record.headers, record.value or b""))
                    for records in read.values()
                    for record in records
                ]
            for key, what in done:
                print((key or b"").decode(errors="replace"), what, sep=": ", flush=True)
            # Refused, if another ledger has the partition now: it will find these ids in the books.
            with contextlib.suppress(CommitFailedError):
                await consumer.commit()
    finally:
        await consumer.stop()


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="Book refunds.")
    words.add_argument("bootstrap_servers")
    words.add_argument("books", help="a file, made if it is not there")
    words.add_argument("--topic", default="refund.results")
    words.add_argument("--group", default="ledger")
    told = words.parse_args()
    asyncio.run(follow(told.bootstrap_servers, told.topic, told.group, opened(told.books)))
