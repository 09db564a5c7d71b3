"""Secrets are planted wherever a worker has or meets one; then everything that it wrote is searched for them."""

import asyncio
import os
import re
import signal
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.broker.harness import World, key_pairs, mode, refund, world
from tests.broker.settings_file import CLIENT_ID, toml
from tests.security.leaks import leaks, lines_of
from tests.security.rights import give
from tests.security.secured import PASSWORD, Secured
from worker.demo.local import free_port
from worker.kafka.topics import plans
from worker.settings import Settings, SettingsWrong, accounts, command_limits, load
from worker.simulator.accounts import AppSettings, app

V2, V3 = "2021000000000002", "2021000000000003"
APPS: Final = {"v2": V2, "v3": V3}

TOKENS: Final = {
    "agent token": "agents-planted-token-81f0c2d4e5",
    "v2 token": "202511V2planted6b5a6a0c1d8f5f0a31cdX42",
    "v3 token": "202511V3planted0f31c3d84c41a8ba2b5bX42",
}
CONSOLE: Final = "planted-console-token-9d2b7c41e8f05a36"
STRANGERS: Final = "202511Strangers2ba2b77cplanted8e6a0dX42"
"""The token of a merchant that nobody here knows, in commands."""

BUYER: Final = {"buyer's account": b"159****5620", "buyer's number": b"2088000000000001"}
"""What the simulated Alipay tells of the buyer, in answers and in notifications."""

# Every way in which Alipay answers; those that halt a channel come last.
MODES: Final[Sequence[Mapping[str, Any]]] = (
    *({"mode": name} for name in ("normal", "cut_after", "cut_within", "unknown_after", "throttle")),
    *({"mode": name} for name in ("in_process_then_success", "gbk", "garbled", "http_502", "duplicated")),
    *(
        {"mode": name}
        for name in ("unsigned_f", "unsigned_s", "wrong_signature", "wrong_echo", "process_fail")
    ),
    {"mode": "decline", "code": "REFUND_WINDOW_EXCEED"},
    {"mode": "decline", "code": "PLANTED_NO_SUCH_CODE"},
    {"mode": "refuse", "code": "INVALID_SIGNATURE"},
)


def secrets() -> dict[str, bytes]:
    """All that is planted, by name."""
    (private, _), (alipays, _) = key_pairs()
    return {
        "private key": lines_of(private),
        "Alipay's private key": lines_of(alipays),
        "SASL password": PASSWORD.encode(),
        "console token": CONSOLE.encode(),
        "stranger's token": STRANGERS.encode(),
        **{name: token.encode() for name, token in TOKENS.items()},
        **BUYER,
    }


@dataclass(slots=True)
class Written:
    """What was searched, by place, and what was found there."""

    found: dict[str, set[str]] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)

    def search(self, place: str, content: bytes | None) -> None:
        self.searched.add(place)
        if content and (found := leaks(secrets(), content)):
            self.found.setdefault(place, set()).update(found)


def sections(folder: Path, notify_port: int) -> dict[str, dict[str, Any]]:
    """Settings with a secret in every file that can hold one."""
    for name, token in {**TOKENS, "console token": CONSOLE}.items():
        (folder / name.replace(" ", "-")).write_text(f"{token}\n")
    quick = {"attempts_max": 3, "submit_for_s": 1.0}
    mainland = {"type": "mainland", "payment_spacing_s": 0.0, **quick}
    return {
        "channels.global": {"agent_token_file": str(folder / "agent-token"), **quick},
        "channels.v2": {**mainland, "app_id": V2, "app_auth_token_file": str(folder / "v2-token")},
        "channels.v3": {
            **mainland, "api": "v3", "app_id": V3, "app_auth_token_file": str(folder / "v3-token"),
        },
        "notifications": {"enabled": True, "port": notify_port},
        "console": {"enabled": True, "port": 0, "token_file": str(folder / "console-token")},
        "shapes": {"channel": "v2"},
        "log": {"level": "DEBUG", "format": "json"},
    }  # fmt: skip


@pytest.fixture
def notify_port() -> int:
    return free_port()


