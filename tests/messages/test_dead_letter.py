"""Dead letters: readable with the tools that read Spring Kafka's, and never too large to be written."""

import hashlib
import struct
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages.samples import ORIGIN
from worker.messages.dead_letter import PREFIX, DeadLetterHeaders, dead_letter_headers, fit, record_size
from worker.refunds.entry import Origin

ORIGINAL: Final = (("ce_id", b"1"), ("empty", b""), ("null", None), ("ce_id", b"2"))


def letter(
    headers: DeadLetterHeaders = ORIGINAL, origin: Origin = ORIGIN, kind: int = 0
) -> DeadLetterHeaders:
    return dead_letter_headers(headers, origin, "refunds", "BadAmount", "refundAmount.value: …", kind)


def test_the_headers_are_springs_names_with_javas_numbers() -> None:
    assert letter() == (
        *ORIGINAL,
        ("kafka_dlt-original-topic", b"refund.commands"),
        ("kafka_dlt-original-partition", struct.pack(">i", 3)),
        ("kafka_dlt-original-offset", struct.pack(">q", 42)),
        ("kafka_dlt-original-timestamp", struct.pack(">q", 1_717_462_920_000)),
        ("kafka_dlt-original-timestamp-type", b"CreateTime"),
        ("kafka_dlt-original-consumer-group", b"refunds"),
        ("kafka_dlt-exception-fqcn", b"BadAmount"),
        ("kafka_dlt-exception-message", "refundAmount.value: …".encode()),
    )


@pytest.mark.parametrize(
    ("kind", "name"), [(0, b"CreateTime"), (1, b"LogAppendTime"), (-1, b"NoTimestampType")]
)
def test_the_timestamp_type_is_spelled_out(kind: int, name: bytes) -> None:
    assert dict(letter(kind=kind))["kafka_dlt-original-timestamp-type"] == name


@pytest.mark.parametrize("number", [-1, 0, 2**31 - 1])
def test_every_number_kafka_has_fits(number: int) -> None:
    headers = dict(letter(origin=Origin("t", number, number * 2**32, number)))
    assert headers["kafka_dlt-original-offset"] == struct.pack(">q", number * 2**32)


def test_a_record_that_was_a_dead_letter_before_keeps_its_story() -> None:
    twice = letter(letter())
    assert [name for name, _ in twice].count("kafka_dlt-original-topic") == 2


def test_what_fits_is_left_untouched() -> None:
    headers = letter()
    size = record_size(b"key", b"value", headers)
    kept = fit(b"value", headers, size, key=b"key")
    assert (kept.key, kept.value, kept.headers, kept.truncated) == (b"key", b"value", headers, False)
    assert fit(b"value", headers, size - 1, key=b"key").truncated


def test_what_does_not_fit_is_cut_and_says_so() -> None:
    value = bytes(range(256)) * 4096
    cut = fit(value, letter((("big", b"x" * 9000),)), 8192, key=b"refund-4711")
    headers = dict(cut.headers)
    assert cut.truncated
    assert cut.key == b"refund-4711"
    assert cut.value is not None
    assert value.startswith(cut.value)
    assert len(cut.value) > 6000
    assert headers["kafka_dlt-truncated"] == b"true"
    assert headers["kafka_dlt-original-value-size"] == struct.pack(">q", len(value))
    assert headers["kafka_dlt-original-value-sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["kafka_dlt-original-offset"] == struct.pack(">q", 42)
    assert "big" not in headers


def test_the_origin_is_the_latest_one() -> None:
    older = letter(origin=Origin("older", 0, 0, 0))
    cut = fit(b"x" * 9000, letter(older), 4096)
    assert [value for name, value in cut.headers if name == "kafka_dlt-original-topic"] == [
        b"refund.commands"
    ]


def test_headers_that_pretend_to_be_ours_cannot_crowd_ours_out() -> None:
    pretended = tuple((f"{PREFIX}original-{number}", b"x" * 1000) for number in range(500))
    cut = fit(b"value", letter(pretended), 4096)
    assert dict(cut.headers)["kafka_dlt-original-offset"] == struct.pack(">q", 42)
    assert record_size(cut.key, cut.value, cut.headers) <= 4096


HEADERS: Final = st.lists(
    st.tuples(st.text(max_size=40), st.none() | st.binary(max_size=3000)), max_size=8
).map(tuple)


@settings(max_examples=60)
@given(
    st.none() | st.binary(max_size=9000),
    HEADERS,
    st.none() | st.binary(max_size=9000),
    st.integers(4096, 9000),
)
def test_a_dead_letter_always_fits(
    value: bytes | None, headers: DeadLetterHeaders, key: bytes | None, size_max: int
) -> None:
    long = "€" * 5000
    origin = Origin("t" * 249, 0, 42, 0)
    written = dead_letter_headers(headers, origin, "g" * 255, "BadCloudEvent", long, 0)
    kept = fit(value, written, size_max, key=key)
    assert record_size(kept.key, kept.value, kept.headers) <= size_max
    assert (kept.value is None, kept.key is None) == (value is None, key is None)
    assert dict(kept.headers)["kafka_dlt-original-offset"] == struct.pack(">q", 42)
