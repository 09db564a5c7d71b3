"""The ledger: what is written is what is read, in every field, and nothing that is read ends in an
exception.
"""

from dataclasses import fields, replace
from typing import Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import samples
from tests.messages.strategies import FINAL_ENTRIES, HEADS, JSON, open_entries
from worker.messages.command import is_refund_request_id
from worker.messages.ledger import HEAD_KEY, BadEntry, begins_as_final, ledger_key, read_entry, write_entry
from worker.refunds.entry import FinalEntry, Head, OpaqueEntry, OpenEntry, State
from worker.refunds.notice import Notice
from worker.refunds.reply import Declined, NextAction

KEY: Final = samples.KEY
NOTIFIED: Final = replace(samples.OPEN, notice=samples.NOTICE)


@settings(max_examples=25)
@given(open_entries())
def test_an_open_entry_comes_back_in_every_field(entry: OpenEntry) -> None:
    assert read_entry(ledger_key(entry.refund_request_id), write_entry(entry)) == entry


@settings(max_examples=25)
@given(FINAL_ENTRIES)
def test_a_final_entry_comes_back_in_every_field(entry: FinalEntry) -> None:
    assert read_entry(ledger_key(entry.refund_request_id), write_entry(entry)) == entry


@settings(max_examples=25)
@given(HEADS)
def test_a_head_comes_back_in_every_field(head: Head) -> None:
    assert read_entry(HEAD_KEY, write_entry(head)) == head


def test_a_held_decline_is_remembered_whole() -> None:
    entry = replace(samples.OPEN, state=State.HELD, held=samples.FAILED)
    assert read_entry(KEY, write_entry(entry)) == entry


@pytest.mark.parametrize("state", State)
def test_every_state_is_remembered(state: State) -> None:
    entry = replace(samples.OPEN, state=state)
    assert read_entry(KEY, write_entry(entry)) == entry


def test_the_parked_attempt_is_written_once_where_it_is_the_entrys() -> None:
    assert samples.PARKED.park is not None
    assert write_entry(samples.PARKED).count(b'"quiet_at"') == 1
    moved = replace(
        samples.PARKED, park=replace(samples.PARK, attempt=replace(samples.OPEN.attempt, number=9))
    )
    assert write_entry(moved).count(b'"payment_id"') == 1
    assert read_entry(KEY, write_entry(moved)) == moved


@pytest.mark.parametrize("body", [b'{"a":"\xe9"}', b"\xff\x00", "{'a':'é'}".encode(), b""], ids=repr)
def test_the_request_is_repeated_byte_for_byte_in_any_encoding(body: bytes) -> None:
    entry = replace(samples.OPEN, pin=replace(samples.OPEN.pin, body=body))
    read = read_entry(KEY, write_entry(entry))
    assert isinstance(read, OpenEntry)
    assert read.pin.body == body


@pytest.mark.parametrize("value", [0, 1, 9_007_199_254_740_993, 10**16 - 1], ids=str)
def test_an_amount_is_never_rounded(value: int) -> None:
    command = replace(samples.COMMAND, amount=replace(samples.COMMAND.amount, value=value))
    entry = replace(samples.OPEN, attempt=replace(samples.OPEN.attempt, command=command))
    read = read_entry(KEY, write_entry(entry))
    assert isinstance(read, OpenEntry)
    assert read.attempt.command.amount.value == value


def test_words_that_many_entries_share_are_in_memory_once() -> None:
    """A hundred thousand open refunds may have one channel, one account, one topic between them."""
    first, second = (read_entry(KEY, write_entry(samples.OPEN)) for _ in range(2))
    assert isinstance(first, OpenEntry)
    assert isinstance(second, OpenEntry)
    command = first.attempt.command
    assert command.channel is second.attempt.command.channel
    assert first.pin.account is second.pin.account
    assert first.origin.topic is second.origin.topic
    assert first.history[0].reply is second.history[0].reply
    assert command.provider_request_id is command.refund_request_id


def test_a_mainland_command_is_remembered_whole() -> None:
    key = ledger_key(samples.MAINLAND.refund_request_id)
    assert read_entry(key, write_entry(samples.MAINLAND)) == samples.MAINLAND


@pytest.mark.parametrize("name", ["order_number", "whole", "royalty_parameters", "query_options"])
def test_what_older_releases_do_not_know_is_only_written_where_it_says_something(name: str) -> None:
    """So an entry of a refund that has none is the same to the byte, and one that was written without it is read."""
    assert name not in orjson.loads(write_entry(samples.OPEN))["command"]
    written = orjson.loads(write_entry(samples.MAINLAND))
    assert written["command"].pop(name)
    read = read_entry(ledger_key("order-815"), orjson.dumps(written))
    assert isinstance(read, OpenEntry)
    plain = replace(samples.MAINLAND_COMMAND, **{name: getattr(samples.COMMAND, name)})
    assert read.attempt.command == plain


