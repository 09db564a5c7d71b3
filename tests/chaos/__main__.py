"""`python -m tests.chaos`: a real broker, several workers, a misbehaving Alipay, and what machines and networks do.

A broker of its own is started and ended; nothing else on this machine is touched.
"""

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

import click
import orjson
from rich.console import Console

from tests.chaos.run import Plan, run
from worker.demo.artifacts import CannotHave
from worker.demo.screen import Screen


@click.command()
@click.option("--refunds", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--faults", default=40, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=None, type=int, help="repeats a schedule of faults; a new one if left out")
@click.option(
    "--routing-key",
    default="payment",
    show_default=True,
    type=click.Choice(["payment", "refundRequestId"]),
    help="with refundRequestId, requests about one payment may meet, so G5 is not judged",
)
@click.option("--grown/--not-grown", default=True, help="add partitions to a topic at the end")
@click.option("--json", "json_output", is_flag=True, help="nothing but the last line on standard output")
def main(
    refunds: int, faults: int, seed: int | None, routing_key: str, grown: bool, json_output: bool
) -> None:
    """Refunds under faults that are drawn from SEED; exit code 0 only if everything was kept."""
    screen = Screen(Console(stderr=json_output, highlight=False))
    plan = Plan(refunds, faults, secrets.randbelow(10**6) if seed is None else seed, routing_key, grown)
    with tempfile.TemporaryDirectory(prefix="worker-chaos-") as folder:
        try:
            verdict = asyncio.run(run(plan, Path(folder), screen))
        except CannotHave as error:
            sys.exit(f"Apache Kafka cannot be had: {error}")
    print(orjson.dumps(verdict.figures()).decode(), flush=True)  # noqa: T201 -- the result
    sys.exit(0 if verdict.ok else 1)


if __name__ == "__main__":
    main()
