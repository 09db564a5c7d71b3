"""What is remembered of a final refund does not depend on whether its entry was written now or read at an opening."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import samples
from tests.messages.strategies import FINAL_ENTRIES
from worker.messages.ledger import ledger_key, skim_entry, write_entry
from worker.messages.ledger_v1 import FinalFields
from worker.refunds.entry import FinalEntry
from worker.stream.finals import final_of, final_read

ENTRIES = st.one_of(st.sampled_from((samples.final(), samples.failed_entry())), FINAL_ENTRIES)


@settings(max_examples=25)
@given(ENTRIES, st.booleans(), st.booleans())
def test_an_entry_that_is_read_is_remembered_as_when_it_was_written(
    entry: FinalEntry, keep_outcome: bool, by_payment: bool
) -> None:
    value = write_entry(entry)
    fields = skim_entry(ledger_key(entry.refund_request_id), value)
    assert isinstance(fields, FinalFields)
    read = final_read(fields, value, keep_outcome=keep_outcome, by_payment=by_payment)
    assert read == final_of(entry, keep_outcome=keep_outcome, by_payment=by_payment)
    assert read.entry == (entry if keep_outcome else None)