# What releases knew that write version 1 alone.
VERSION_1_ADVICE: Final = {
    *("none", "pay_offline", "new_refund", "fix_and_new_refund", "fund_and_new_refund"),
    *("contact_provider", "ask_a_human"),
}


@pytest.mark.parametrize("place", ["declined", "held", "park", "park.attempt"])
@pytest.mark.parametrize("advice", NextAction)
def test_advice_that_version_1_has_no_word_for_is_written_as_version_2(
    place: str, advice: NextAction
) -> None:
    """A release that cannot read a word of an entry stops at it; one of a newer version it leaves alone."""
    declined = replace(samples.OPEN.attempt, declined=Declined("CODE", next_action=advice))
    entry = {
        "declined": replace(samples.OPEN, attempt=declined),
        "held": replace(samples.OPEN, held=replace(samples.FAILED, next_action=advice)),
        "park": replace(samples.PARKED, park=replace(samples.PARK, next_action=advice)),
        "park.attempt": replace(samples.PARKED, park=replace(samples.PARK, attempt=declined)),
    }[place]
    assert orjson.loads(write_entry(entry))["v"] == (1 if advice in VERSION_1_ADVICE else 2)
    assert read_entry(KEY, write_entry(entry)) == entry


@pytest.mark.parametrize("name", ["order_number", "whole", "royalty_parameters", "query_options"])
def test_a_command_that_version_1_has_no_field_for_is_written_as_version_2(name: str) -> None:
    """A release that leaves out what it does not know would ask, when it writes the entry anew, about nothing."""
    command = replace(samples.COMMAND, **{name: getattr(samples.MAINLAND_COMMAND, name)})
    entry = replace(samples.OPEN, attempt=replace(samples.OPEN.attempt, command=command))
    assert orjson.loads(write_entry(entry))["v"] == 2


def test_a_merchants_own_token_is_written_as_version_2() -> None:
    """A release that knows no merchants' tokens would make the refund's next call for somebody else."""
    entry = replace(samples.OPEN, pin=replace(samples.OPEN.pin, own_token=True))
    assert orjson.loads(write_entry(entry))["v"] == 2
    assert read_entry(KEY, write_entry(entry)) == entry
    assert b"own_token" not in write_entry(samples.OPEN)


@pytest.mark.parametrize(
    "entry", [samples.OPEN, samples.PARKED, samples.final(), samples.HEAD], ids=lambda e: type(e).__name__
)
def test_whatever_version_1_can_say_is_written_as_version_1(entry: OpenEntry | FinalEntry | Head) -> None:
    assert orjson.loads(write_entry(entry))["v"] == 1


@pytest.mark.parametrize(
    "notice", [samples.NOTICE, samples.MAINLAND_NOTICE, replace(samples.NOTICE, amount=None)]
)
def test_a_notice_is_remembered_whole_in_an_entry_that_older_releases_read(notice: Notice) -> None:
    entry = replace(samples.OPEN, notice=notice)
    written = write_entry(entry)
    assert read_entry(KEY, written) == entry
    assert orjson.loads(written)["v"] == 1
    assert "notice" not in orjson.loads(write_entry(samples.OPEN))


def test_no_refund_has_the_heads_key() -> None:
    assert not is_refund_request_id(HEAD_KEY.decode())


@pytest.mark.parametrize("key", [KEY, HEAD_KEY])
@pytest.mark.parametrize("content", [{}, {"kind": "open"}, {"kind": "something new", "attempt": 7}], ids=repr)
def test_an_entry_of_a_newer_release_is_known_but_opaque(key: bytes, content: dict[str, object]) -> None:
    """It must not be run again, and must not be taken for absent."""
    assert read_entry(key, orjson.dumps({"v": 3, **content})) == OpaqueEntry(key.decode(), 3)


def test_fields_that_a_newer_release_added_are_ignored() -> None:
    written = orjson.loads(write_entry(samples.OPEN))
    assert read_entry(KEY, orjson.dumps({**written, "new": {"deep": 1}})) == samples.OPEN


@pytest.mark.parametrize(
    "entry", [samples.OPEN, samples.final(), samples.HEAD], ids=lambda e: type(e).__name__
)
def test_an_entry_under_another_key_is_bad(entry: OpenEntry | FinalEntry | Head) -> None:
    read = read_entry(b"somebody-else", write_entry(entry))
    assert isinstance(read, BadEntry)
    assert "belongs under" in read.problem


@pytest.mark.parametrize(
    "entry", [samples.PARKED, samples.final(), samples.HEAD], ids=lambda e: type(e).__name__
)
def test_a_missing_or_wrong_field_is_named(entry: OpenEntry | FinalEntry | Head) -> None:
    key = HEAD_KEY if isinstance(entry, Head) else KEY
    written = orjson.loads(write_entry(entry))
    optional = {field.name for field in fields(OpenEntry) if field.name in {"park", "held"}}
    for name in set(written) - optional:
        for broken in ({n: v for n, v in written.items() if n != name}, {**written, name: [[]]}):
            read = read_entry(key, orjson.dumps(broken))
            assert isinstance(read, BadEntry), name
            assert name in read.problem.replace("v:", "v")


