"""Several channels and merchants at once: none feels another's limits, terms, tokens or keys."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

from tests.alipay.raw_server import always, serving
from tests.alipay.sample import COMMAND
from tests.alipay.test_gateway import headers_of
from tests.settings.files import ALIPAY_PUBLIC, MAINLAND, MINIMAL, PRIVATE, PUBLIC, written
from worker.alipay.gateway import ChannelGateway
from worker.alipay.keys import load_public_key, new_key_pair
from worker.alipay.mainland.v2 import string_to_sign
from worker.alipay.signing import Verifier
from worker.operations.reload import Reloading
from worker.refunds.attempt import Attempt
from worker.refunds.command import Command
from worker.refunds.money import Money
from worker.refunds.policy import Terms
from worker.settings import Settings, Source, accounts

BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
RUBBISH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CN = Command("r-1", "r-1", "2026112222001400000000000001", Money("CNY", 100), "cn")
CN_PRIVATE, CN_PUBLIC = new_key_pair()


def two(url_local: str, url_cn: str, local: str = "", cn: str = "") -> str:
    """A global and a mainland channel with a key each. `local`, `cn`: more settings of theirs."""
    mainland = MAINLAND.replace('[kafka]\nbootstrap_servers = "127.0.0.1:9092"\n', "").replace(
        "private.pem", "cn.pem"
    )
    return (
        f'{MINIMAL.replace("https://alipay.example", url_local)}{local}{mainland}base_url = "{url_cn}"\n{cn}'
    )


def settings(folder: Path, text: str) -> Settings:
    (folder / "cn.pem").write_bytes(CN_PRIVATE)
    return Source(written(folder, text=text), {}).load()


@asynccontextmanager
async def opened(of: Settings) -> AsyncIterator[Mapping[str, ChannelGateway]]:
    gateways = {
        name: ChannelGateway(channel, lambda *_: None, time.time, time.monotonic)
        for name, channel in accounts(of).items()
    }
    for gateway in gateways.values():
        await gateway.__aenter__()
    try:
        yield gateways
    finally:
        for gateway in gateways.values():
            await gateway.__aexit__()


async def refund(gateway: ChannelGateway, command: Command) -> object:
    return await gateway.call(Attempt(command), gateway.pin(command).body, lambda: True)


async def test_the_throttling_of_one_channel_does_not_slow_another(tmp_path: Path) -> None:
    async with serving(always(BUSY)) as busy, serving(always(RUBBISH)) as idle:
        text = two(busy.url, idle.url, local="pace_rate_min = 3\n", cn="pace_rate_min = 2\n")
        async with opened(settings(tmp_path, text)) as gateways:
            await refund(gateways["local"], COMMAND)
            await refund(gateways["cn"], CN)
            assert (gateways["local"].rate, gateways["cn"].rate) == (3, None)
            gateways["cn"].resumed()
            assert gateways["cn"].rate == 2, "each ramps up from its own least rate"


async def test_each_channel_has_its_own_terms(tmp_path: Path) -> None:
    text = two("http://127.0.0.1:1", "http://127.0.0.1:2", local="attempts_max = 7\n", cn="quiet_s = 99\n")
    async with opened(settings(tmp_path, text)) as gateways:
        assert gateways["local"].terms == Terms(asynchronous=False, attempts_max=7)
        cn = gateways["cn"].terms
        assert (cn.quiet_s, cn.attempts_max, cn.payment_spacing_s) == (99, 120, 3)


async def test_a_reload_of_one_channel_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    async with serving(always(BUSY)) as busy, serving(always(RUBBISH)) as idle:
        start = settings(tmp_path, two(busy.url, idle.url))
        async with opened(start) as gateways:
            await refund(gateways["local"], COMMAND)
            rate, terms = gateways["local"].rate, gateways["local"].terms
            reloading = Reloading(
                Source(tmp_path / "worker.toml", {}),
                start,
                accounts(start),
                gateways,
                lambda *_: None,
                lambda: None,
            )
            settings(tmp_path, two(busy.url, idle.url, cn="quiet_s = 99\n"))
            (tmp_path / "cn.pem").write_bytes(PRIVATE)
            await reloading.reload()
            assert (gateways["local"].rate, gateways["local"].terms) == (rate, terms)
            assert gateways["cn"].terms.quiet_s == 99
            await refund(gateways["cn"], CN)
    assert signed_by(PUBLIC, form(idle.requests[-1]))


async def test_each_call_is_signed_by_its_channel_and_carries_its_merchants_token(tmp_path: Path) -> None:
    for name in ("local-shop", "cn-shop", "cn-all"):
        (tmp_path / name).write_text(f"token-of-{name}")
    local = f'[channels.local.merchants.shop]\nagent_token_file = "{tmp_path}/local-shop"\n'
    cn = (
        f'app_auth_token_file = "{tmp_path}/cn-all"\n'
        f'[channels.cn.merchants.shop]\napp_auth_token_file = "{tmp_path}/cn-shop"\n'
    )
    async with (
        serving(always(RUBBISH)) as ams,
        serving(always(RUBBISH)) as openapi,
        opened(settings(tmp_path, two(ams.url, openapi.url, local, cn))) as gateways,
    ):
        for merchant in ("shop", "", "another"):
            await refund(gateways["local"], replace(COMMAND, merchant=merchant))
            await refund(gateways["cn"], replace(CN, merchant=merchant))
    assert [headers_of(request).get("agent-token") for request in ams.requests] == [
        "token-of-local-shop",
        None,
        None,
    ]
    forms = [form(request) for request in openapi.requests]
    assert [one["app_auth_token"] for one in forms] == [
        "token-of-cn-shop",
        "token-of-cn-all",
        "token-of-cn-all",
    ]
    assert all(signed_by(CN_PUBLIC, one) for one in forms)
    assert not any(signed_by(key, one) for one in forms for key in (PUBLIC, ALIPAY_PUBLIC))


def form(request: bytes) -> dict[str, str]:
    body = request.partition(b"\r\n\r\n")[2].decode()
    return {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}


def signed_by(public: bytes, parameters: Mapping[str, str]) -> bool:
    return Verifier((load_public_key(public),)).verify(string_to_sign(parameters), parameters["sign"])
