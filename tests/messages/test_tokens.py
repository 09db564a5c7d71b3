"""No token of a merchant reaches the dead-letter topic, however its record is written."""

from typing import Final

import orjson
import pytest
from hypothesis import given, settings
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
        (b'\xff"appAuthToken":"%b"', b'\xff"appAuthToken":"***"'),
        (b'{"\\x":"1","appAuthToken":"%b"}', b'{"\\x":"1","appAuthToken":"***"}'),
    ],
)
def test_a_token_is_masked_and_nothing_else(value: bytes, expected: bytes) -> None:
    masked = without_tokens(value % SECRET)
    assert masked == expected
    assert without_tokens(masked) == expected


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
    headers = (*event(CLOUD), ("ce_appauthtoken", SECRET), ("app_auth_token", None))
    letter = fit(value, dead_letter_headers(headers, ORIGIN, "refunds", "TooLong", "…", 0), size_max)
    assert letter.truncated is (size_max < 5_000)
    assert letter.value is not None
    assert SECRET not in letter.value
    assert all(SECRET not in (content or b"") for _, content in letter.headers)
    assert b'"***"' in letter.value
    assert b"6823789339978248" in letter.value
