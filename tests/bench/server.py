"""An Alipay that costs next to nothing: it looks for the refund's id and sends what it signed for it before.

    python -m tests.bench.server ALIPAY_PRIVATE_KEY_FILE CLIENT_ID COUNT

The first COUNT refunds of `tests.bench.load` are signed before it prints its port; others, and inquiries, when they
are asked for. It believes every request: what it is for is to be cheaper than what calls it. How it behaves is told by
a POST of a `Manner`'s fields to /manner, what it has done by a GET of /counts. It keeps no books.
"""

import asyncio
import json
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from typing_extensions import override

from tests.bench.load import CURRENCY, refunds
from worker.alipay.ams.signing import signature_header, string_to_sign
from worker.alipay.keys import load_private_key
from worker.alipay.signing import Signer

HOST: Final = "127.0.0.1"
REFUND: Final = "/ams/api/v1/payments/refund"
INQUIRY: Final = "/ams/api/v1/payments/inquiryRefund"
SIGNING_THREADS: Final = 2
TIME: Final = "2026-06-04T19:40:10-08:00"
STUCK_PARTS: Final = 10_000

_REFUND: Final = REFUND.encode()
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NAME: Final = re.compile(rb'"refundRequestId": ?"([^"]+)"')
_SUCCESS: Final = {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success"}
_THROTTLED: Final = {
    "resultCode": "REQUEST_TRAFFIC_EXCEED_LIMIT",
    "resultStatus": "U",
    "resultMessage": "too many requests",
}
_UNKNOWN_REFUND: Final = {
    "resultCode": "ORDER_NOT_EXIST",
    "resultStatus": "F",
    "resultMessage": "no such refund",
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How it answers. `delay_s`: before each answer. `stuck_share` of all ids get none until `stuck_s` after the first
    request with that id. `limit_per_s`: of more requests within any second the rest are told that they are too many;
    0: no limit.
    """

    delay_s: float = 0.0
    stuck_share: float = 0.0
    stuck_s: float = 0.0
    limit_per_s: int = 0


@dataclass(slots=True)
class Counts:
    """What it was asked since it was last told its manner. `stuck`: requests whose answer it kept back.
    `in_flight_max`: the most requests that waited for `delay_s` at once.
    """

    refunds: int = 0
    inquiries: int = 0
    throttled: int = 0
    stuck: int = 0
    in_flight_max: int = 0


class Answers:
    """Answers as they go to the socket, signed once."""

    def __init__(self, signer: Signer, client_id: str) -> None:
        self._signer: Final = signer
        self._client_id: Final = client_id
        self._refunds: Final[dict[bytes, bytes]] = {}
        self._fields: Final[dict[bytes, dict[str, Any]]] = {}
        self.throttled: Final = {
            path: self._signed(path, {"result": _THROTTLED}) for path in (REFUND, INQUIRY)
        }

    def prepare(self, count: int) -> None:
        """Sign the answers to the load's first `count` refunds, on as many cores as there are threads."""
        asked = [
            (each.name, each.payment, {"currency": CURRENCY, "value": str(each.value)})
            for each in refunds(count)
        ]
        with ThreadPoolExecutor(SIGNING_THREADS) as threads:
            for _ in threads.map(lambda one: self._answer(*one), asked, chunksize=64):
                pass

    def refund(self, name: bytes, body: bytes) -> bytes:
        """The success of the refund call in `body`."""
        found = self._refunds.get(name)
        if found is None:
            asked = json.loads(body)
            found = self._answer(name.decode(), asked["paymentId"], asked["refundAmount"])
        return found

    def inquiry(self, name: bytes) -> bytes:
        """The success of a refund that was asked for before, or that there is none."""
        fields = self._fields.get(name)
        if fields is None:
            return self._signed(INQUIRY, {"result": _UNKNOWN_REFUND})
        return self._signed(INQUIRY, {**fields, "refundStatus": "SUCCESS"})

    def _answer(self, name: str, payment: str, amount: dict[str, str]) -> bytes:
        fields = {
            "result": _SUCCESS,
            "refundRequestId": name,
            "refundId": f"20260604{zlib.crc32(name.encode()):024d}",
            "paymentId": payment,
            "refundAmount": amount,
            "refundTime": TIME,
        }
        key = name.encode()
        self._fields[key] = fields
        answer = self._refunds[key] = self._signed(REFUND, fields)
        return answer

    def _signed(self, path: str, fields: dict[str, Any]) -> bytes:
        body = json.dumps(fields, separators=(",", ":")).encode()
        signature = self._signer.sign(string_to_sign("POST", path, self._client_id, TIME, body))
        head = (
            "HTTP/1.1 200 OK\r\n"
            "content-type: application/json; charset=UTF-8\r\n"
            f"client-id: {self._client_id}\r\n"
            f"response-time: {TIME}\r\n"
            f"signature: {signature_header(signature)}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Provider:
    """Who decides when which answer leaves."""

    answers: Answers
    loop: asyncio.AbstractEventLoop
    manner: Manner = field(default_factory=Manner)
    counts: Counts = field(default_factory=Counts)
    _first_asked: dict[bytes, float] = field(default_factory=dict)
    _taken: deque[float] = field(default_factory=deque)
    # All wait equally long, so one timer and a queue are enough.
    _waiting: deque[tuple[float, asyncio.WriteTransport, bytes]] = field(default_factory=deque)

    def behave(self, manner: Manner) -> None:
        """From now on; what waits for its answer waits as it began."""
        self.manner, self.counts = manner, Counts()
        self._first_asked.clear()
        self._taken.clear()

    def asked(self, transport: asyncio.WriteTransport, path: bytes, body: bytes) -> None:
        """One call of a merchant's."""
        now, manner = self.loop.time(), self.manner
        refund = path == _REFUND
        if manner.limit_per_s and self._too_many(now, manner.limit_per_s):
            self.counts.throttled += 1
            self._answer(transport, now, self.answers.throttled[REFUND if refund else INQUIRY])
            return
        found = _NAME.search(body)
        name = found[1] if found else b""
        if refund:
            self.counts.refunds += 1
            answer = self.answers.refund(name, body)
        else:
            self.counts.inquiries += 1
            answer = self.answers.inquiry(name)
        if manner.stuck_share and zlib.crc32(name) % STUCK_PARTS < manner.stuck_share * STUCK_PARTS:
            until = self._first_asked.setdefault(name, now) + manner.stuck_s
            if now < until:
                self.counts.stuck += 1
                self.loop.call_at(until, _write, transport, answer)
                return
        self._answer(transport, now, answer)

    def _too_many(self, now: float, limit_per_s: int) -> bool:
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if len(self._taken) >= limit_per_s:
            return True
        self._taken.append(now)
        return False

    def _answer(self, transport: asyncio.WriteTransport, now: float, answer: bytes) -> None:
        if not self.manner.delay_s:
            transport.write(answer)
            return
        due = now + self.manner.delay_s
        self._waiting.append((due, transport, answer))
        self.counts.in_flight_max = max(self.counts.in_flight_max, len(self._waiting))
        if len(self._waiting) == 1:
            self.loop.call_at(due, self._due)

    def _due(self) -> None:
        now = self.loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, transport, answer = self._waiting.popleft()
            _write(transport, answer)
        if self._waiting:
            self.loop.call_at(self._waiting[0][0], self._due)


def _write(transport: asyncio.WriteTransport, answer: bytes) -> None:
    if not transport.is_closing():
        transport.write(answer)


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as clients on this machine speak it: kept alive, a body with a length."""

    def __init__(self, provider: Provider) -> None:
        self._provider: Final = provider
        self._transport: asyncio.WriteTransport
        self._data = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own class

    @override
    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(data, 0, end + 2)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(data) < whole:
                break
            self._request(data[: data.index(b"\r\n")].split(b" ")[1], data[end + 4 : whole])
            data = data[whole:]
        self._data = data

    def _request(self, path: bytes, body: bytes) -> None:
        match path:
            case b"/manner":
                self._provider.behave(Manner(**json.loads(body)))
                self._tell({})
            case b"/counts":
                self._tell(asdict(self._provider.counts))
            case _:
                self._provider.asked(self._transport, path, body)

    def _tell(self, fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """That of uvloop where this environment has it."""
    try:
        import uvloop  # type: ignore[import-not-found] # another environment's
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def serve(answers: Answers) -> None:
    """Until the process is ended. Prints its port once it listens."""
    loop = asyncio.get_running_loop()
    provider = Provider(answers, loop)
    server = await loop.create_server(lambda: Connection(provider), HOST, 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(key_file: Path, client_id: str, count: int) -> None:
    """Sign, then serve."""
    answers = Answers(Signer(load_private_key(key_file.read_bytes())), client_id)
    answers.prepare(count)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