async def planted(here: World, notify_port: int) -> None:
    """Alipay knows the tokens, and asks for them; it tells of the mainland's refunds by itself."""
    (_, merchants), _ = key_pairs()
    known = here.simulator.endpoint.accounts
    known.agent_tokens[CLIENT_ID] = {TOKENS["agent token"]}
    for channel, app_id in APPS.items():
        url = f"http://127.0.0.1:{notify_port}/notify/{channel}"
        known.apps[app_id] = app(AppSettings(merchants, tokens=(TOKENS[f"{channel} token"],), notify_url=url))


def on(channel: str, name: str, **more: Any) -> dict[str, Any]:
    """A command for this channel."""
    currency = "USD" if channel == "global" else "CNY"
    amount = {"currency": currency, "value": "100"}
    options = {} if channel == "global" else {"queryOptions": ["refund_detail_item_list"]}
    return refund(name, channel=channel, **{"refundAmount": amount, **options, **more})


async def ask_everything(here: World) -> list[str]:
    """A refund per channel and way of answering; the ids that Alipay must be asked about."""
    asked = []
    for number, how in enumerate(MODES):
        for channel in ("global", *APPS):
            asked.append(name := f"{channel}-{number}")
            here.simulator.behaviour.script(name, mode(**_mode(how)))
            await here.ask(on(channel, name))
    return asked


def _mode(how: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": how["mode"], **{key: value for key, value in how.items() if key != "mode"}}


async def write_tokens(here: World) -> int:
    """Commands that carry a token: known, unknown, and in forms that nobody can read as a command."""
    shape = ("ce_type", b"cloud.payment.common.refund.v1")
    binary = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/o"), shape)
    structured = (("content-type", b"application/cloudevents+json"),)
    plain = orjson.dumps({"outTradeNo": "order-1", "refundAmount": "1.00", "appAuthToken": STRANGERS})
    wrong = orjson.dumps({"outTradeNo": "order-2", "refundAmount": "1.00", "appAuthToken": [STRANGERS]})
    escaped = plain.replace(b"appAuthToken", b"app\\u0041uthToken").replace(b"202511S", b"\\u003202511S")
    event = b'{"specversion":"1.0","id":"1","source":"/o","type":"refund.requested.v1","data_base64":"%b"}'
    cases: Sequence[tuple[bytes, Sequence[tuple[str, bytes | None]]]] = (
        (plain, binary),
        (wrong, binary),
        (escaped, binary),
        (plain.decode().encode("utf-16"), ()),
        (event % b64encode(plain), structured),
        (plain[:-1], ()),
        (b"app_auth_token=" + STRANGERS.encode(), ()),
        (b"no command", (("app-auth-token", STRANGERS.encode()), ("body", plain))),
        (orjson.dumps(on("global", "r", refundReason="x" * 9999, appAuthToken=STRANGERS)), ()),
    )
    for number, (value, headers) in enumerate(cases):
        await here.write(value, number % here.partitions, key=f"{number}".encode(), headers=headers)
    known = orjson.dumps(
        {"outTradeNo": "known-1", "refundAmount": "1.00", "appAuthToken": TOKENS["v2 token"]}
    )
    await here.write(known, 0, key=b"known-1", headers=binary)
    return len(cases)


async def wrong_files(here: World, pid: int, log: Path) -> None:
    """Secrets land in the wrong files while the worker runs, it is told to look, and they are put right."""
    alipays, token = here.folder / "alipay.pem", here.folder / "v3-token"
    before = alipays.read_bytes(), token.read_bytes()
    alipays.write_bytes((here.folder / "merchant.pem").read_bytes())
    token.write_bytes(TOKENS["v3 token"].encode() * 9)
    os.kill(pid, signal.SIGHUP)
    await here.until(lambda: "characters" in log.read_text(), "what is wrong with the files is said")
    alipays.write_bytes(before[0])
    token.write_bytes(before[1])
    os.kill(pid, signal.SIGHUP)


async def said_by(*words: str, config: Path, **environ: str) -> bytes:
    """All that a command writes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *words, "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environ},
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return out


async def content_of_topics(here: World) -> dict[str, bytes]:
    """By topic: keys, headers and values of all records, aborted ones too."""
    parts = [
        TopicPartition(plan.name, number)
        for plan in plans(here.settings)
        for number in range(plan.partitions)
    ]
    reader = AIOKafkaConsumer(bootstrap_servers=here.bootstrap_servers, auto_offset_reset="earliest")
    found: dict[str, list[bytes]] = {part.topic: [] for part in parts}
    await reader.start()
    try:
        reader.assign(parts)
        ends = await reader.end_offsets(parts)
        while any([await reader.position(part) < end for part, end in ends.items()]):
            for part, batch in (await reader.getmany(timeout_ms=200)).items():
                for record in batch:
                    headers = [text for name, value in record.headers for text in (name.encode(), value)]
                    found[part.topic] += [text for text in (record.key, record.value, *headers) if text]
    finally:
        await reader.stop()
    return {topic: b"\n".join(texts) for topic, texts in found.items()}


async def served(log: str) -> list[tuple[str, bytes]]:
    """What the worker's pages say to anybody, and the console to who has signed in."""
    (operations,) = re.findall(r"metrics and health at (http://[0-9.:]+)", log)
    (console,) = re.findall(r"console is at (http://[0-9.:]+)", log)
    found: list[tuple[str, bytes]] = []
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": console}
    ) as session:

        async def ask(url: str, body: object = None, **headers: str) -> bytes:
            method = "GET" if body is None else "POST"
            async with session.request(method, url, json=body, headers=headers) as answer:
                content = await answer.read()
            found.append((url, content + repr(answer.headers).encode()))
            return content

        for page in ("/metrics", "/ready", "/live"):
            await ask(f"{operations}{page}")
        await ask(f"{console}/api/session", {"token": CONSOLE[:-1], "who": "somebody"})
        opened = await ask(f"{console}/api/session", {"token": CONSOLE, "who": "somebody"})
        half = {"X-Console-Page": str(orjson.loads(opened)["page"])}
        for name in (
            "overview",
            "refunds",
            "refunds/v2-0",
            "refunds/v3-0/history",
            "refunds/global-4/history",
        ):
            await ask(f"{console}/api/{name}", **half)
        await ask(f"{console}/api/refunds/v2-4/instructions", {"token": CONSOLE}, **half)
    return found


