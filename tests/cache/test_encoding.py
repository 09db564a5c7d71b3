"""What is remembered of a final refund comes back as it was, in few bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.making import final
from worker.cache.encoding import decoded, encoded, final_since
from worker.messages.ledger import write_entry
from worker.refunds.entry import FinalEntry
from worker.refunds.reply import NextAction
from worker.stream.finals import Final, Stored

ENTRY = FinalEntry("refund-1", b"\x01" * 32, 1_800_000_000.5, {"ce_id": "1"}, {"refundStatus": "SUCCESS"})
STORED = Stored("refund-1", write_entry(ENTRY))
FINALS = st.builds(
    Final,
    digest=st.binary(max_size=32),
    stored=st.sampled_from((None, STORED)),
    succeeded=st.booleans(),
    channel=st.text(max_size=32),
    payment=st.text(max_size=40),
    provider_request_id=st.text(max_size=64),
    next_action=st.sampled_from(NextAction),
    made_from=st.sampled_from((b"", b"\xff" * 32)),
)


@given(FINALS, st.floats(0, 2**32 - 1))
def test_what_is_remembered_comes_back_as_it_was(of: Final, at: float) -> None:
    assert decoded("refund-1", encoded(of, at)) == of


@given(st.floats(1, 2**32 - 1))
def test_a_final_refund_is_never_older_than_it_was(at: float) -> None:
    """Rounded down, it would be forgotten before its retention has passed."""
    assert at <= final_since(encoded(final(), at)) <= at + 1


def test_most_final_refunds_take_few_bytes() -> None:
    assert len(encoded(final(), 1_800_000_000.0)) < 50


def test_the_entry_of_another_kind_is_not_taken_for_an_outcome() -> None:
    value = encoded(Final(b"", STORED, succeeded=True, channel="global"), 1.0)
    with pytest.raises(ValueError, match="refund-2"):
        decoded("refund-2", value)
