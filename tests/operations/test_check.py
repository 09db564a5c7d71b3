from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.settings.certificates import certificate
from tests.settings.files import ALIPAY_PRIVATE, ALIPAY_PUBLIC, MAINLAND, PUBLIC, problems, written
from worker.operations.check import (
    Finding,
    check,
    clock_findings,
    connection_findings,
    expiry_findings,
    exposed,
    proved,
    wrong,
)
from worker.refunds.reply import (
    Misconfigured,
    NotFound,
    NotStarted,
    Reply,
    Throttled,
    Unknown,
    Unreadable,
)
from worker.settings import KafkaSettings, Settings, SettingsWrong, load
from worker.simulator import AlipaySimulator, SimulatorSettings
from worker.simulator.accounts import AppSettings

DATE = "Thu, 01 Jan 1970 00:01:40 GMT"  # second 100
NO_KAFKA = "127.0.0.1:9"  # the discard port: nothing listens there
BY_PAYMENT = {"WORKER_STREAM__ROUTING_KEY": "payment"}


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


class TestMainland:
    """The same for an app id of the mainland's OpenAPI, by both of its interfaces."""

    @pytest.fixture
    async def openapi(self) -> AsyncIterator[AlipaySimulator]:
        apps = {"2021000000000001": AppSettings(PUBLIC, tokens=("good-token", "other-token"))}
        async with AlipaySimulator(
            SimulatorSettings(apps=apps, alipay_private_key=ALIPAY_PRIVATE)
        ) as simulator:
            yield simulator

    @staticmethod
    async def found(folder: Path, url: str, more: str = "", **environ: str) -> list[Finding]:
        fixed = {"WORKER_CHANNELS__CN__BASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": NO_KAFKA}
        settings = load(written(folder, more, MAINLAND), fixed | environ)
        return [finding async for finding in check(settings) if finding.area == "channels.cn"]

    @pytest.mark.parametrize("api", ["v2", "v3"])
    async def test_keys_that_fit_are_proved_without_moving_money(
        self, tmp_path: Path, openapi: AlipaySimulator, api: str
    ) -> None:
        """v3 does not sign errors, and an inquiry about nothing is one: there v2 proves Alipay's key."""
        found = await self.found(tmp_path, openapi.url, f'api = "{api}"\n', **BY_PAYMENT)
        assert [finding.cure for finding in found] == [""] * len(found)
        assert found[-1].text == "Alipay knows this client, and both sides' keys fit"
        assert openapi.ledger.movements == []

    @pytest.mark.parametrize("api", ["v2", "v3"])
    async def test_a_wrong_public_key_of_alipay_is_found(self, tmp_path: Path, api: str) -> None:
        apps = {"2021000000000001": AppSettings(PUBLIC)}
        async with AlipaySimulator(SimulatorSettings(apps=apps)) as other:
            finding = (await self.found(tmp_path, other.url, f'api = "{api}"\n'))[-1]
        assert "cannot be trusted" in finding.text
        assert "alipay_cert_files" in finding.cure

    @pytest.mark.parametrize("api", ["v2", "v3"])
    async def test_an_unknown_app_is_named_with_its_cure(
        self, tmp_path: Path, openapi: AlipaySimulator, api: str
    ) -> None:
        more = {"WORKER_CHANNELS__CN__APP_ID": "2021000000000009"}
        finding = (await self.found(tmp_path, openapi.url, f'api = "{api}"\n', **more))[-1]
        assert "Alipay refuses this client" in finding.text
        assert finding.cure not in ("", "ask Alipay's support")

    @pytest.mark.parametrize("api", ["v2", "v3"])
    async def test_every_merchants_token_is_proved(
        self, tmp_path: Path, openapi: AlipaySimulator, api: str
    ) -> None:
        more = f'api = "{api}"\n'
        for merchant, token in (("good", "good-token"), ("bad", "bad-token"), ("other", "other-token")):
            (tmp_path / merchant).write_text(token)
            more += f'[channels.cn.merchants.{merchant}]\napp_auth_token_file = "{tmp_path}/{merchant}"\n'
        good, bad, other = (await self.found(tmp_path, openapi.url, more))[-3:]
        assert good.text == "Alipay knows merchant 'good', and both sides' keys fit"
        assert "Alipay refuses merchant 'bad'" in bad.text
        assert not bad.good
        assert other.good
        assert "bad-token" not in bad.text

    async def test_without_routing_by_payment_the_spacing_is_warned_about(self, tmp_path: Path) -> None:
        nobody = "http://127.0.0.1:9"
        [warning] = [finding for finding in await self.found(tmp_path, nobody) if finding.warning]
        assert warning.good
        assert "only within a partition" in warning.text
        assert 'routing_key = "payment"' in warning.cure
        assert not any(finding.warning for finding in await self.found(tmp_path, nobody, **BY_PAYMENT))

    async def test_certificates_that_end_soon_are_warned_about(self, tmp_path: Path) -> None:
        now = datetime.now(UTC)
        (tmp_path / "app.crt").write_bytes(certificate(PUBLIC, ALIPAY_PRIVATE, "app", 20, now))
        (tmp_path / "alipay.crt").write_bytes(certificate(ALIPAY_PUBLIC, ALIPAY_PRIVATE, "alipay", -1, now))
        (tmp_path / "later.crt").write_bytes(certificate(ALIPAY_PUBLIC, ALIPAY_PRIVATE, "later", 31, now))
        (tmp_path / "root.crt").write_bytes(certificate(ALIPAY_PUBLIC, ALIPAY_PRIVATE, "root", 5, now))
        text = MAINLAND.partition("alipay_public_key_files")[0] + (
            'app_cert_file = "{folder}/app.crt"\nalipay_root_cert_file = "{folder}/root.crt"\n'
            'alipay_cert_files = ["{folder}/alipay.crt", "{folder}/later.crt"]\nbase_url = "http://127.0.0.1:9"\n'
        )
        settings = load(written(tmp_path, text=text), BY_PAYMENT)
        found = [finding async for finding in check(settings) if finding.area == "channels.cn"]
        [soon, ended] = [
            finding for finding in found if "is valid only" in finding.text or "not valid" in finding.text
        ]
        assert ("app.crt" in soon.text, soon.good, bool(soon.cure)) == (True, True, True)
        assert ("alipay.crt" in ended.text, ended.good) == (True, False)


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, ["wrong"]), (0, ["wrong"]), (1, ["warning"]), (29.9, ["warning"]), (30, [])]
)
def test_a_certificate_is_judged_by_its_end(days: float, expected: list[str]) -> None:
    found = expiry_findings("channels.cn", "app_cert_file 'app.crt'", 1e9 + days * 86_400, 1e9, "…")
    assert ["warning" if finding.good else "wrong" for finding in found] == expected


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o440, False), (0o640, False), (0o604, True), (0o602, True)]
)
def test_a_secret_that_others_may_read_is_warned_about(tmp_path: Path, mode: int, warned: bool) -> None:
    settings = settings_for(tmp_path, "http://127.0.0.1:9")
    channel = settings.channels["local"]
    channel.private_key_file.chmod(mode)
    found = list(exposed(settings))
    assert bool(found) is warned
    for finding in found:
        assert finding.good
        assert "channels.local.private_key_file" in finding.text
        assert "chmod o=" in finding.cure


@pytest.mark.parametrize(
    ("servers", "protocol", "warned"),
    [
        ("kafka:9092", "PLAINTEXT", True),
        ("kafka:9092", "SASL_PLAINTEXT", True),
        ("kafka:9092", "SASL_SSL", False),
        ("localhost:9092,127.0.0.1:9093", "PLAINTEXT", False),
    ],
)
def test_a_kafka_elsewhere_without_tls_is_warned_about(servers: str, protocol: str, warned: bool) -> None:
    kafka = KafkaSettings.model_validate({"bootstrap_servers": servers, "security_protocol": protocol})
    assert [finding.warning for finding in connection_findings(kafka)] == [True] * warned


@pytest.mark.parametrize(("days", "warned"), [(-1, True), (10, True), (100, False)])
def test_a_client_certificate_that_ends_is_warned_about(tmp_path: Path, days: int, warned: bool) -> None:
    file = tmp_path / "client.crt"
    file.write_bytes(certificate(PUBLIC, ALIPAY_PRIVATE, "worker", days, datetime.now(UTC)))
    kafka = KafkaSettings(bootstrap_servers="kafka:9092", security_protocol="SSL", ssl_cert_file=file)
    assert bool(list(connection_findings(kafka))) is warned
