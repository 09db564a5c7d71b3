"""Looks at everything a worker needs before it starts, and says all that is wrong at once, each with its cure."""

import asyncio
import email.utils
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final, assert_never

import aiohttp

from worker.alipay.ams.codes import INQUIRY_CODES
from worker.alipay.channel import Channel
from worker.alipay.gateway import ChannelGateway
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
from worker.settings import Settings, SettingsWrong
from worker.settings.account import account

CLOCK_OFF_MAX_S: Final = 30.0
"""Alipay does not say how far a request-time may be off; leases and quiet times need far less than this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `cure` is "" exactly if it is as it should be."""

    area: str
    text: str
    cure: str = ""

    @property
    def good(self) -> bool:
        return not self.cure


async def check(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding, in the order of the areas; those of one area do not wait for another's."""
    areas = [asyncio.create_task(_kafka(settings)), asyncio.create_task(_topics(settings))]
    areas += [asyncio.create_task(_channel(name, settings)) for name in settings.channels]
    try:
        for area in areas:
            for finding in await area:
                yield finding
    finally:
        for area in areas:
            area.cancel()


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
    ]


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
    area = f"channels.{name}"
    try:
        loaded = account(name, settings.channels[name])
    except SettingsWrong as unusable:
        return [Finding(area, *_split(str(problem))) for problem in unusable.problems]
    keys = loaded.interface.keys
    bits = keys.signer.key.key_size
    readable = f"keys readable: ours {keys.signer.fingerprint} ({bits} bits), Alipay's "
    found = [Finding(area, readable + ", ".join(keys.verifier.fingerprints))]
    return [*found, *await _reached(area, loaded)]


async def _reached(area: str, loaded: Channel) -> list[Finding]:
    reach, proof = await asyncio.gather(_greet(area, loaded), _ask(area, loaded))
    # One broken connection is one finding.
    return reach if any(not one.good for one in reach) and not proof.good else [*reach, proof]


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


async def _ask(area: str, loaded: Channel) -> Finding:
    """A signed inquiry about a refund that does not exist: the answer proves both sides' keys, and moves nothing."""
    nobody = f"check-{uuid.uuid4().hex}"
    command = Command(nobody, nobody, nobody, Money("USD", 1), loaded.name)
    async with ChannelGateway(loaded, lambda *_: None, time.time, time.monotonic) as gateway:
        reply = await gateway.call(Attempt(command, stage=Stage.INQUIRE), b"", lambda: True)
    return proved(area, reply)


def proved(area: str, reply: Reply | NotStarted) -> Finding:
    """What the answer to an inquiry about nothing says about keys and account."""
    match reply:
        case NotFound() | Succeeded() | Declined() | Pending() | Contradicted() | Unfunded():
            return Finding(area, "Alipay knows this client, and both sides' keys fit")
        case Misconfigured(code=code, message=message):
            row = INQUIRY_CODES.get(code)
            cure = row.what_to_do if row is not None else "ask Alipay's support"
            return Finding(area, f"Alipay refuses this client: {code} {message}".rstrip(), cure)
        case Unreadable(reason=reason):
            cure = "compare alipay_public_key_files with the key in Alipay's dashboard"
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


def _split(text: str) -> tuple[str, str]:
    what, _, cure = text.partition("; ")
    return what, cure or "correct it"
