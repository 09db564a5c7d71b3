from dataclasses import dataclass, field

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from worker.operations.address import AddressUnusable
from worker.operations.health import serving
from worker.settings import HttpSettings

HTTP = HttpSettings(host="127.0.0.1", port=0)


@dataclass
class Patient:
    """A Health that is told what to say."""

    not_live: list[str] = field(default_factory=list)
    not_ready: list[str] = field(default_factory=list)

    def live(self) -> list[str]:
        return self.not_live

    def ready(self) -> list[str]:
        return self.not_ready


@pytest.mark.parametrize("path", ["/live", "/ready"])
async def test_a_probe_says_yes_without_reasons_and_no_with_them(path: str) -> None:
    patient = Patient()
    async with serving(HTTP, patient, CollectorRegistry()) as url, aiohttp.ClientSession(url) as session:
        async with session.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True, "reasons": []})
        patient.not_live = patient.not_ready = ["partition 3 has been opening for 90 s"]
        async with session.get(path) as answer:
            assert answer.status == 503
            assert await answer.json() == {"ok": False, "reasons": ["partition 3 has been opening for 90 s"]}


async def test_a_worker_that_is_not_ready_is_still_live() -> None:
    patient = Patient(not_ready=["not joined"])
    async with (
        serving(HTTP, patient, CollectorRegistry()) as url,
        aiohttp.ClientSession(url) as session,
        session.get("/live") as live,
        session.get("/ready") as ready,
    ):
        assert (live.status, ready.status) == (200, 503)


async def test_metrics_are_served_in_prometheus_format() -> None:
    registry = CollectorRegistry()
    Counter("refunds_total", "Refunds", registry=registry).inc()
    async with (
        serving(HTTP, Patient(), registry) as url,
        aiohttp.ClientSession(url) as session,
        session.get("/metrics") as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "refunds_total 1.0" in await answer.text()


async def test_a_taken_port_is_an_error_and_nothing_stays_open() -> None:
    async with serving(HTTP, Patient(), CollectorRegistry()) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(AddressUnusable, match="Address already in use"):
            async with serving(HttpSettings(host="127.0.0.1", port=port), Patient(), CollectorRegistry()):
                raise AssertionError
