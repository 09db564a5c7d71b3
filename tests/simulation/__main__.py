"""Runs many seeds and the canaries: `python -m tests.simulation --help`. The last line is one JSON object."""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.simulation.canaries import CANARIES
from tests.simulation.canary import Caught, hunt
from tests.simulation.faults import TABLES
from tests.simulation.world import Outcome, World, run_block

BLOCK: Final = 10
SHOWN_MAX: Final = 5
FIRED_MIN: Final = 100
BETWEEN_MIN: Final = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if every guarantee held and every canary was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--refunds", type=int, default=50, help="refunds a seed (default: 50)")
    parser.add_argument("--processes", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--seed", type=int, help="replay this one, with its trace")
    parser.add_argument("--hunt", metavar="G4", help="stop at the first seed that breaks this guarantee")
    parser.add_argument("--no-canaries", action="store_true", help="leave them out")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return replay(options.seed, options.refunds)
    if options.hunt is not None:
        return _hunt(options.hunt, options.first, options.seeds, options.refunds)
    return _simulate(options)


def replay(seed: int, refunds: int) -> int:
    """One seed, and all that happened in it."""
    outcome = World(seed, refunds, traced=True).run()
    for line in outcome.trace:
        print(line)
    print(f"seed {seed}: {dict(outcome.outcomes)} in {outcome.virtual_s:.0f} s of virtual time")
    return 1 if outcome.violations else 0


def _hunt(guarantee: str, first: int, seeds: int, refunds: int) -> int:
    for count in range(1, seeds + 1):
        seed = first + count - 1
        try:
            violations = World(seed, refunds).run().violations
        except Exception as error:  # noqa: BLE001 -- a canary may break anything
            violations = (f"crashed: {error!r}",)
        if any(text.startswith(f"{guarantee} ") for text in violations):
            broken = sorted({text.split(" ", 1)[0] for text in violations})
            said = next(text for text in violations if text.startswith(f"{guarantee} "))
            print(json.dumps({"seeds": count, "broken": broken, "said": said}))
            return 0
    print(json.dumps({"seeds": 0, "broken": [], "said": ""}))
    return 1


def _simulate(options: argparse.Namespace) -> int:
    console = Console(width=110)
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        canaries: list[Future[Caught]] = []
        blocks = [
            pool.submit(run_block, first, min(BLOCK, options.first + options.seeds - first), options.refunds)
            for first in range(options.first, options.first + options.seeds, BLOCK)
        ]
        if not options.no_canaries:
            canaries = [pool.submit(hunt, canary, options.refunds) for canary in CANARIES]
        outcomes = list(_watched(blocks, options.seeds))
        caught = [future.result() for future in canaries]
    console.print(_faults(outcomes))
    if caught:
        console.print(_caught(caught))
    broken = [outcome for outcome in outcomes if outcome.violations]
    for outcome in sorted(broken, key=lambda one: one.seed)[:SHOWN_MAX]:
        console.print(f"[red]seed {outcome.seed}[/] (make simulate SEED={outcome.seed} shows it):")
        for text in outcome.violations[:SHOWN_MAX]:
            console.print(f"  {text}", markup=False, highlight=False)
    known = Counter[str]()
    for outcome in outcomes:
        known.update(outcome.outcomes)
    console.print(
        f"{len(outcomes)} seeds: {dict(known)}, {sum(one.transactions for one in outcomes)} transactions, "
        f"{sum(one.virtual_s for one in outcomes) / 3600:.1f} h of virtual time in {time.monotonic() - began:.0f} s"
    )
    summary = {
        "seeds": len(outcomes),
        "refunds": sum(outcome.refunds for outcome in outcomes),
        "violations": sum(len(outcome.violations) for outcome in outcomes),
        "canaries": len(caught),
        "canaries_caught": sum(one.seeds > 0 for one in caught),
    }
    print(json.dumps(summary))
    return 1 if summary["violations"] or summary["canaries"] != summary["canaries_caught"] else 0


def _watched(blocks: Sequence[Future[list[Outcome]]], seeds: int) -> Iterator[Outcome]:
    done = 0
    for block in as_completed(blocks):
        for outcome in block.result():
            done += 1
            yield outcome
        if sys.stderr.isatty():
            print(f"\r{done} of {seeds} seeds", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)


def totals(outcomes: Sequence[Outcome]) -> dict[str, tuple[int, int]]:
    """How often each kind of fault has fired, and how often between a call and the commit of its result."""
    kinds = sorted({kind for table in TABLES for kind in table} | {k for one in outcomes for k in one.fired})
    return {
        kind: (sum(one.fired[kind] for one in outcomes), sum(one.between[kind] for one in outcomes))
        for kind in kinds
    }


def _faults(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Faults", title_justify="left")
    table.add_column("kind")
    table.add_column("fired", justify="right")
    table.add_column("between a call and its commit", justify="right")
    table.add_column("seeds that had it", justify="right")
    for kind, (fired, between) in totals(outcomes).items():
        seeds = sum(one.fired[kind] > 0 for one in outcomes)
        rare = "[yellow]" if fired < FIRED_MIN or between < BETWEEN_MIN else ""
        table.add_row(kind, f"{rare}{fired}", f"{rare}{between}", str(seeds))
    return table


def _caught(caught: Sequence[Caught]) -> Table:
    table = Table(title="Canaries: rules broken on purpose", title_justify="left")
    table.add_column("what was broken")
    table.add_column("must be seen by")
    table.add_column("seeds it took", justify="right")
    table.add_column("also broken")
    for one in caught:
        also = " ".join(number for number in one.broken if number != one.canary.guarantee)
        seeds = str(one.seeds) if one.seeds else "[red]not caught"
        table.add_row(one.canary.name, one.canary.guarantee, seeds, also)
    return table


if __name__ == "__main__":
    sys.exit(main())
