"""What a ledger full of final refunds costs: to take a partition over without its cache, and with it.

    python -m tests.bench.state [--count 10000000] [--open 100000]

One partition has the final refunds, and those in back-off; a second one is at work all the time, and what its refunds
take says what the other's opening costs them. The worker is a real process on a real broker: it starts without a cache,
ends in order, starts with it, is killed, and starts once more. Prints each life and, as its last line, one JSON object.
Exit code 1 when a goal is missed. Quote figures with the machine's name, and those of CPU time rather than others.
"""

import argparse
import asyncio
import json
import platform
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.bench.final import fill_finals
from tests.bench.stand import Stand, stand, used
from tests.bench.waiting import fill
from tests.broker.processes import Worker
from worker.demo.broker import broker
from worker.stream.routing import home

COUNT: Final = 10_000_000
PARTITIONS: Final = 2
FULL, OTHER = 0, 1
PACED_PER_S: Final = 20.0
KILLED: Final = "with the cache"
LIVES: Final = ("without a cache", KILLED, "after a kill")
"""The last one begins when the group has noticed that the one before it is dead."""
OPENS_WITHIN_S: Final = 7_200.0
WITHOUT_S_PER_MILLION_MAX: Final = 30.0
WITH_S_MAX: Final = 5.0
OPEN_S_PER_HUNDRED_THOUSAND: Final = 60.0
RESIDENT_MIB_MAX: Final = 300
RESIDENT_MIB_PER_OPEN_REFUND: Final = 0.004
LATENCY_S_MAX: Final = 1.0
READ: Final = re.compile(
    rf"partition {FULL}: (?P<records>\d+) records of its ledger read in (?P<seconds>[0-9.]+) s"
)
"""What a worker logs of an opening."""


@dataclass(frozen=True, slots=True)
class Life:
    """One start of a worker, until both partitions are open. `read_s`: to read what `records` of the ledger were to be
    read. `p50_s`, `max_s`: of the other partition's refunds meanwhile, from a command's sending to its outcome; 0 where
    it was too short for any. Sizes: MiB, of the process.
    """

    name: str
    records: int
    read_s: float
    cpu_s: float
    resident_mib: int
    peak_mib: int
    p50_s: float
    max_s: float


async def lived(here: Stand, name: str) -> Life:
    """Start a worker, and keep it busy until the full partition is open."""
    began, took = time.monotonic(), list[float]()
    worker = await Worker.start(f"{here.name}-{len(here.workers)}", here.folder, here.config)
    here.workers.append(worker)
    others = names_of(OTHER, f"{name}-other".replace(" ", "-"))
    while not worker.logged(f"partition {FULL} open,"):
        if worker.broke_down or time.monotonic() - began > OPENS_WITHIN_S:
            raise AssertionError(worker.log.read_text(errors="replace")[-4000:])
        if worker.logged(f"partition {OTHER} open,"):
            one = [next(others)]
            sent = await here.ask(one)
            await here.answered(one)
            took += [here.seen[each] - at for each, at in sent.items()]
        await asyncio.sleep(1 / PACED_PER_S)
    opened = used(worker.pid)
    for partition in (FULL, OTHER):
        names = names_of(partition, f"{name}-last-{partition}".replace(" ", "-"))
        last = [next(names) for _ in range(100)]
        await here.ask(last)
        await here.answered(last)
    read = READ.search(worker.log.read_text(errors="replace"))
    if read is None:
        raise AssertionError(worker.log.read_text(errors="replace")[-4000:])
    return Life(
        name,
        int(read["records"]),
        float(read["seconds"]),
        opened.cpu_s,
        used(worker.pid).resident // 2**20,
        used(worker.pid).peak // 2**20,
        statistics.median(took or [0.0]),
        max(took, default=0.0),
    )


def names_of(partition: int, start: str) -> "filter[str]":
    """Ids at home there."""
    return filter(lambda name: home(name, PARTITIONS) == partition, (f"{start}-{n}" for n in range(10**9)))


async def measure(
    bootstrap: str, folder: Path, count: int, waiting: int, lives_in: Sequence[str] = LIVES
) -> Sequence[Life]:
    """The lives in which a worker reads this ledger, one after another."""
    prefix = f"state.{uuid.uuid4().hex[:8]}."
    async with stand("state", bootstrap, prefix, folder / "state", PARTITIONS) as here:
        with here.config.open("a") as config:
            config.write(f'\n[ledger_cache]\nfolder = "{folder / "caches"}"\n')
        began = time.monotonic()
        await fill_finals(bootstrap, here.settings, FULL, count)
        await fill(bootstrap, here.settings, waiting)
        print(f"{count} final refunds and {waiting} in back-off written in {time.monotonic() - began:.0f} s")
        lives = []
        for name in lives_in:
            lives.append(await lived(here, name))
            print(lives[-1], flush=True)
            if name == KILLED and name != lives_in[-1]:
                here.worker.kill()
                await here.worker.ended()
            else:
                await here.stop()
        return lives


def missed(lives: Sequence[Life], count: int, waiting: int) -> list[str]:
    """The goals that these do not reach."""
    without, *others = lives
    more_s = 3.0 + waiting / 100_000 * OPEN_S_PER_HUNDRED_THOUSAND
    limit_s = more_s + count / 1_000_000 * WITHOUT_S_PER_MILLION_MAX
    memory = RESIDENT_MIB_MAX + waiting * RESIDENT_MIB_PER_OPEN_REFUND
    found = [
        (
            without.read_s <= limit_s,
            f"{without.name}: {without.read_s:.1f} s; expected at most {limit_s:.1f}",
        ),
        *((one.read_s <= more_s + WITH_S_MAX, f"{one.name}: {one.read_s:.1f} s") for one in others),
        *(
            (one.peak_mib <= memory, f"{one.name}: {one.peak_mib} MiB; expected {memory:.0f}")
            for one in lives
        ),
        # After a kill the first commands may have been sent already: they wait until such a call is over.
        *(
            (one.max_s <= LATENCY_S_MAX, f"{one.name}: others waited {one.max_s:.2f} s")
            for one in lives
            if one.name != LIVES[-1]
        ),
    ]
    return [text for holds, text in found if not holds]


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0 if all goals are reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.state", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--open", type=int, default=0)
    asked = parser.parse_args(words)
    with broker("kafka") as running, tempfile.TemporaryDirectory() as folder:
        lives = asyncio.run(measure(running.bootstrap_servers, Path(folder), asked.count, asked.open))
    wrong = missed(lives, asked.count, asked.open)
    for text in wrong:
        print(f"MISSED {text}")
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"ok": not wrong, "machine": machine, "lives": [asdict(one) for one in lives]}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
