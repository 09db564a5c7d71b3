"""Calls that work: what is on the wire, what is believed, and when the caller is asked for the last time."""

import asyncio
import gzip
import os
import sys
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.alipay.gateways import BODY, CALLS, NOW, Asked, Observed, call, changed, gateway
from tests.alipay.raw_server import Peer, always, answering, serving
from tests.alipay.sample import (
    ALIPAY,
    CLIENT_ID,
    COMMAND,
    INQUIRE,
    INQUIRY,
    MERCHANT,
    MERCHANT_PUBLIC,
    REFUND,
    RESPONSE_TIME,
    SUBMIT,
    http_answer,
    inquired,
    refunded,
    result,
    signature_of,
)
from worker.alipay.ams.signing import signature_header, signature_in, string_to_sign
from worker.alipay.gateway import ChannelGateway
from worker.alipay.interface import Keys
from worker.alipay.signing import Verifier
from worker.refunds.attempt import Attempt
from worker.refunds.command import Cause
from worker.refunds.entry import Pin
from worker.refunds.reply import (
    Misconfigured,
    NotStarted,
    Pending,
    Succeeded,
    Throttled,
    Unknown,
    Unreadable,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SANDBOX_ID = f"SANDBOX_{CLIENT_ID}"
CALL_ONCE = """
import asyncio, sys
from tests.alipay.gateways import call, gateway

async def told(url):
    async with gateway(url) as to:
        return type(await call(to)).__name__

print(asyncio.run(told(sys.argv[1])), end="")
"""


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


class TestRequest:
    async def test_a_refund_is_signed_over_exactly_what_is_sent(self) -> None:
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            reply = await call(to)
        assert isinstance(reply, Succeeded)
        [request] = peer.requests
        assert request.startswith(b"POST /ams/api/v1/payments/refund HTTP/1.1\r\n")
        assert request.endswith(b"\r\n\r\n" + BODY)
        headers = headers_of(request)
        assert headers["request-time"] == str(int(NOW * 1000)) == "1685599933871"
        signed = string_to_sign("POST", REFUND, CLIENT_ID, headers["request-time"], BODY)
        assert MERCHANT_PUBLIC.verify(signed, signature_in(headers["signature"]))
        assert headers["signature"].startswith("algorithm=RSA256,keyVersion=1,signature=")
        assert headers["client-id"] == CLIENT_ID
        assert headers["content-type"] == "application/json; charset=UTF-8"
        assert "cookie" not in headers
        assert "agent-token" not in headers

    async def test_an_inquiry_asks_by_our_id(self) -> None:
        async with (
            serving(always(http_answer(inquired("PROCESSING"), INQUIRY))) as peer,
            gateway(peer.url) as to,
        ):
            assert await call(to, INQUIRE) == Pending("PROCESSING")
        [request] = peer.requests
        assert request.startswith(b"POST /ams/api/v1/payments/inquiryRefund HTTP/1.1\r\n")
        assert request.endswith(b'\r\n\r\n{"refundRequestId":"order-7-refund-1"}')

    async def test_a_sandbox_client_uses_and_signs_the_sandbox_path(self) -> None:
        path = "/ams/sandbox/api/v1/payments/refund"
        async with (
            serving(always(http_answer(refunded(), path, SANDBOX_ID))) as peer,
            gateway(peer.url, account=SANDBOX_ID, environment="sandbox") as to,
        ):
            assert isinstance(await call(to), Succeeded)
        [request] = peer.requests
        headers = headers_of(request)
        signed = string_to_sign("POST", path, SANDBOX_ID, headers["request-time"], BODY)
        assert request.startswith(f"POST {path} ".encode())
        assert MERCHANT_PUBLIC.verify(signed, signature_in(headers["signature"]))

    async def test_the_agent_token_is_sent_when_there_is_one(self) -> None:
        async with (
            serving(always(http_answer(refunded()))) as peer,
            gateway(peer.url, agent_tokens={"": "agent-1"}) as to,
        ):
            await call(to)
        assert headers_of(peer.requests[0])["agent-token"] == "agent-1"

    @pytest.mark.parametrize("stage", [SUBMIT, INQUIRE], ids=["refund", "inquiry"])
    async def test_the_commands_trace_is_sent_but_not_what_its_tracing_system_says(
        self, stage: Attempt
    ) -> None:
        traced = replace(COMMAND, cause=Cause("order-1", traceparent=TRACEPARENT, tracestate="shop=1"))
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            await call(to, replace(stage, command=traced))
            await call(to, stage)
        first, second = map(headers_of, peer.requests)
        assert first["traceparent"] == TRACEPARENT
        assert "tracestate" not in first
        assert "traceparent" not in second

    async def test_one_connection_serves_many_calls(self) -> None:
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            replies = [await call(to) for _ in range(5)]
        assert {type(reply) for reply in replies} == {Succeeded}
        assert (peer.connections, len(peer.requests)) == (1, 5)

    async def test_no_cookie_is_kept(self) -> None:
        answer = http_answer(refunded(), extra="Set-Cookie: session=1; Path=/\r\n")
        async with serving(always(answer)) as peer, gateway(peer.url) as to:
            await call(to)
            await call(to)
        assert "cookie" not in headers_of(peer.requests[1])

    async def test_a_proxy_in_the_environment_is_ignored(self) -> None:
        """Or a variable set for something else would carry refunds through a stranger."""
        nobody = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:1")
        async with serving(always(http_answer(refunded()))) as peer:
            program = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CALL_ONCE, peer.url),
                env={**os.environ, **nobody},
                stdout=asyncio.subprocess.PIPE,
            )
            told, _ = await program.communicate()
        assert told == b"Succeeded"
        assert len(peer.requests) == 1

    def test_a_refund_is_pinned_to_channel_account_environment_and_bytes(self) -> None:
        to = gateway("http://127.0.0.1:1")
        assert to.pin(COMMAND) == Pin("global", CLIENT_ID, "production", BODY)

    async def test_what_is_sent_is_the_pinned_body_not_a_new_one(self) -> None:
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            await to.call(SUBMIT, b'{"pinned":"earlier"}', lambda: True)
        assert peer.requests[0].endswith(b'\r\n\r\n{"pinned":"earlier"}')


