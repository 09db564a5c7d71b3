"""Every decoder of bytes that somebody else wrote, with inputs to start from."""

import json
import re
import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from tests.alipay.sample import COMMAND, RESPONSE_TIME, inquired, refunded, result
from tests.fuzz.mainland import MAINLAND_DECODERS
from tests.fuzz.notices import NOTICE_DECODERS
from tests.fuzz.rule import Decoder, Parts, RuleBroken, holds, said, within_bounds
from tests.messages import mainland, samples
from tests.settings.files import MINIMAL
from worker.alipay.ams.codes import INQUIRY_CODES, REFUND_CODES
from worker.alipay.ams.content import (
    VerifiedAnswer,
    read_inquiry_answer,
    read_refund_answer,
    refund_body,
)
from worker.alipay.mainland.content import refund_body as mainland_body
from worker.messages.cloud_events import REQUESTED
from worker.messages.command import COMMAND_TYPES, read_command
from worker.messages.command_limits import MAINLAND
from worker.messages.invalid import Invalid, Problem
from worker.messages.ledger import BadEntry, read_entry, write_entry
from worker.messages.mask import MASKED
from worker.messages.tokens import names_token, without_tokens
from worker.refunds.command import Command
from worker.refunds.entry import FinalEntry, Head, OpaqueEntry, OpenEntry
from worker.refunds.reply import REPLIES, Misconfigured, Reply, Unreadable
from worker.settings import SettingsWrong, parse

EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"

# Commands, bare and as CloudEvents.

HEADERS: Final = (
    "content-type",
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "traceparent",
    "tracestate",
)
BARE: Final = (b"",) * len(HEADERS)
BINARY: Final = (
    *(b"application/json", b"1.0", b"order-4711", b"/orders", b"refund.requested.v1"),
    *(samples.TRACEPARENT.encode(), b"shop=1"),
)
SHAPES: Final = tuple(
    (*BINARY[:4], kind.encode(), *BINARY[5:]) for kind in COMMAND_TYPES if kind != REQUESTED
)
STRUCTURED: Final = (b"application/cloudevents+json", *(b"",) * (len(HEADERS) - 1))


def _command(parts: Parts) -> str:
    value, *texts = parts
    # A header that is empty is left out: else no input could be without it.
    headers = tuple((name, text) for name, text in zip(HEADERS, texts, strict=False) if text)
    read = read_command(value, headers, samples.ORIGIN, mainland.LIMITS)
    match read:
        case Command():
            # What is accepted can be told from another refund, sent, and written down.
            holds(len(read.digest()) == 32, "a digest of another length")
            body = mainland_body if mainland.LIMITS.interface(read.channel) == MAINLAND else refund_body
            orjson.loads(body(read))
            _remembered(read)
            # Elsewhere, as a reason, the same characters are no token.
            only = f'"appAuthToken":"{mainland.TOKEN}"'.encode() in value and sum(map(_tokens, parts)) == 1
            holds(not only or mainland.TOKEN not in repr(read), "a token in a command")
            return f"Command {read.channel if read.whole else ''}"
        case Invalid():
            said(read.message)
            shown = read.field == "appAuthToken" and mainland.TOKEN[:8] in read.message
            holds(not shown, "a token in an error")
            holds(read.error in set(Problem), f"an error without a name: {read.error}")
            holds("expected" in read.message, f"an error that expects nothing: {read.message}")
            return f"Invalid {read.error} {re.sub('[0-9]+', '', read.field)[:40]}"
        case _:
            raise RuleBroken(f"no answer: {read!r}")


def _tokens(part: bytes) -> int:
    return part.count(mainland.TOKEN.encode())


def _remembered(command: Command) -> None:
    entry = replace(samples.OPEN, attempt=replace(samples.OPEN.attempt, command=command))
    read = read_entry(command.refund_request_id.encode(), write_entry(entry))
    holds(read == entry, "an accepted command that the ledger does not give back")


def _commands() -> tuple[Parts, ...]:
    bare = [EXAMPLES / "refund.requested.v1.json", EXAMPLES / "refund.requested.v1.full.json"]
    envelope = EXAMPLES / "refund.requested.v1.cloudevent.json"
    token = {"appAuthToken": mainland.TOKEN}
    return (
        *((path.read_bytes(), *headers) for path in bare for headers in (BARE, BINARY)),
        *(
            (orjson.dumps(fields), *BINARY)
            for fields in (mainland.BY_ORDER, mainland.FULL, mainland.BY_ORDER | token)
        ),
        *(
            (orjson.dumps(fields), *headers)
            for headers in SHAPES
            for fields in (
                *(mainland.CLOUD_WHOLE, mainland.CLOUD_PART, mainland.CLOUD_WHOLE | token),
                *(mainland.ORDER_WHOLE, mainland.ORDER_PART),
            )
        ),
        (envelope.read_bytes(), *STRUCTURED),
        (orjson.dumps(_encoded(json.loads(envelope.read_bytes()))), *STRUCTURED),
        (envelope.read_bytes(), *BARE),
        (b"", *BARE),
    )


def _encoded(event: dict[str, Any]) -> dict[str, Any]:
    data = event.pop("data")
    return event | {"data_base64": b64encode(orjson.dumps(data)).decode()}


# Ledger entries.


def _entry(parts: Parts) -> str:
    key, value = parts[0], parts[1] if len(parts) > 1 else None
    read = read_entry(key, value)
    match read:
        case OpenEntry() | FinalEntry() | Head():
            holds(read_entry(key, write_entry(read)) == read, "an entry that is not written as it was read")
            return f"{type(read).__name__} {getattr(read, 'state', '')}"
        case OpaqueEntry():
            return "OpaqueEntry"
        case BadEntry():
            said(read.problem)
            return f"BadEntry {read.problem[:40]}"
        case _:
            raise RuleBroken(f"no answer: {read!r}")


