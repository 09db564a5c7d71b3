"""Looks at everything a worker needs before it starts, and says all that is wrong at once, each with its cure."""

import asyncio
import email.utils
import ssl
import stat
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, assert_never

import aiohttp
from cryptography import x509

import worker.alipay.ams.codes as ams
import worker.alipay.mainland.codes as mainland
from worker.alipay.ams.interface import AmsInterface
from worker.alipay.channel import Channel
from worker.alipay.codes import Row
from worker.alipay.gateway import ChannelGateway
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.kafka import cluster, topics
from worker.kafka.connection import Unreachable
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NotFound,
    NotStarted,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.settings import KafkaSettings, MainlandSettings, Settings, SettingsWrong
from worker.settings.account import account
from worker.settings.rules import SECRET_FILES
from worker.settings.rules import files as files_of

CLOCK_OFF_MAX_S: Final = 30.0
"""Alipay does not say how far a request-time may be off; leases and quiet times need far less than this."""

EXPIRES_SOON_S: Final = 30 * 86_400.0
"""How long before its end a certificate is warned about."""

NEXT_CERTIFICATE: Final = (
    "download the next one from Alipay's open platform; the worker takes it over while it runs"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `cure` is "" exactly if it is as it should be.

    `warning`: the worker can do its work all the same.
    """

    area: str
    text: str
    cure: str = ""
    warning: bool = False

    @property
    def good(self) -> bool:
        return self.warning or not self.cure


async def check(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding, in the order of the areas; those of one area do not wait for another's."""
    for finding in exposed(settings):
        yield finding
    areas = [asyncio.create_task(_kafka(settings)), asyncio.create_task(_topics(settings))]
    areas += [asyncio.create_task(_channel(name, settings)) for name in settings.channels]
    try:
        for area in areas:
            for finding in await area:
                yield finding
    finally:
        for area in areas:
            area.cancel()


def exposed(settings: Settings) -> Iterator[Finding]:
    """Secrets in files that every user of this machine may read."""
    for setting, file in files_of(settings):
        if setting.rpartition(".")[2] in SECRET_FILES and file.stat().st_mode & stat.S_IRWXO:
            cure = f"chmod o= {str(file)!r}; of a Secret in Kubernetes: defaultMode: 0440, and an fsGroup"
            yield Finding("settings", f"{setting}: any user may read {str(file)!r}", cure, warning=True)


def wrong(problems: SettingsWrong) -> Iterator[Finding]:
    """Settings that could not even be read, as findings."""
    for problem in problems.problems:
        what, _, cure = problem.text.partition("; ")
        yield Finding("settings", f"{problem.place}: {what}", cure or "correct it")


async def _kafka(settings: Settings) -> list[Finding]:
    try:
        release = await cluster.release(settings.kafka)
        unfit = await cluster.unfit(settings)
    except Unreachable as error:
        return [Finding("kafka", *_split(str(error)))]
    servers = settings.kafka.bootstrap_servers
    return [
        Finding("kafka", f"{servers} {release.text}", release.cure),
        *(Finding("kafka", one.text, one.cure) for one in unfit),
        *connection_findings(settings.kafka),
    ]


def connection_findings(kafka: KafkaSettings) -> Iterator[Finding]:
    """How well the way to Kafka is protected."""
    if not kafka.tls and not kafka.local:
        text = (
            f"{kafka.security_protocol}: whoever is on the way to the brokers can read and change everything"
        )
        yield Finding("kafka", text, "set kafka.security_protocol = SASL_SSL, or SSL", warning=True)
    if kafka.ssl_cert_file is not None:
        ends = x509.load_pem_x509_certificate(kafka.ssl_cert_file.read_bytes()).not_valid_after_utc
        name = f"ssl_cert_file {str(kafka.ssl_cert_file)!r}"
        cure = "have the next one issued; it is used from the next connection on"
        yield from expiry_findings("kafka", name, ends.timestamp(), time.time(), cure)


async def _topics(settings: Settings) -> list[Finding]:
    try:
        differences = await topics.verify(settings)
    except Unreachable as error:
        return [Finding("topics", "not looked at: Kafka cannot be reached", _split(str(error))[1])]
    found = [Finding("topics", f"{one.topic} {one.text}", one.cure) for one in differences]
    wanting = {one.topic for one in differences}
    good = [plan.name for plan in topics.plans(settings) if plan.name not in wanting]
    return ([Finding("topics", f"as they should be: {', '.join(good)}")] if good else []) + found


async def _channel(name: str, settings: Settings) -> list[Finding]:
    area, channel = f"channels.{name}", settings.channels[name]
    try:
        loaded = account(name, channel)
    except SettingsWrong as unusable:
        return [Finding(area, *_split(str(problem))) for problem in unusable.problems]
    found = list(_mainland(area, channel, settings)) if isinstance(channel, MainlandSettings) else []
    keys = loaded.interface.keys
    bits = keys.signer.key.key_size
    readable = f"keys readable: ours {keys.signer.fingerprint} ({bits} bits), Alipay's "
    found.append(Finding(area, readable + ", ".join(keys.verifier.fingerprints)))
    # A merchant's token is proved only with its help; without tokens there is nobody but us.
    merchants = [one.merchant for one in channel.token_files] or [""]
    return [*found, *await _reached(area, loaded, merchants)]


def _mainland(area: str, channel: MainlandSettings, settings: Settings) -> Iterator[Finding]:
    if settings.stream.routing_key != "payment":
        text = (
            f"routing_key is {settings.stream.routing_key!r}, so payment_spacing_s, the time that Alipay wants between "
            "two refunds of one trade, is kept only within a partition"
        )
        cure = 'set [stream] routing_key = "payment" before the first command is written'
        yield Finding(area, text, cure, warning=True)
    now = time.time()
    for setting, files in (
        ("app_cert_file", (channel.app_cert_file,)),
        ("alipay_cert_files", channel.alipay_cert_files),
    ):
        for file in files:
            if file is not None:
                ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
                yield from expiry_findings(
                    area, f"{setting} {str(file)!r}", ends.timestamp(), now, NEXT_CERTIFICATE
                )


def expiry_findings(area: str, name: str, ends: float, now: float, cure: str) -> Iterator[Finding]:
    """Whether a certificate is valid (Unix seconds), and for long enough. Nothing to say if it is."""
    day = datetime.fromtimestamp(ends, UTC).date()
    if ends <= now:
        yield Finding(area, f"{name} is not valid since {day}", cure)
    elif ends - now < EXPIRES_SOON_S:
        yield Finding(area, f"{name} is valid only until {day}", cure, warning=True)


async def _reached(area: str, loaded: Channel, merchants: Sequence[str]) -> list[Finding]:
    reach, proofs = await asyncio.gather(_greet(area, loaded), _ask(area, loaded, merchants))
    # One broken connection is one finding.
    unreachable = any(not one.good for one in reach) and not any(one.good for one in proofs)
    return reach if unreachable else [*reach, *proofs]


async def _greet(area: str, loaded: Channel) -> list[Finding]:
    """An unsigned HEAD: is the host there, is its certificate good, and what time does it have?"""
    context = ssl.create_default_context(cafile=loaded.calls.ca_file or None)
    limit = aiohttp.ClientTimeout(total=loaded.calls.connect_s + loaded.calls.deadline_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
            session.head(loaded.calls.base_url, ssl=context, allow_redirects=False) as response,
        ):
            date = response.headers.get("Date", "")
    except (aiohttp.ClientError, OSError) as error:
        cure = "check base_url, name resolution, the network's rules, and ca_file"
        reason = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        return [
            Finding(area, f"{loaded.calls.base_url} cannot be reached: {type(error).__name__} {reason}", cure)
        ]
    return [Finding(area, f"{loaded.calls.base_url} answers"), *clock_findings(area, date, time.time())]


def clock_findings(area: str, date: str, now: float) -> Iterator[Finding]:
    """Whether our clock (Unix seconds) agrees with an HTTP Date, which has whole seconds. None without a date."""
    try:
        theirs = email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    off_s = now - theirs
    text = f"this machine's clock is {abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} Alipay's"
    yield Finding(area, text, "" if abs(off_s) <= CLOCK_OFF_MAX_S else "run a time service (NTP) here")


async def _ask(area: str, loaded: Channel, merchants: Sequence[str]) -> list[Finding]:
    """A signed inquiry about a refund that does not exist, for each merchant, which moves nothing.

    The answer proves both sides' keys and the merchant's token. After one that concerns all, the others are not asked.
    """
    found: list[Finding] = []
    async with AsyncExitStack() as stack:
        gateway, second = [
            await stack.enter_async_context(ChannelGateway(each, _unseen, time.time, time.monotonic))
            for each in (loaded, _signing_errors(loaded))
        ]
        for merchant in merchants:
            reply = await _inquired(gateway, loaded, merchant)
            if isinstance(reply, Unreadable) and not reply.signed:
                reply = await _inquired(second, loaded, merchant)
            found.append(proved(area, reply, merchant))
            if not found[-1].good and not (isinstance(reply, Misconfigured) and reply.merchant):
                break
    return found


def _signing_errors(loaded: Channel) -> Channel:
    """The same account by an interface whose errors are signed too, to prove Alipay's key: v3's are not, v2's are."""
    match loaded.interface:
        case MainlandV3(account=app, environment=where, keys=keys, tokens=tokens, certificates=certificates):
            return replace(loaded, interface=MainlandV2(app, where, keys, tokens, certificates))
        case _:
            return loaded


async def _inquired(gateway: ChannelGateway, loaded: Channel, merchant: str) -> Reply | NotStarted:
    nobody = f"check-{uuid.uuid4().hex}"
    if isinstance(loaded.interface, AmsInterface):
        command = Command(nobody, nobody, nobody, Money("USD", 1), loaded.name, merchant)
    else:
        command = Command(nobody, nobody, "", Money("CNY", 1), loaded.name, merchant, order_number=nobody)
    return await gateway.call(Attempt(command, stage=Stage.INQUIRE), b"", lambda: True)


def _unseen(*_: object) -> None:
    """No metrics are kept."""


def proved(area: str, reply: Reply | NotStarted, merchant: str = "") -> Finding:
    """What the answer to an inquiry about nothing says about keys, account and the merchant's token."""
    who = f"merchant {merchant!r}" if merchant else "this client"
    match reply:
        case NotFound() | Succeeded() | Declined() | Pending() | Contradicted() | Unfunded():
            return Finding(area, f"Alipay knows {who}, and both sides' keys fit")
        case Misconfigured(code=code, message=message):
            cure = next((row.what_to_do for row in _rows(code)), "ask Alipay's support")
            return Finding(area, f"Alipay refuses {who}: {code} {message}".rstrip(), cure)
        case Unreadable(reason=reason):
            cure = "compare alipay_public_key_files (or alipay_cert_files) with what Alipay's dashboard shows"
            return Finding(area, f"Alipay's answer cannot be trusted: {reason}", cure)
        case Unknown(reason=reason):
            cure = "try again; if it stays so, check base_url and the network, or ask Alipay's support"
            return Finding(area, f"no answer to a signed inquiry: {reason}", cure)
        case Throttled(code=code):
            return Finding(area, f"Alipay is throttling: {code}", "try again later")
        case NotStarted():
            return Finding(area, "no inquiry was made", "try again")
        case _:
            assert_never(reply)


def _rows(code: str) -> Iterator[Row]:
    for table, name in ((ams.INQUIRY_CODES, code), (mainland.INQUIRY_CODES, mainland.normalised(code))):
        if (row := table.get(name)) is not None:
            yield row


def _split(text: str) -> tuple[str, str]:
    what, _, cure = text.partition("; ")
    return what, cure or "correct it"