@pytest.mark.parametrize(
    ("entry", "path", "value", "said"),
    [
        (samples.final(), ("digest",), "xy", "digest: expected hexadecimal"),
        (samples.OPEN, ("pin", "body_base64"), "%", "body_base64: expected base64"),
        (samples.OPEN, ("pin", "body_base64"), "é", "body_base64: expected base64"),
        (samples.OPEN, ("command", "amount", "value"), "1.5", "amount.value: expected a string of digits"),
        (samples.OPEN, ("command", "amount", "value"), "٣", "amount.value: expected a string of digits"),
        (samples.OPEN, ("state",), "lost", "state: expected one of waiting, halted"),
        (NOTIFIED, ("notice", "status"), "lost", "status: expected one of succeeded"),
        (NOTIFIED, ("notice", "amount", "value"), "1.5", "amount.value: expected a string of digits"),
        (NOTIFIED, ("notice", "at"), "soon", "at: expected a number"),
        (samples.MAINLAND, ("command", "order_number"), 7, "order_number: expected a string"),
        (samples.MAINLAND, ("command", "whole"), 1, "whole: expected true or false"),
        (samples.HEAD, ("inputs", "a\nb"), 7, r"'a\nb': expected an object"),
        (samples.HEAD, ("accounts", "global"), 7, "accounts: expected an object of strings"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_value_of_the_right_type_can_still_be_wrong(
    entry: OpenEntry | FinalEntry | Head, path: tuple[str, ...], value: object, said: str
) -> None:
    node = written = orjson.loads(write_entry(entry))
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    key = HEAD_KEY if isinstance(entry, Head) else ledger_key(entry.refund_request_id)
    read = read_entry(key, orjson.dumps(written))
    assert isinstance(read, BadEntry)
    assert read.problem.startswith(said)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (KEY, b""),
        (KEY, b"\xff"),
        (KEY, b"null"),
        (KEY, b"[1]"),
        (KEY, b"{}"),
        (KEY, b'{"v":0}'),
        (KEY, b'{"v":true}'),
        (KEY, b'{"v":"1"}'),
        (KEY, b'{"v":1,"kind":[]}'),
        (b"\xff", b'{"v":99}'),
        (KEY, None),
        (None, b'{"v":1}'),
        (KEY, b"[" * 100_000),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_rubbish_is_a_named_value(key: bytes | None, value: bytes | None) -> None:
    read = read_entry(key, value)
    assert isinstance(read, BadEntry)
    assert read.problem


@settings(max_examples=50)
@given(st.binary(max_size=40), st.binary(max_size=60))
def test_no_bytes_make_the_reader_raise(key: bytes, value: bytes) -> None:
    assert isinstance(read_entry(key, value), BadEntry | OpaqueEntry)


@settings(max_examples=50)
@given(st.sampled_from([samples.PARKED, samples.final(), samples.HEAD]), st.data())
def test_no_damage_to_an_entry_makes_the_reader_raise(
    entry: OpenEntry | FinalEntry | Head, data: st.DataObject
) -> None:
    node = written = orjson.loads(write_entry(entry))
    while True:
        name = data.draw(st.sampled_from(sorted(node)))
        if not isinstance(node[name], dict) or not node[name] or data.draw(st.booleans()):
            break
        node = node[name]
    node[name] = data.draw(JSON)
    read_entry(KEY, orjson.dumps(written))


def test_what_version_1_wrote_is_read_for_ever() -> None:
    """The bytes of released versions, never to be changed: schemas/examples holds one of each kind."""
    assert write_entry(samples.HEAD) == VERSION_1_HEAD
    assert read_entry(HEAD_KEY, VERSION_1_HEAD) == samples.HEAD


VERSION_1_HEAD: Final = (
    b'{"v":1,"kind":"head","ledger_id":"0b7e3a52","group":"refunds","partitions":12,"opening":7,'
    b'"inputs":{"refund.commands":{"position":40,"reach":90},"refund.signals":{"position":5,"reach":5}},'
    b'"braked":"","routing_key":"refundRequestId","closed":false,'
    b'"accounts":{"global":"5J5YHH2Z4W2K00001 production"},"reading":"9f86d081884c7d65"}'
)


def test_a_final_entry_is_told_from_its_first_bytes() -> None:
    entries: list[OpenEntry | FinalEntry | Head] = [
        samples.OPEN,
        samples.PARKED,
        samples.final(),
        samples.HEAD,
    ]
    assert [begins_as_final(write_entry(entry)) for entry in entries] == [False, False, True, False]
