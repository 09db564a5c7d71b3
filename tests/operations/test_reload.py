"""Changed files and SIGHUP, with real files, a real gateway and a server that says what reached it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from typing_extensions import override

from tests.alipay.raw_server import Peer, serving
from tests.alipay.sample import COMMAND, REFUND, RESPONSE_TIME, SUBMIT, refunded
from tests.alipay.test_gateway import headers_of
from tests.settings.files import ALIPAY_PRIVATE, MINIMAL, PRIVATE, PUBLIC, written
from worker.alipay.ams.content import refund_body
from worker.alipay.ams.signing import signature_header, signature_in, string_to_sign
from worker.alipay.channel import Channel
from worker.alipay.gateway import ChannelGateway
from worker.alipay.keys import load_private_key, load_public_key, new_key_pair
from worker.alipay.signing import Signer, Verifier
from worker.operations.reload import Reloading
from worker.refunds.reply import Succeeded, Unreadable
from worker.settings import Settings, Source, accounts

CLIENT_ID = "PRODUCTION_1"
BODY = refund_body(COMMAND)
NEXT_PRIVATE, NEXT_PUBLIC = new_key_pair()
NEXT_ALIPAY_PRIVATE, NEXT_ALIPAY_PUBLIC = new_key_pair()
KEYS = {
    "old": Signer(load_private_key(ALIPAY_PRIVATE)),
    "next": Signer(load_private_key(NEXT_ALIPAY_PRIVATE)),
}


OFTEN = "reload_s = 0.001\n"


def put(file: Path, content: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    beside = file.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(file)


@dataclass(frozen=True)
class Counted(Source):
    """A source that says how often it was looked at."""

    looks: list[None] = field(default_factory=list)

    @override
    def content(self) -> bytes:
        self.looks.append(None)
        return super().content()


@dataclass
class Alipay:
    """A server that answers with the key it is told to, once it is told to."""

    signs_with: Signer = KEYS["old"]
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.released.set()

    async def __call__(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.read(reader):
            signer = self.signs_with
            self.reached.set()
            await self.released.wait()
            body = orjson.dumps(refunded())
            signature = signer.sign(string_to_sign("POST", REFUND, CLIENT_ID, RESPONSE_TIME, body))
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nresponse-time: {RESPONSE_TIME}\r\n"
                f"signature: {signature_header(signature)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()


@dataclass
class Bench:
    """A worker's gateways, and what keeps them up to date."""

    folder: Path
    peer: Peer
    alipay: Alipay
    file: Path
    source: Counted
    reloading: Reloading
    gateways: Mapping[str, ChannelGateway]
    failures: list[None] = field(default_factory=list)
    adopted: list[Settings] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, channel: str = "local") -> object:
        return await self.gateways[channel].call(SUBMIT, BODY, lambda: True)

    def write(self, more: str = "", text: str = MINIMAL) -> None:
        """Another settings file, but the keys as they are."""
        text = text.replace("https://alipay.example", self.peer.url)
        put(self.file, (text.format(folder=self.folder) + more).encode())

    def signed_by(self, public: bytes, request: bytes) -> bool:
        headers = headers_of(request)
        signed = string_to_sign("POST", REFUND, CLIENT_ID, headers["request-time"], BODY)
        return Verifier((load_public_key(public),)).verify(signed, signature_in(headers["signature"]))


@asynccontextmanager
async def bench(folder: Path, more: str = "", text: str = MINIMAL) -> AsyncIterator[Bench]:
    alipay = Alipay()
    async with serving(alipay) as peer:
        file = written(folder, more, text.replace("https://alipay.example", peer.url))
        source = Counted(file, {})
        settings = source.load()
        loaded = accounts(settings)
        gateways = {
            name: ChannelGateway(channel, lambda *_: None, time.time, time.monotonic)
            for name, channel in loaded.items()
        }
        failures: list[None] = []
        adopted: list[Settings] = []
        heard = asyncio.Event()

        def adopt(settings: Settings, _: Mapping[str, Channel]) -> None:
            adopted.append(settings)
            heard.set()

        def failed() -> None:
            failures.append(None)
            heard.set()

        reloading = Reloading(source, settings, loaded, gateways, adopt, failed)
        for gateway in gateways.values():
            await gateway.__aenter__()
        try:
            yield Bench(folder, peer, alipay, file, source, reloading, gateways, failures, adopted, heard)
        finally:
            for gateway in gateways.values():
                await gateway.__aexit__()


