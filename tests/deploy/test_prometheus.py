"""A real Prometheus scrapes a real worker, which is in real trouble."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.broker.harness import World, mode, refund, world
from tests.broker.settings_file import CLIENT_ID
from tests.deploy.scraping import JOB, Prometheus, scraping
from tests.deploy.test_dashboard import graphs
from worker.demo.broker import Broker
from worker.demo.local import free_port
from worker.simulator.behaviour import Operation, Rule

PATIENT: Final = {"attempts_max": 10_000, "pace_calm_s": 1.0}
SOME_EVALUATIONS: Final = f'count_over_time(up{{job="{JOB}"}}[1m]) >= 10'


@pytest.fixture
async def here(real_kafka: Broker, topic_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    sections: dict[str, dict[str, Any]] = {"http": {"port": free_port()}, "channels.global": PATIENT}
    async with world(real_kafka.bootstrap_servers, topic_prefix, tmp_path, sections=sections) as made:
        await made.started()
        yield made


@pytest.fixture
async def watched(here: World, prometheus: Path, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """Begins once all partitions are open: before, some alerts are right to fire."""
    worker = here.workers[0]
    await here.until(lambda: worker.logged("open, opening") == here.partitions, "all partitions are open")
    async with scraping(prometheus, tmp_path, here.settings.http.port) as server:
        await server.until(f'up{{job="{JOB}"}} == 1')
        yield server


@pytest.mark.timeout(900)
async def test_each_fault_fires_the_alerts_that_are_about_it_and_no_others(
    here: World, watched: Prometheus
) -> None:
    """Alipay refuses the key, contradicts, is away; a person halts; rubbish is read; the worker dies."""
    names = here.ids(60)
    await here.ask(*(refund(name) for name in names[:20]))
    await here.until(here.final(names[:20]), "outcomes")
    await watched.until(SOME_EVALUATIONS)
    await watched.until_firing(set())

    here.simulator.endpoint.revoked.add(CLIENT_ID)
    await here.ask(refund(names[20]))
    await watched.until_firing({"RefundChannelHalted"})
    here.simulator.endpoint.revoked.discard(CLIENT_ID)
    await here.until(here.final([names[20]]), "an outcome")
    await watched.until_firing(set())

    word = ("--by", "somebody", "--reason", "to see who is called")
    await here.command("halt", "global", *word)
    await watched.until_firing({"RefundOperatorHalt"})
    await here.command("resume", "global", *word)
    await watched.until_firing(set())

    here.simulator.behaviour.script(names[21], mode("wrong_echo"))
    await here.ask(refund(names[21]))
    await here.write(b"rubbish", 0)
    seen = {"RefundContradicted", "RefundDeadLetters", "RefundsParked"}
    await watched.until_firing(seen)

    away = mode("cut_before")
    here.simulator.behaviour.rules.extend(Rule(away, operation) for operation in Operation)
    await here.ask(*(refund(name) for name in names[22:40]))
    await watched.until_firing(seen | {"RefundAlipayUnreachable"})

    here.workers[0].kill()
    await here.workers[0].ended()
    # What counts the last hour goes on; what looks at this moment has nothing to look at.
    await watched.until_firing(
        (seen - {"RefundsParked"})
        | {"RefundAlipayUnreachable", "RefundWorkerAbsent", "RefundWorkerNotScraped"}
    )
    for alert in await watched.alerts():
        assert all(alert["annotations"].values())
        assert "<no value>" not in "".join(alert["annotations"].values())


async def test_every_panel_of_the_dashboard_shows_something(here: World, watched: Prometheus) -> None:
    """After a success, a decline, a contradiction and rubbish, while alerts fire."""
    names = here.ids(20)
    here.simulator.behaviour.script(names[0], mode("wrong_echo"))
    here.simulator.behaviour.script(names[1], mode("decline", code="RISK_REJECT"))
    await here.ask(*(refund(name) for name in names))
    await here.write(b"rubbish", 0)
    await here.until(here.final(names[1:]), "outcomes")
    for panel in graphs():
        for target in panel["targets"]:
            expr = target["expr"].replace("$job", JOB).replace("$__rate_interval", "1m")
            await watched.until(expr)
