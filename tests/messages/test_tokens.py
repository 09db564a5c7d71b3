"""No token of a merchant reaches the dead-letter topic, however its record is written."""

import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.messages.mainland import CLOUD_WHOLE, TOKEN, event
from tests.messages.samples import ORIGIN
from tests.messages.strategies import OBJECT
from worker.messages.dead_letter import dead_letter_headers, fit
from worker.messages.shapes import CLOUD
from worker.messages.tokens import names_token, without_tokens

SECRET: Final = TOKEN.encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"appAuthToken":"%b"}', b'{"appAuthToken":"***"}'),
        (b'{ "appAuthToken" :\n "%b", "a": 1.50 }', b'{ "appAuthToken" :\n "***", "a": 1.50 }'),
        (b'{"app_auth_token":"%b"}', b'{"app_auth_token":"***"}'),
        (b'{"agent-token":"%b"}', b'{"agent-token":"***"}'),
        (b'{"data":{"appAuthToken":"%b"}}', b'{"data":{"appAuthToken":"***"}}'),
        (b'{"app\\u0041uthToken":"%b"}', b'{"app\\u0041uthToken":"***"}'),
        (b'{"appAuthToken":"x\\u0020\\"%b"}', b'{"appAuthToken":"***"}'),
        (b'{"appAuthToken":"%b","appAuthToken":null}', b'{"appAuthToken":"***","appAuthToken":null}'),
        (b'{"appAuthToken":["%b"]}', b'{"appAuthToken":"***"}'),
        (b'{"appAuthToken":5,"agentToken":"%b"}', b'{"appAuthToken":"***","agentToken":"***"}'),
        (b'[{"appAuthToken":{"value":"%b"}}]', b'[{"appAuthToken":"***"}]'),
        (b'{"body":"{\\"appAuthToken\\":\\"%b\\"}"}', b'{"body":"{\\"appAuthToken\\":\\"***\\"}"}'),
        (
            b'{"appAuthToken":-5,"appAuthToken":null,"agentToken":"%b"}',
            b'{"appAuthToken":"***","appAuthToken":null,"agentToken":"***"}',
        ),
        (b'{"appAuthToken":["%b"],"appAuthToken":null}', b'{"appAuthToken":null}'),
        (b'{"appAuthToken":["%b"]', b'{"appAuthToken":["***"]'),
        # No JSON.
        (b'{"appAuthToken":"%b",', b'{"appAuthToken":"***",'),
        (b'{"appAuthToken":"%b', b'{"appAuthToken":"***'),
        (b"{'appAuthToken': '%b'}", b"{'appAuthToken': '***'}"),
        (b"out_trade_no=1&app_auth_token=%b&x=1", b"out_trade_no=1&app_auth_token=***&x=1"),
        (b"app_auth_token=a%%2B%b%%26x=1", b"app_auth_token=***%26x=1"),
        (b"app%%5Fauth%%5Ftoken=%b", b"app%5Fauth%5Ftoken=***"),
        (b"%%22appAuthToken%%22%%3A%%22%b%%22&x=1", b"%22appAuthToken%22%3A%22***%22&x=1"),
        (b'\xff"appAuthToken":"%b"', b'\xff"appAuthToken":"***"'),
        (b'{"\\x":"1","appAuthToken":"%b"}', b'{"\\x":"1","appAuthToken":"***"}'),
    ],
)
def test_a_token_is_masked_and_nothing_else(value: bytes, expected: bytes) -> None:
    masked = without_tokens(value % SECRET)
    assert masked == expected
    assert without_tokens(masked) == expected


PLAIN: Final = f'{{"outTradeNo":"正常1","appAuthToken":"{TOKEN}","a":[1.5]}}'
MASKED: Final = PLAIN.replace(TOKEN, "***")
NESTED: Final = f'{{"appAuthToken":[{{"value":"{TOKEN}"}}]}}'
WIDE: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-32")


@pytest.mark.parametrize("encoding", WIDE)
def test_a_token_in_wide_characters_is_masked_and_nothing_else(encoding: str) -> None:
    assert without_tokens(PLAIN.encode(encoding)) == MASKED.encode(encoding)
    assert without_tokens(NESTED.encode(encoding)) == '{"appAuthToken":"***"}'.encode(encoding)
    assert without_tokens(MASKED.encode(encoding)) == MASKED.encode(encoding)