def _entries() -> tuple[Parts, ...]:
    keys = {"head": b"#head"}
    written = (
        (keys.get(path.name.split(".")[-2], samples.KEY), path.read_bytes())
        for path in sorted(EXAMPLES.glob("refund.ledger.v1.*.json"))
    )
    made = ((samples.KEY, write_entry(entry)) for entry in (samples.OPEN, samples.PARKED, samples.final()))
    return (*written, *made, (samples.KEY, b'{"v":99,"kind":"open"}'))


# Records on their way to the dead-letter topic.


def _dead_letter(parts: Parts) -> str:
    value = parts[0]
    safe = without_tokens(value)
    count = f"with {min(safe.count(MASKED.encode()), 9)} masked"
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return f"text {count}"
    json.loads(safe, object_pairs_hook=_no_token)
    return f"JSON {count}"


def _no_token(pairs: list[tuple[str, object]]) -> None:
    holds(
        all(value in (None, MASKED) for name, value in pairs if names_token(name)), "a token in a dead letter"
    )


def _dead_letters() -> tuple[Parts, ...]:
    token = mainland.TOKEN
    documents = (
        {**mainland.CLOUD_WHOLE, "appAuthToken": token},
        {"data": {"app_auth_token": [token]}},
        {"appAuthToken": None, "agentToken": {"value": token}},
    )
    form = f"out_trade_no=1&app_auth_token={token}".encode()
    return (*((orjson.dumps(document),) for document in documents), (form,), (b"",))


# Alipay's answers.

CODES: Final = frozenset(REFUND_CODES) | frozenset(INQUIRY_CODES)


def _answer(read: Callable[[VerifiedAnswer, Command], Reply]) -> Callable[[Parts], str]:
    def reading(parts: Parts) -> str:
        body, signature = parts[0], parts[1] if len(parts) > 1 else b""
        trusted = read(VerifiedAnswer(200, body, "signed", RESPONSE_TIME, verified=True), COMMAND)
        forged = read(VerifiedAnswer(200, body, signature.decode(errors="replace"), RESPONSE_TIME), COMMAND)
        unsigned = read(VerifiedAnswer(200, body), COMMAND)
        holds(isinstance(trusted, REPLIES), f"no answer: {trusted!r}")
        holds(isinstance(forged, Unreadable), f"believed without a signature: {forged!r}")
        holds(isinstance(unsigned, Unreadable | Misconfigured), f"believed without a signature: {unsigned!r}")
        for reply in (trusted, forged, unsigned):
            within_bounds(reply)
        code = getattr(trusted, "code", "")
        return f"{type(trusted).__name__} {code if code in CODES else ''}"

    return reading


def _answers(codes: Mapping[str, object], good: dict[str, object]) -> tuple[Parts, ...]:
    told = (result(status, code) for code in codes for status in "SFU")
    settled = {
        "grossSettlementAmount": {"currency": "USD", "value": "1050"},
        "settlementQuote": {"quoteId": "1", "quoteCurrencyPair": "USD/USD", "guaranteed": "true"},
    }
    return (
        *((orjson.dumps(fields), b"") for fields in (good, {**good, **settled}, *told)),
        (b"{}", b"forged"),
    )


# Settings: the file, and one environment variable.

_FOLDER: Final = tempfile.TemporaryDirectory(prefix="settings-")
_FILE: Final = Path(_FOLDER.name) / "worker.toml"


def _settings(parts: Parts) -> str:
    text, name, value = (*parts, b"", b"")[:3]
    _FILE.write_bytes(text)
    # An environment has neither NULs nor empty names; bytes that are no UTF-8 come as Python gives them.
    environ = {part.decode(errors="surrogateescape").replace("\0", "") for part in (name,) if part}
    variable = value.decode(errors="surrogateescape").replace("\0", "")
    try:
        parse(_FILE, dict.fromkeys(environ, variable))
    except SettingsWrong as wrong:
        holds(wrong.problems, "refused without a problem")
        for problem in wrong.problems:
            said(str(problem))
        return " | ".join(sorted({re.sub(r"'.*'|[0-9]+", "", each.text)[:32] for each in wrong.problems})[:2])
    return "Settings"


def _files() -> tuple[Parts, ...]:
    folder = Path(__file__).parents[2] / "deploy"
    files = [path.read_bytes() for path in sorted(folder.glob("*.toml"))]
    variables = (
        (b"WORKER_STREAM__OPEN_MAX", b"7"),
        (b"WORKER_CHANNELS__LOCAL__CURRENCIES", b'["USD"]'),
        (b"WORKER_CHANNELS", b'{"local": {"key_version": 2}}'),
        (b"KAFKA_BOOTSTRAP_SERVERS", b"kafka:9092"),
        (b"", b""),
    )
    return tuple((text, *variable) for text in (MINIMAL.encode(), *files) for variable in variables)


DECODERS: Final[Mapping[str, Decoder]] = {
    decoder.name: decoder
    for decoder in (
        Decoder("commands", _commands(), _command),
        Decoder("dead-letters", _dead_letters(), _dead_letter),
        Decoder("ledger", _entries(), _entry),
        Decoder("refund-answers", _answers(REFUND_CODES, refunded()), _answer(read_refund_answer)),
        Decoder("inquiry-answers", _answers(INQUIRY_CODES, inquired()), _answer(read_inquiry_answer)),
        *MAINLAND_DECODERS,
        *NOTICE_DECODERS,
        Decoder("settings", _files(), _settings),
    )
}
