"""What the tests set up: both sides' keys, the worker's interfaces, the simulated Alipay, and one that says what it is
told to. The keys are those of the vectors.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web

from tests.alipay.sample import ALIPAY, ALIPAY_PUBLIC, MERCHANT
from tests.conftest import not_run
from tests.interop.sdks import (
    BEIJING,
    COMMUNITY,
    GLOBAL,
    GLOBAL_OLD,
    NODE,
    OFFICIAL,
    NoSdk,
    Process,
    Sdk,
    Sdks,
)
from tests.interop.texts import APP_ID, CLIENT_ID, KEYS
from worker.alipay.ams.content import inquiry_body as ams_inquiry_body
from worker.alipay.ams.interface import AmsInterface
from worker.alipay.interface import Answer, Interface, Keys
from worker.alipay.mainland.certificates import Certificates
from worker.alipay.mainland.content import inquiry_body
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.refunds.attempt import Attempt, Stage
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.reply import Reply
from worker.simulator import AlipaySimulator

PAIR: Final = Keys(MERCHANT, ALIPAY_PUBLIC)


@dataclass(frozen=True, slots=True)
class Peer:
    """An SDK that speaks one of the interfaces: "ams", "v2" or "v3"."""

    id: str
    sdk: Sdk
    interface: str


PEERS: Final = (
    Peer("global-open-sdk-python", GLOBAL, "ams"),
    Peer("global-open-sdk-python-old", GLOBAL_OLD, "ams"),
    Peer("alipay-sdk-python", OFFICIAL, "v2"),
    Peer("python-alipay-sdk", COMMUNITY, "v2"),
    Peer("npm-v2", NODE, "v2"),
    Peer("npm-v3", NODE, "v3"),
)


def interface(
    name: str, account: str = "", token: str = "", certificates: Certificates | None = None
) -> Interface:
    """The worker's own."""
    tokens = {"": token} if token else {}
    if name == "ams":
        account = account or CLIENT_ID
        environment = "sandbox" if account.startswith("SANDBOX_") else "production"
        return AmsInterface(account, environment, PAIR, agent_tokens=tokens)
    kind = MainlandV2 if name == "v2" else MainlandV3
    return kind(account or APP_ID, "production", PAIR, tokens, certificates)


def refund(name: str, number: str, value: int = 100) -> Command:
    """One of payment pay-1, or of order O1."""
    if name == "ams":
        return Command(
            number, number, "pay-1", Money("USD", value), "global", reason="退款 ￥1.00 50% off & more"
        )
    reason = "商品质量问题 50% off & more = ok"
    return Command(number, number, "", Money("CNY", value), "cn", order_number="O1", reason=reason)


def content(name: str, command: Command, operation: str) -> dict[str, Any]:
    """What an SDK is told to ask for, so that it is what the worker asks for."""
    if operation == "refund":
        body = interface(name).body(command)
    elif name == "ams":
        body = ams_inquiry_body(command.provider_request_id)
    else:
        body = inquiry_body(command)
    read: dict[str, Any] = json.loads(body)
    return read


@dataclass(slots=True)
class Canned:
    """An Alipay that gives one answer to whatever comes, and keeps that."""

    url: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    came: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    """Path with query, headers by their lower-case names, body."""

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.came.append((request.raw_path, headers, await request.read()))
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@dataclass(frozen=True, slots=True)
class Stand:
    """Both sides, and what stands between them."""

    sdks: Sdks
    simulator: AlipaySimulator
    canned: Canned
    session: aiohttp.ClientSession

    def sdk(self, sdk: Sdk, timezone: str = BEIJING) -> Process:
        """Ends the test as not run if there is none."""
        try:
            return self.sdks.get(sdk, timezone)
        except NoSdk as missing:
            not_run(str(missing))

    async def theirs(
        self,
        peer: Peer,
        operation: str,
        command: Command,
        *,
        url: str = "",
        timezone: str = BEIJING,
        **more: Any,
    ) -> dict[str, Any]:
        """An SDK's call, of the simulator unless told otherwise: the fields it gives out. Raises SdkError."""
        arguments: dict[str, Any] = {
            "url": self._url(peer, url or self.simulator.url),
            "account": CLIENT_ID if peer.interface == "ams" else APP_ID,
            "private_key": KEYS["merchant"]["private_pkcs1_der_b64"],
            "public_key": KEYS["alipay_simulated"]["public_spki_der_b64"],
            "operation": operation,
            "content": content(peer.interface, command, operation),
        }
        if peer.sdk is NODE:
            arguments["interface"] = peer.interface
        text = await self.sdk(peer.sdk, timezone).ask("call", **{**arguments, **more})
        fields: dict[str, Any] = json.loads(text)
        return fields

    async def ours(
        self, speaker: Interface, command: Command, stage: Stage, now: float, url: str = ""
    ) -> Reply:
        """The worker's call, and what it reads in the answer."""
        request = speaker.request(Attempt(command, stage), speaker.body(command), now)
        headers = {**request.headers, "Content-Type": request.content_type}
        target = (url or self.simulator.url) + request.target
        async with self.session.post(target, data=request.body, headers=headers) as response:
            given = {name.lower(): value for name, value in response.headers.items()}
            read = {name: value for name, value in given.items() if name in speaker.answer_headers}
            answer = Answer(response.status, await response.read(), read)
        return speaker.read(request, answer, command)

    def moved(self, number: str) -> list[Money]:
        """What the simulator's books moved under this number."""
        return [movement.amount for movement in self.simulator.ledger.moved(number)]

    @staticmethod
    def _url(peer: Peer, url: str) -> str:
        return f"{url}/gateway.do" if peer.sdk in {OFFICIAL, COMMUNITY} else url


__all__ = ["ALIPAY", "PEERS", "Canned", "Peer", "Stand", "content", "interface", "refund"]
