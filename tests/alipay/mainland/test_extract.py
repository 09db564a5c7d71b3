"""The signed part of an answer: cut out byte for byte, or refused with a name, in linear time."""

import contextlib
import json
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.messages.strategies import JSON, TEXT
from worker.alipay.mainland.extract import Envelope, NotExtractable, extract

NODE = "alipay_trade_refund_response"
TAKEN = (NODE, "error_response", "sign", "alipay_cert_sn")
SPACE = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object as some writer would write it: any spacing, any escaping."""
    value = draw(st.dictionaries(TEXT, JSON, max_size=4))
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
        separators=draw(st.sampled_from([(",", ":"), (" , ", " : ")])),
    )
    return text.replace("/", "\\/") if draw(st.booleans()) else text


@given(st.data())
def test_the_node_is_cut_out_as_it_was_put_in(data: st.DataObject) -> None:
    """Among any other members, in any order, with any spacing."""
    node = data.draw(objects())
    others = data.draw(st.dictionaries(TEXT.filter(lambda name: name not in TAKEN), JSON, max_size=3))
    sign = data.draw(st.none() | st.text(max_size=20))
    members = {json.dumps(name): json.dumps(value, ensure_ascii=False) for name, value in others.items()}
    members[f'"{NODE}"'] = node
    if sign is not None:
        members['"sign"'] = json.dumps(sign)
    order = data.draw(st.permutations(sorted(members)))
    space = data.draw(st.lists(SPACE, min_size=4, max_size=4))
    texts = [f"{space[0]}{name}{space[1]}:{space[2]}{members[name]}{space[3]}" for name in order]
    raw = (space[3] + "{" + ",".join(texts) + "}" + space[0]).encode(errors="surrogatepass")
    assert extract(raw, NODE) == Envelope(NODE, node.encode(errors="surrogatepass"), sign, None)


@given(JSON | objects().map(json.loads))
def test_any_json_is_an_envelope_or_has_a_named_fault(value: object) -> None:
    raw = json.dumps({NODE: value, "sign": "AA"}).encode()
    if isinstance(value, dict):
        assert json.loads(extract(raw, NODE).node) == value
    else:
        with pytest.raises(NotExtractable, match="not an object"):
            extract(raw, NODE)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":\\,ab1 \n', max_size=80).map(str.encode))
def test_any_bytes_are_an_envelope_or_have_a_named_fault(raw: bytes) -> None:
    for tried in (raw, b'{"' + NODE.encode() + b'":{' + raw + b"}}"):
        with contextlib.suppress(NotExtractable):
            envelope = extract(tried, NODE)
            assert envelope.node in tried
            assert envelope.node[:1] + envelope.node[-1:] == b"{}"


NAMES = st.sampled_from(['"sign"', '"a"', '"b"', '"{"', '"\\""', '"\\u0061"', f'"{NODE}"', "a"])
VALUES = objects() | st.sampled_from(['"}"', '"\\\\"', '"\\""', "[{}]", "1", "null", "[", '"'])
MEMBER = st.tuples(SPACE, NAMES, SPACE, VALUES)
NODE_MEMBER = st.tuples(SPACE, st.just(f'"{NODE}"'), SPACE, objects())
MEMBERS = st.tuples(NODE_MEMBER, st.lists(MEMBER, max_size=3)).flatmap(
    lambda drawn: st.permutations([drawn[0], *drawn[1]])
)


def _as_parsed(raw: str) -> bytes | None:
    """What a JSON parser finds there, as bytes; None if it finds no object, or a name twice."""
    try:
        pairs: list[tuple[str, object]] = json.loads(raw, object_pairs_hook=list)
        value = json.loads(raw)
    except ValueError:
        return None
    return (
        orjson.dumps(value[NODE]) if len(pairs) == len(value) and isinstance(value.get(NODE), dict) else None
    )


@given(MEMBERS)
def test_what_a_json_parser_reads_is_read_alike(members: list[tuple[str, str, str, str]]) -> None:
    """The parser is the reference. What it does not read may have an envelope, if the fault is in the node."""
    raw = "{" + ",".join(f"{first}{name}{second}:{value}" for first, name, second, value in members) + "}"
    parsed = _as_parsed(raw)
    if parsed is not None:
        assert orjson.dumps(json.loads(extract(raw.encode(), NODE).node)) == parsed


CHINESE = st.text(alphabet=st.characters(codec="gb18030", exclude_categories=["Cs", "Cc"]), max_size=30)


@given(CHINESE, CHINESE)
def test_in_gb18030_no_second_byte_of_a_character_is_taken_for_json(first: str, second: str) -> None:
    node = json.dumps({"sub_msg": first, "誠": second}, ensure_ascii=False).encode("gb18030")
    raw = b'{"' + NODE.encode() + b'":' + node + b',"sign":"AA","x":"' + "系".encode("gb18030") + b'"}'
    assert extract(raw, NODE) == Envelope(NODE, node, "AA", None)


@pytest.mark.parametrize(
    ("sign", "read"),
    [
        ('"AA"', "AA"),
        ('"A\\/A\\u003d"', "A/A="),
        ('""', ""),
        ("null", ""),
        ("5", ""),
        ("{}", ""),
        ('"\\x"', ""),
        ('"a\nb"', ""),
    ],
)
def test_a_signature_that_is_no_text_is_not_taken_for_a_missing_one(sign: str, read: str) -> None:
    raw = f'{{"{NODE}":{{}},"sign":{sign},"alipay_cert_sn":{sign}}}'.encode()
    assert extract(raw, NODE) == Envelope(NODE, b"{}", read, read)


@pytest.mark.parametrize("text", ["}", "{", "[]", '\\"}', "\\\\", "\\\n}", "\n}"])
@pytest.mark.parametrize(
    "form", ['{"a":"%s"}', '{"a":"%s","b":"%s"}', '{"a":{"b":"%s"}}', '{"a":["%s"],"c":"%s"}']
)
def test_what_a_text_says_does_not_end_the_node(form: str, text: str) -> None:
    node = form.replace("%s", text)
    assert extract(b'{"%s":%s,"sign":"AA"}' % (NODE.encode(), node.encode()), NODE).node == node.encode()


def test_an_error_stands_where_the_response_would() -> None:
    assert extract(b'{"error_response":{"code":"40002"}}', NODE).name == "error_response"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "no '{'"),
        (b"[]", "no '{'"),
        (b"{}", "no whole text"),
        (b'{"a"}', "no ':'"),
        (b'{"a":}', "no value"),
        (b'{"a":1', "no '}'"),
        (b'{"a":1,}', "no whole text"),
        (b'{"a":"b}', "no whole text"),
        (b'{"a":{"b":"c"}', "no '}'"),
        (b'{"a":{"b":[]', "no end"),
        (b'{"a":{"b":[}', "too many"),
        (b'{"a":[{]}', "too many"),
        (b'{"a":{"b":"c}', "no whole text"),
        (b'{"a":1}{"b":2}', "follows"),
        (b'{"\\x":1}', "not JSON"),
        (b'{"a":1}', "neither"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":1,"\\u0061":2}', "twice"),
        (b'{"%s":{},"%s":{}}' % (NODE.encode(), NODE.encode()), "twice"),
        (b'{"%s":{},"error_response":{}}' % NODE.encode(), "both"),
        (b'{"%s":"encrypted"}' % NODE.encode(), "encryption"),
        (b'{"%s":[{}]}' % NODE.encode(), "not an object"),
        (b'\xef\xbb\xbf{"%s":{}}' % NODE.encode(), "no '{'"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(raw: bytes, text: str) -> None:
    with pytest.raises(NotExtractable, match=text) as refused:
        extract(raw, NODE)
    assert "expected" in str(refused.value) or "?" in str(refused.value) or text in ("not JSON", "too many")


LONG = 65_000


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b"\\" * LONG,
        b'{"a":"' + b'\\"' * (LONG // 2),
        b'{"a":{' + b'"' * LONG,
        b'{"a":' + b"[" * LONG,
        b'{"a":' + b"{" * LONG + b"}" * LONG,
        b"{" + b" " * LONG,
        b'{"a":' + b"\x81" * LONG,
        b'{"a":"' + b"\x810" * (LONG // 2),
        b"{" + b",".join(b'"%d":1' % number for number in range(LONG // 8)) + b"}",
    ],
)
def test_no_answer_takes_longer_than_its_length(raw: bytes) -> None:
    began = time.process_time()
    with pytest.raises(NotExtractable):
        extract(raw, NODE)
    assert time.process_time() - began < 1