@asynccontextmanager
async def running(reloading: Reloading) -> AsyncIterator[None]:
    task = asyncio.create_task(reloading.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_under_way_ends_with_its_own_keys_and_the_next_one_uses_the_new(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.alipay.released.clear()
        first = asyncio.create_task(on.call())
        await on.alipay.reached.wait()
        (tmp_path / "private.pem").write_bytes(NEXT_PRIVATE)
        (tmp_path / "alipay.pem").write_bytes(NEXT_ALIPAY_PUBLIC)
        on.write("key_version = 2\n")
        await on.reloading.reload()
        on.alipay.released.set()
        assert isinstance(await first, Succeeded)
        on.alipay.signs_with = KEYS["next"]
        assert isinstance(await on.call(), Succeeded)
    old, new = on.peer.requests
    assert on.signed_by(PUBLIC, old)
    assert on.signed_by(NEXT_PUBLIC, new)
    assert "keyVersion=2" in headers_of(new)["signature"]


async def test_many_calls_and_many_swaps_lose_none(tmp_path: Path) -> None:
    """Both of Alipay's keys are configured throughout, and ours changes to and fro under a stream of calls."""
    (tmp_path / "next.pem").write_bytes(NEXT_ALIPAY_PUBLIC)
    both = MINIMAL.replace('["{folder}/alipay.pem"]', '["{folder}/alipay.pem", "{folder}/next.pem"]')
    async with bench(tmp_path, text=both) as on:

        async def calls() -> list[object]:
            return [await on.call() for _ in range(20)]

        async def swaps() -> None:
            for number in range(10):
                (tmp_path / "private.pem").write_bytes(PRIVATE if number % 2 else NEXT_PRIVATE)
                await on.reloading.reload()
                on.alipay.signs_with = KEYS["old" if number % 2 else "next"]

        swapping = asyncio.create_task(swaps())
        replies = await asyncio.gather(*(calls() for _ in range(5)))
        await swapping
    assert all(isinstance(reply, Succeeded) for some in replies for reply in some)
    assert all(
        on.signed_by(PUBLIC, request) != on.signed_by(NEXT_PUBLIC, request) for request in on.peer.requests
    )


async def test_two_public_keys_are_valid_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as on:
        on.alipay.signs_with = KEYS["next"]
        assert isinstance(await on.call(), Unreadable)
        (tmp_path / "next.pem").write_bytes(NEXT_ALIPAY_PUBLIC)
        on.write(text=MINIMAL.replace('alipay.pem"]', 'alipay.pem", "{folder}/next.pem"]'))
        await on.reloading.reload()
        assert isinstance(await on.call(), Succeeded)
        on.alipay.signs_with = KEYS["old"]
        assert isinstance(await on.call(), Succeeded)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("private.pem", b"rubbish", "private_key_file"),
        ("private.pem", b"", "found nothing"),
        ("alipay.pem", NEXT_PRIVATE, "found a private key"),
        ("alipay.pem", PUBLIC, "expected Alipay's own public key"),
        ("worker.toml", b"[kafka", "not TOML"),
        ("worker.toml", b"", "missing"),
    ],
)
async def test_a_wrong_file_changes_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes, said: str
) -> None:
    async with bench(tmp_path) as on:
        on.write("key_version = 2\n")
        good = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content)
        await on.reloading.reload()
        assert len(on.failures) == 1
        assert "the old ones stay in force" in caplog.text
        assert said in caplog.text
        assert isinstance(await on.call(), Succeeded)
        (tmp_path / name).write_bytes(good)
        await on.reloading.reload()
        assert isinstance(await on.call(), Succeeded)
    before, after = (headers_of(request)["signature"] for request in on.peer.requests)
    assert ("keyVersion=1" in before, "keyVersion=2" in after) == (True, True)
    assert on.signed_by(PUBLIC, on.peer.requests[0])