@pytest.mark.timeout(900)
async def test_no_secret_is_written_anywhere(
    secured: Secured, topic_prefix: str, tmp_path: Path, notify_port: int
) -> None:
    """Every way of answering on every interface, at debug level; logs, pages, topics, commands' output, crashes."""
    await give(secured.bootstrap_servers, topic_prefix)
    written = Written()
    async with world(
        secured.bootstrap_servers,
        topic_prefix,
        tmp_path,
        sections=sections(tmp_path, notify_port),
        reached=secured.kafka(),
    ) as here:
        await planted(here, notify_port)
        first = await here.started()
        asked = await ask_everything(here)
        letters = await write_tokens(here)
        observed = here.simulator.observed
        await here.until(lambda: set(asked) <= set(observed.by_id), "Alipay is asked about every one")
        await here.until(lambda: len(here.letters) >= letters, "dead letters")
        good = [f"{channel}-0" for channel in ("global", *APPS)]
        await here.until(here.final([*good, "known-1"]), "those without trouble are final")
        await here.simulator.notifier.settled()
        await wrong_files(here, first.pid, first.log)
        for page, content in await served(first.log.read_text()):
            written.search(page, content)
        first.kill()
        await first.ended()
        # Its successor, with logs for people, asks about all that is open; another one is refused.
        console = sections(tmp_path, free_port()) | {"log": {"level": "DEBUG", "format": "console"}}
        second = await here.started(here.configured(**console))
        other = here.configured(**console, kafka={"group_id": f"{topic_prefix}group2"})
        commands = ((("run",), other), (("check",), here.config), (("check", "--json"), here.config))
        for said in await asyncio.gather(*(said_by(*words, config=config) for words, config in commands)):
            written.search("commands", said)
        await second.stop()
        for worker in (first, second):
            written.search(worker.name, worker.log.read_bytes())
        controls = Written()
        for topic, content in (await content_of_topics(here)).items():
            (controls if topic == here.settings.topics.commands else written).search(topic, content)
        assert sum(seen.refunds for seen in observed.by_id.values()) > len(asked)
    # What order systems wrote is where they wrote it: had the scan been blind, it would not be found here.
    assert controls.found == {here.settings.topics.commands: {"stranger's token", "v2 token"}}
    topics = here.settings.topics
    assert {topics.results, topics.ledger, topics.dead_letters, topics.signals} <= written.searched
    assert written.found == {}


