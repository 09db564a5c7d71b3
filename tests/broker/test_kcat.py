"""A client that shares no code with ours asks for a refund and reads its outcome."""

import asyncio
from pathlib import Path

import orjson

from tests.broker.harness import World, refund


async def run(kcat: Path, *words: str, given: bytes = b"") -> bytes:
    """What kcat prints. Raises AssertionError with its complaint if it fails."""
    process = await asyncio.create_subprocess_exec(
        str(kcat),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        printed, complaint = await process.communicate(given)
    assert process.returncode == 0, complaint.decode(errors="replace")
    return printed


async def test_a_record_written_by_kcat_is_refunded_and_its_outcome_read_by_kcat(
    here: World, kcat: Path
) -> None:
    """Its partitioner is another one than Kafka's own: some of these records come as strays."""
    names = here.ids(10)
    lines = b"".join(name.encode() + b"|" + orjson.dumps(refund(name)) + b"\n" for name in names)
    broker = ("-b", here.bootstrap_servers)
    await run(kcat, *broker, "-P", "-t", here.settings.topics.commands, "-K", "|", given=lines)
    await here.started()
    await here.until(here.final(names), "outcomes")
    printed = await run(
        kcat,
        *(*broker, "-C", "-t", here.settings.topics.results, "-X", "isolation.level=read_committed"),
        *("-o", "beginning", "-e", "-q", "-f", "%k|%h|%s\n"),
    )
    outcomes = [line.split(b"|", 2) for line in printed.splitlines()]
    assert sorted(key.decode() for key, _, _ in outcomes) == sorted(names)
    for key, headers, value in outcomes:
        assert b"ce_type=refund.succeeded.v1" in headers
        assert orjson.loads(value)["refundRequestId"] == key.decode()
    await here.settled()