async def test_one_wrong_channel_holds_back_all(tmp_path: Path) -> None:
    """What belongs together may be spread over channels: it is taken over together."""
    (tmp_path / "other.pem").write_bytes(PRIVATE)
    channel = MINIMAL.partition("[channels.local]")[2].replace("private.pem", "other.pem")
    two = f"{MINIMAL}\n[channels.other]{channel}"
    async with bench(tmp_path, text=two) as on:
        (tmp_path / "private.pem").write_bytes(NEXT_PRIVATE)
        (tmp_path / "other.pem").write_bytes(b"rubbish")
        await on.reloading.reload()
        await on.call("local")
        assert on.signed_by(PUBLIC, on.peer.requests[0])


async def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    text = OFTEN + MINIMAL
    async with bench(tmp_path, text=text) as on, running(on.reloading):
        on.write("key_version = 2\n", text)
        await on.heard.wait()
        await on.call()
    assert "keyVersion=2" in headers_of(on.peer.requests[0])["signature"]


async def test_a_swapped_folder_of_secrets_is_noticed(tmp_path: Path) -> None:
    """As Kubernetes does it: the files are links into `..data`, which is a link to a folder, and is replaced."""
    for version, key in (("v1", PRIVATE), ("v2", NEXT_PRIVATE)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "private.pem").write_bytes(key)
    (tmp_path / "..data").symlink_to("v1")
    text = OFTEN + MINIMAL.replace("/private.pem", "/mounted.pem")
    (tmp_path / "mounted.pem").symlink_to("..data/private.pem")
    async with bench(tmp_path, text=text) as on, running(on.reloading):
        (tmp_path / "..next").symlink_to("v2")
        (tmp_path / "..next").replace(tmp_path / "..data")
        await on.heard.wait()
        await on.call()
    assert on.signed_by(NEXT_PUBLIC, on.peer.requests[0])


async def test_without_a_change_nothing_is_read_again(tmp_path: Path) -> None:
    async with bench(tmp_path, text=OFTEN + MINIMAL) as on, running(on.reloading):
        (tmp_path / "private.pem").touch()
        while len(on.source.looks) < 5:
            await asyncio.to_thread(time.monotonic)
        assert on.adopted == []
        on.reloading.ask()
        await on.heard.wait()
        assert len(on.adopted) == 1


async def test_a_wrong_file_is_reported_once_until_it_changes_again(tmp_path: Path) -> None:
    async with bench(tmp_path, text=OFTEN + MINIMAL) as on, running(on.reloading):
        for number, content in enumerate((b"rubbish", b"other rubbish"), start=1):
            on.heard.clear()
            put(tmp_path / "private.pem", content)
            await on.heard.wait()
            looks = len(on.source.looks)
            while len(on.source.looks) < looks + 5:
                await asyncio.to_thread(time.monotonic)
            assert len(on.failures) == number


async def test_with_no_interval_only_who_asks_is_heard(tmp_path: Path) -> None:
    async with bench(tmp_path, text="reload_s = 0\n" + MINIMAL) as on, running(on.reloading):
        on.reloading.ask()
        await on.heard.wait()
        assert len(on.adopted) == 1


async def test_what_needs_a_restart_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bench(tmp_path) as on:
        with caplog.at_level(logging.INFO):
            on.write("key_version = 2\n\n[stream]\nopen_max = 5\n")
            await on.reloading.reload()
            on.write("key_version = 3\n\n[stream]\nopen_max = 5\n")
            await on.reloading.reload()
    assert caplog.text.count("restart needed for changed settings: stream.open_max") == 2
    assert caplog.text.count("settings reloaded: channels.local.key_version") == 2


async def test_what_is_in_force_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    async with bench(tmp_path) as on:
        on.write(
            f'\n[channels.local.merchants.shop]\nagent_token_file = "{tmp_path}/token"\n[http]\nport = 1\n'
        )
        await on.reloading.reload()
    [settings] = on.adopted
    assert [one.merchant for one in settings.channels["local"].token_files] == ["shop"]
    assert settings.http.port == 8080


async def test_no_key_and_no_token_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "token").write_text("only-for-alipay")
    async with bench(tmp_path, f'agent_token_file = "{tmp_path}/token"\n') as on:
        with caplog.at_level(logging.DEBUG):
            (tmp_path / "token").write_text("only-for-alipay\nonly-for-alipay")
            await on.reloading.reload()
            (tmp_path / "private.pem").write_bytes(NEXT_PRIVATE[:400])
            await on.reloading.reload()
    assert len(on.failures) == 2
    assert "only-for-alipay" not in caplog.text
    assert NEXT_PRIVATE[60:100].decode() not in caplog.text