class TestAnswer:
    """A real HTTP server, so that headers and encodings are as others write them."""

    @staticmethod
    async def told(
        body: bytes, headers: list[tuple[str, str]], observed: Observed | None = None, status: int = 200
    ) -> object:
        async def handler(request: web.Request) -> web.Response:
            response = web.Response(body=body, status=status)
            for name, value in headers:
                response.headers.add(name, value)
            return response

        app = web.Application()
        app.router.add_post(REFUND, handler)
        async with TestServer(app) as server, gateway(str(server.make_url("/")), observed) as to:
            return await call(to)

    @staticmethod
    def signed(body: bytes) -> list[tuple[str, str]]:
        return [("response-time", RESPONSE_TIME), ("signature", signature_of(body))]

    async def test_a_signed_answer_is_believed(self) -> None:
        body, observed = orjson.dumps(refunded()), Observed()
        assert isinstance(await self.told(body, self.signed(body), observed), Succeeded)
        [(operation, reply, phase)] = observed.calls
        assert (operation, type(reply), phase) == ("refund", Succeeded, None)

    async def test_one_changed_byte_is_enough_not_to_be_believed(self) -> None:
        body, observed = orjson.dumps(refunded()), Observed()
        reply = await self.told(body.replace(b"1050", b"1051"), self.signed(body), observed)
        assert isinstance(reply, Unreadable)
        assert observed.phases == ["signature"]

    async def test_a_signature_by_another_key_is_not_believed(self) -> None:
        """Above all not by our own: taking one's own public key for Alipay's is the commonest mistake."""
        body = orjson.dumps(refunded())
        own = signature_header(MERCHANT.sign(string_to_sign("POST", REFUND, CLIENT_ID, RESPONSE_TIME, body)))
        reply = await self.told(body, [("response-time", RESPONSE_TIME), ("signature", own)])
        assert isinstance(reply, Unreadable)

    async def test_a_signature_for_another_path_is_not_believed(self) -> None:
        body = orjson.dumps(refunded())
        headers = [("response-time", RESPONSE_TIME), ("signature", signature_of(body, INQUIRY))]
        assert isinstance(await self.told(body, headers), Unreadable)

    @pytest.mark.parametrize("name", ["signature", "response-time"])
    async def test_a_header_given_twice_is_not_believed(self, name: str) -> None:
        body = orjson.dumps(refunded())
        headers = self.signed(body)
        headers.append((name, dict(headers)[name]))
        assert isinstance(await self.told(body, headers), Unreadable)

    @pytest.mark.parametrize("name", ["signature", "response-time"])
    @pytest.mark.parametrize("value", ["", "ü", "%ff%fe", "2026\u2028"])
    async def test_a_header_with_rubbish_is_not_believed(self, name: str, value: str) -> None:
        body = orjson.dumps(refunded())
        headers = list({**dict(self.signed(body)), name: value}.items())
        assert isinstance(await self.told(body, headers), Unreadable)

    @pytest.mark.parametrize("name", [b"signature", b"response-time"])
    async def test_a_header_that_is_no_text_is_not_believed(self, name: bytes) -> None:
        answer = http_answer(refunded()).replace(name + b": ", name + b": \xff\xfe")
        async with serving(always(answer)) as peer, gateway(peer.url) as to:
            assert isinstance(await call(to), Unreadable)

    async def test_an_unsigned_credential_code_halts(self) -> None:
        reply = await self.told(orjson.dumps(result("F", "INVALID_SIGNATURE")), [])
        assert reply == Misconfigured("INVALID_SIGNATURE", "told", signed=False)

    async def test_an_unsigned_success_is_not_believed(self) -> None:
        assert isinstance(await self.told(orjson.dumps(refunded()), []), Unreadable)

    async def test_a_signed_body_that_is_broken_is_not_believed(self) -> None:
        observed = Observed()
        assert isinstance(await self.told(b"{", self.signed(b"{"), observed), Unreadable)
        assert observed.phases == ["body"]

    async def test_a_compressed_answer_is_verified_as_it_was_signed(self) -> None:
        body = orjson.dumps(refunded())
        headers = [*self.signed(body), ("Content-Encoding", "gzip")]
        assert isinstance(await self.told(gzip.compress(body), headers), Succeeded)

    async def test_a_compressed_bomb_is_given_up_at_the_limit(self) -> None:
        bomb = gzip.compress(bytes(50_000_000))
        headers = [*self.signed(b""), ("Content-Encoding", "gzip")]
        assert isinstance(await self.told(bomb, headers), Unreadable)

    @pytest.mark.parametrize("status", [500, 502, 503, 429, 404])
    async def test_another_status_is_unknown_even_when_signed(self, status: int) -> None:
        body, observed = orjson.dumps(result("F", "RISK_REJECT")), Observed()
        reply = await self.told(body, self.signed(body), observed, status)
        assert reply == Unknown(f"HTTP {status}", sent=True)
        assert observed.phases == ["status"]

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_not_followed(self, status: int) -> None:
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {REFUND}\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(always(answer)) as peer, gateway(peer.url) as to:
            assert await call(to) == Unknown(f"HTTP {status}")
        assert len(peer.requests) == 1

    async def test_what_comes_before_an_answer_is_passed_over(self) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        async with serving(always(hints + http_answer(refunded()))) as peer, gateway(peer.url) as to:
            assert isinstance(await call(to), Succeeded)
            assert isinstance(await call(to), Succeeded)
        assert len(peer.requests) == 2

    async def test_another_protocol_is_no_answer(self) -> None:
        switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        async with serving(always(switch + http_answer(refunded()))) as peer, gateway(peer.url) as to:
            assert await call(to) == Unknown("HTTP 101")

    async def test_either_of_two_keys_of_alipay_is_believed(self) -> None:
        both = Verifier((*MERCHANT_PUBLIC.keys, ALIPAY.key.public_key()))
        async with (
            serving(always(http_answer(refunded()))) as peer,
            gateway(peer.url, keys=Keys(MERCHANT, both)) as to,
        ):
            assert isinstance(await call(to), Succeeded)