@pytest.mark.parametrize("encoding", WIDE[:4])
@pytest.mark.parametrize("before", [b"\x00", b"\x00\x00\x00", b'{"a":'])
def test_what_cannot_be_taken_apart_is_left_out_as_a_whole(encoding: str, before: bytes) -> None:
    """Wide characters that do not begin where a character can: there is a token, and no way to mask it alone."""
    masked = without_tokens(before + PLAIN.encode(encoding))
    assert masked == b"***" or masked.endswith(MASKED.encode(encoding)[-8:])
    assert SECRET not in masked.replace(b"\x00", b"")


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode], ids=["standard", "url"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_token_in_base64_is_masked_and_nothing_else(
    encode: Callable[[bytes], bytes], encoding: str
) -> None:
    """As in `data_base64` of an event in structured mode."""
    event = b'{"specversion":"1.0", "data_base64":"%b", "id":"1"}'
    hidden, shown = (encode(text.encode(encoding)) for text in (PLAIN, MASKED))
    assert hidden.endswith(b"=")
    assert without_tokens(event % hidden) == event % shown
    assert without_tokens(hidden) == shown
    assert without_tokens(event % hidden.rstrip(b"=")) == event % shown.rstrip(b"=")
    assert without_tokens(event % shown) == event % shown


@pytest.mark.parametrize("escaped", [(b"/", rb"\/"), (b"/", rb"\u002f"), (b"+", rb"\u002B")])
def test_no_escape_within_base64_hides_a_token(escaped: tuple[bytes, bytes]) -> None:
    hidden = b64encode(f'{{"x":"\u00bf\u00bf?>\u00be\u00ff~>>","appAuthToken":"{TOKEN}"}}'.encode("latin-1"))
    assert escaped[0] in hidden
    masked = without_tokens(b'{"data_base64":"%b"}' % hidden.replace(*escaped))
    assert SECRET not in b64decode(orjson.loads(masked)["data_base64"])


def test_base64_in_lines_and_in_itself_hides_no_token() -> None:
    twice = b64encode(b64encode(PLAIN.encode()))
    lines = b"\r\n".join(twice[start : start + 76] for start in range(0, len(twice), 76))
    assert b64decode(b64decode(without_tokens(lines))) == MASKED.encode()


def test_a_token_is_masked_however_often_it_is_wrapped() -> None:
    value, shown = PLAIN.encode(), MASKED.encode()
    for _ in range(12):
        value, shown = b64encode(value), b64encode(shown)
    assert without_tokens(value) == shown


@pytest.mark.parametrize(
    "megabyte",
    [
        b64encode(b"\x00" * 300_000 + PLAIN.encode("utf-16-le")) + b"A" * 600_000,
        *(
            part * (1_000_000 // len(part))
            for part in (b"\x00a", b"\\", b"\n", b"abcdefghijk\n", b'"agentToken":')
        ),
    ],
    ids=["base64", "wide", "backslashes", "lines", "words", "names"],
)
def test_a_large_record_is_masked_quickly(megabyte: bytes) -> None:
    """A dead letter is written by the loop that all refunds share, and anybody who may send commands can cause one."""
    began = time.process_time()
    without_tokens(megabyte)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "value",
    [
        b'{"appAuthToken":null}',
        b'{"appAuthToken":"","outTradeNo":"1"}',
        b'{"a":"appAuthToken","b":"x"}',
        b'["appAuthToken", "x"]',
        b'{"token":"x","a" : 1e2}',
        b"",
        b"\x00\xff",
        b'{"data_base64":"eyJvdXRUcmFkZU5vIjoiNDcxMSJ9"}',
        '{"outTradeNo":"4711","token":"x"}'.encode("utf-16"),
    ],
)
def test_what_is_no_token_is_left_as_it_was(value: bytes) -> None:
    assert without_tokens(value).replace(b'"***"', b'""') == value


@settings(max_examples=100)
@given(
    OBJECT,
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: "***" not in text),
)
def test_no_text_hides_a_token(around: dict[str, object], token: str) -> None:
    assume(b"secret" not in orjson.dumps(around))  # hypothesis tries texts of the project's modules, too
    value = orjson.dumps([around, {**around, "appAuthToken": f"secret{token}"}])
    masked = without_tokens(value)
    assert orjson.loads(masked)[1]["appAuthToken"] == "***"
    assert b"secret" not in masked


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_bytes_without_a_tokens_name_stay_as_they_are(value: bytes) -> None:
    assert without_tokens(value) == value


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("appAuthToken", True),
        ("ce_appauthtoken", True),
        ("Alipay-App-Auth-Token", True),
        ("agent-token", True),
        ("ce_type", False),
        ("token", False),
    ],
)
def test_a_name_tells_a_token(name: str, claim: bool) -> None:
    assert names_token(name) is claim


@pytest.mark.parametrize("size_max", [100_000, 4_200], ids=["whole", "cut"])
def test_a_dead_letter_has_no_token_in_it(size_max: int) -> None:
    value = orjson.dumps({**CLOUD_WHOLE, "appAuthToken": TOKEN, "refundReason": "x" * 5_000})
    headers = (*event(CLOUD), ("ce_appauthtoken", SECRET), ("app_auth_token", None), ("body", PLAIN.encode()))
    key = PLAIN.encode("utf-16")
    letter = fit(value, dead_letter_headers(headers, ORIGIN, "refunds", "TooLong", "…", 0), size_max, key)
    assert letter.truncated is (size_max < 5_000)
    assert letter.value is not None
    assert SECRET not in letter.value
    assert letter.key is not None
    assert SECRET not in letter.key.replace(b"\x00", b"")
    assert all(SECRET not in (content or b"") for _, content in letter.headers)
    assert b'"***"' in letter.value
    assert b"6823789339978248" in letter.value


def test_what_only_looks_like_base64_is_left_as_it_is() -> None:
    value = b"d84c2a8ba2b5b6a0c\\u00001"
    assert without_tokens(value) == value
