from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.settings.files import ALIPAY_PRIVATE, PUBLIC, problems, written
from worker.operations.check import Finding, check, clock_findings, proved, wrong
from worker.refunds.reply import (
    Misconfigured,
    NotFound,
    NotStarted,
    Reply,
    Throttled,
    Unknown,
    Unreadable,
)
from worker.settings import Settings, SettingsWrong, load
from worker.simulator import AlipaySimulator, SimulatorSettings

DATE = "Thu, 01 Jan 1970 00:01:40 GMT"  # second 100
NO_KAFKA = "127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture
async def alipay() -> AsyncIterator[AlipaySimulator]:
    settings = SimulatorSettings({"PRODUCTION_1": PUBLIC}, alipay_private_key=ALIPAY_PRIVATE)
    async with AlipaySimulator(settings) as simulator:
        yield simulator


def settings_for(folder: Path, url: str, **environ: str) -> Settings:
    more = {"WORKER_CHANNELS__LOCAL__BASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": NO_KAFKA}
    return load(written(folder), more | environ)


async def about_the_channel(settings: Settings) -> list[Finding]:
    return [finding async for finding in check(settings) if finding.area == "channels.local"]


async def test_keys_that_fit_are_proved_without_moving_money(tmp_path: Path, alipay: AlipaySimulator) -> None:
    found = await about_the_channel(settings_for(tmp_path, alipay.url))
    assert all(finding.good for finding in found)
    assert found[-1].text == "Alipay knows this client, and both sides' keys fit"
    assert alipay.ledger.movements == []


async def test_an_unknown_client_is_named_with_its_cure(tmp_path: Path, alipay: AlipaySimulator) -> None:
    settings = settings_for(tmp_path, alipay.url, WORKER_CHANNELS__LOCAL__CLIENT_ID="PRODUCTION_2")
    finding = (await about_the_channel(settings))[-1]
    assert "CLIENT_INVALID" in finding.text
    assert "client id" in finding.cure


async def test_a_wrong_public_key_of_alipay_is_found(tmp_path: Path) -> None:
    async with AlipaySimulator(SimulatorSettings({"PRODUCTION_1": PUBLIC})) as other:
        finding = (await about_the_channel(settings_for(tmp_path, other.url)))[-1]
    assert "cannot be trusted" in finding.text
    assert "alipay_public_key_files" in finding.cure


async def test_everything_that_is_wrong_is_said_in_one_pass(tmp_path: Path) -> None:
    """Neither Kafka nor Alipay is there: one does not hide the other."""
    settings = settings_for(tmp_path, "http://127.0.0.1:9")
    found = [finding async for finding in check(settings)]
    assert {finding.area for finding in found if not finding.good} == {"kafka", "topics", "channels.local"}
    assert all(finding.cure for finding in found if not finding.good)


async def test_keys_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "private.pem").write_text("rubbish")
    found = await about_the_channel(settings)
    assert [finding.good for finding in found] == [False]


def test_settings_that_cannot_be_used_are_findings_with_cures(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "private.pem").unlink()
    (finding,) = wrong(SettingsWrong(problems(file)))
    assert finding.cure == "make one with: python -m worker keys new"


@pytest.mark.parametrize(("now", "good"), [(100, True), (130, True), (70, True), (131, False), (69, False)])
def test_a_clock_that_is_off_is_found(now: float, good: bool) -> None:
    (finding,) = clock_findings("channels.local", DATE, now)
    assert finding.good is good


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_without_a_date_the_clock_is_not_judged(date: str) -> None:
    assert list(clock_findings("channels.local", date, 0)) == []


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        (NotFound("ORDER_NOT_EXIST"), True),
        (Misconfigured("INVALID_SIGNATURE"), False),
        (Misconfigured("SOMETHING_NEW"), False),
        (Unreadable("x"), False),
        (Unknown("x"), False),
        (Throttled("x"), False),
        (NotStarted(), False),
    ],
)
def test_only_an_answer_that_alipay_signed_proves_the_keys(reply: Reply | NotStarted, good: bool) -> None:
    assert proved("channels.local", reply).good is good