class TestLastWord:
    async def test_no_byte_is_written_when_the_caller_says_no(self) -> None:
        observed = Observed()
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url, observed) as to:
            assert await call(to, may_start=lambda: False) == NotStarted()
            assert await call(to, INQUIRE, may_start=lambda: False) == NotStarted()
        assert peer.connections > 0
        assert (peer.requests, peer.stray) == ([], b"")
        assert observed.calls == []

    async def test_no_byte_is_written_on_a_kept_connection_either(self) -> None:
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            await call(to)
            assert await call(to, may_start=lambda: False) == NotStarted()
            assert isinstance(await call(to), Succeeded)
        assert (len(peer.requests), peer.stray) == (2, b"")

    async def test_the_caller_is_asked_once_before_the_request(self) -> None:
        seen: list[int] = []

        def may_start() -> bool:
            seen.append(len(peer.requests))
            return True

        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            await call(to, may_start=may_start)
            await call(to, may_start=may_start)
        assert seen == [0, 1]

    async def test_the_caller_is_not_asked_while_there_is_no_connection(self) -> None:
        """With one connection, taken by a call without an answer, the second call must not be let start."""
        asked, reached = Asked(), asyncio.Event()

        async def silent(peer: Peer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await peer.read(reader)
            reached.set()
            await asyncio.Event().wait()

        observed = Observed()
        async with (
            serving(silent) as peer,
            gateway(peer.url, observed, connections_max=1, connect_s=0.2) as to,
        ):
            first = asyncio.create_task(call(to))
            await reached.wait()
            reply = await call(to, may_start=asked)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        assert reply == Unknown("no connection within 0.2 s", sent=False)
        assert (asked.times, observed.phases) == (0, ["connect"])


class TestThrottling:
    async def test_a_throttled_answer_slows_the_channel(self) -> None:
        answers = [
            http_answer(result("U", "REQUEST_TRAFFIC_EXCEED_LIMIT")),
            b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n",
        ]
        for answer, expected in zip(
            answers, [Throttled("REQUEST_TRAFFIC_EXCEED_LIMIT"), Unknown("HTTP 429")], strict=True
        ):
            async with serving(answering(answer)) as peer, gateway(peer.url) as to:
                assert to.rate is None
                assert await call(to) == expected
                assert to.rate == CALLS.pace.rate_min

    async def test_a_call_without_a_turn_was_not_started_and_is_no_attempt(self) -> None:
        observed = Observed()
        pace = replace(CALLS.pace, rate_min=0.001, wait_max_s=0.05)
        answer = http_answer(result("U", "REQUEST_TRAFFIC_EXCEED_LIMIT"))
        async with serving(always(answer)) as peer, gateway(peer.url, observed, pace=pace) as to:
            await call(to)
            reply = await call(to)
        assert reply == NotStarted()
        assert observed.phases == [None]
        assert len(peer.requests) == 1

    async def test_after_a_halt_the_channel_starts_slowly(self) -> None:
        async with serving(always(http_answer(refunded()))) as peer, gateway(peer.url) as to:
            to.resumed()
            assert to.rate == CALLS.ramp_rate
            assert isinstance(await call(to), Succeeded)


# What settings and messages call it.
NAMES = {"account": "client_id", "agent_tokens": "agent_token"}


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {"base_url": "http://open-sea-global.alipay.com"},
            {"base_url": "open-sea-global.alipay.com"},
            {"base_url": "https://open-sea-global.alipay.com/ams"},
            {"base_url": "https://user:pw@open-sea-global.alipay.com"},
            {"account": ""},
            {"account": "id\r\nx: y"},
            {"account": SANDBOX_ID},
            {"agent_tokens": {"": "token\n"}},
            {"environment": "sandbox"},
            {"environment": "test"},
            {"connections_max": 0},
            {"deadline_s": 0.0},
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=NAMES.get(name := next(iter(changes)), name)):
            changed(**{"environment": "production", **changes})

    def test_no_secret_is_ever_printed(self) -> None:
        channel = changed(agent_tokens={"": "agent-1"})
        assert "agent-1" not in repr(channel)
        assert "PrivateKey" not in repr(channel)

    async def test_a_gateway_that_was_not_opened_says_so(self) -> None:
        to: ChannelGateway = gateway("http://127.0.0.1:1")
        with pytest.raises(RuntimeError, match="async with"):
            await call(to)