WRONG: Final[Mapping[str, str]] = {
    "a value instead of a file": f'[kafka]\nsasl_password = "{PASSWORD}"\n',
    "a password as its file's name": f'[kafka]\nsasl_password_file = "{PASSWORD}"\n',
    "a token as its file's name": f'[channels.v2]\napp_auth_token_file = "{TOKENS["v2 token"]}"\n',
    "a console token as its file's name": f'[console]\nenabled = true\ntoken_file = "{CONSOLE}"\n',
    "no TOML": f"[kafka]\nsasl_password = {PASSWORD}\n",
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_show_no_secret(tmp_path: Path, case: str) -> None:
    config = tmp_path / "worker.toml"
    config.write_text(WRONG[case])
    with pytest.raises(SettingsWrong) as wrong:
        load(config, {})
    assert not leaks(secrets(), str(wrong.value).encode())


def test_a_key_in_place_of_its_files_name_is_not_shown(tmp_path: Path) -> None:
    (private, _), _ = key_pairs()
    config = tmp_path / "worker.toml"
    for key in (private.decode(), lines_of(private).decode()):
        config.write_text(f"[channels.global]\nprivate_key_file = {orjson.dumps(key).decode()}\n")
        with pytest.raises(SettingsWrong) as wrong:
            load(config, {})
        assert not leaks(secrets(), str(wrong.value).encode())


@pytest.mark.parametrize("name", ["WORKER_KAFKA__SASL_PASSWORD", "WORKER_KAFKA__SASL_PASSWORD_FILE"])
def test_wrong_variables_show_no_secret(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        load(tmp_path / "none.toml", {name: PASSWORD})
    assert not leaks(secrets(), str(wrong.value).encode())


def _reached(root: object) -> Iterator[object]:
    """Everything of ours that `root` holds, at any depth."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, tuple | list | frozenset | set):
            waiting += one
        elif is_dataclass(one):
            waiting += [getattr(one, each.name) for each in fields(one)]
        elif hasattr(one, "__dict__"):
            waiting += vars(one).values()
        waiting += [getattr(one, name) for name in getattr(type(one), "__slots__", ()) if hasattr(one, name)]


def test_no_value_shows_a_secret_in_its_repr(tmp_path: Path, secured: Secured, notify_port: int) -> None:
    """Settings, and all that is made of them, down to the last object: a log line or a traceback may show any."""
    (merchant, _), (_, alipays) = key_pairs()
    (tmp_path / "merchant.pem").write_bytes(merchant)
    (tmp_path / "alipay.pem").write_bytes(alipays)
    config = tmp_path / "worker.toml"
    chosen = sections(tmp_path, notify_port) | {"kafka": secured.kafka()}
    config.write_text(toml(secured.bootstrap_servers, "p.", tmp_path, "https://127.0.0.1:1", chosen))
    settings: Settings = load(config, {})
    loaded = accounts(settings)
    values = [*_reached(settings), *_reached(loaded), *_reached(command_limits(settings, loaded))]
    held = [value.encode() for value in values if isinstance(value, str)]
    assert any(leaks(secrets(), value) for value in held), "the tokens themselves are there to be shown"
    for value in values:
        if not isinstance(value, str | bytes | Mapping):
            for text in (repr(value), str(value), f"{value}"):
                assert not leaks(secrets(), text.encode()), type(value)
