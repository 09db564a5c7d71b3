"""What a record is taken for, and in which order the checks are made."""

from itertools import islice

import pytest

from tests.stream.stage import COMMANDS, NOW, ids_at, record, value
from worker.messages.command import CommandLimits
from worker.refunds.entry import FinalEntry, Origin
from worker.stream.intake import Disposition, Intake, Known, New, Refused, Repeat, Stray
from worker.stream.ports import Headers, Record
from worker.stream.routing import hop
from worker.stream.scope import Readable

AGE_MAX_S = 1_000.0
SIZE_MAX = 100_000
INTAKE = Intake(
    0, 4, "refundRequestId", AGE_MAX_S, SIZE_MAX, Readable(CommandLimits(65_536, {"global": None}), "any")
)
AT_HOME = next(iter(ids_at(0, 4)))
ASTRAY = next(iter(ids_at(3, 4)))


def judged(of: Record, known: Known | None = None, intake: Intake = INTAKE) -> New | Repeat | Stray | Refused:
    return intake.judge(of, lambda _: known, NOW)


def digest(content: bytes) -> bytes:
    new = judged(record(0, content))
    assert isinstance(new, New)
    return new.digest


def error(found: object) -> str:
    assert isinstance(found, Refused), found
    return found.invalid.error


def test_an_unknown_id_is_a_new_refund() -> None:
    new = judged(record(0, value(AT_HOME)))
    assert isinstance(new, New)
    assert (new.command.refund_request_id, new.disposition) == (AT_HOME, Disposition.NEW)


def test_the_same_business_under_a_known_id_is_a_duplicate() -> None:
    """Reason and metadata may differ between two sendings of one command."""
    known = Known(digest(value(AT_HOME)))
    repeat = judged(record(7, value(AT_HOME, refundReason="other words")), known)
    assert isinstance(repeat, Repeat)
    assert repeat.disposition is Disposition.DUPLICATE


@pytest.mark.parametrize(
    "changes",
    [
        {"paymentId": "another"},
        {"refundAmount": {"currency": "USD", "value": "101"}},
        {"refundAmount": {"currency": "EUR", "value": "100"}},
        {"merchant": "another"},
    ],
)
def test_other_business_under_a_known_id_is_a_conflict(changes: dict[str, object]) -> None:
    refused = judged(record(7, value(AT_HOME, **changes)), Known(digest(value(AT_HOME))))
    assert error(refused) == "Conflict"
    assert isinstance(refused, Refused)
    assert refused.disposition is Disposition.CONFLICT
    assert refused.invalid.refund_request_id == AT_HOME


def test_a_record_that_the_client_could_not_take_apart_is_refused_by_its_place() -> None:
    refused = judged(record(7, b"")._replace(value=None, unreadable="no UTF-8"))
    assert error(refused) == "UnreadableRecord"
    assert isinstance(refused, Refused)
    assert "no UTF-8" in refused.invalid.message
    assert refused.invalid.cause.id == f"{COMMANDS}-0-7"


def test_the_very_record_read_again_is_a_redelivery() -> None:
    known = Known(digest(value(AT_HOME)), Origin(COMMANDS, 0, 7, 0))
    repeat = judged(record(7, value(AT_HOME)), known)
    assert isinstance(repeat, Repeat)
    assert repeat.disposition is Disposition.REDELIVERY


def test_an_entry_that_is_not_understood_is_known_all_the_same() -> None:
    """Written by a newer release: neither run nor called a conflict."""
    repeat = judged(record(7, value(AT_HOME)), Known(None))
    assert isinstance(repeat, Repeat)
    assert repeat.final is None


def test_a_stored_outcome_travels_with_the_duplicate() -> None:
    final = FinalEntry(AT_HOME, b"", NOW, {}, {})
    repeat = judged(record(7, value(AT_HOME)), Known(digest(value(AT_HOME)), final=final))
    assert isinstance(repeat, Repeat)
    assert repeat.final is final


def test_a_command_of_another_partition_is_a_stray() -> None:
    assert judged(record(0, value(ASTRAY))) == Stray(3)


def test_a_stray_that_was_forwarded_once_is_refused() -> None:
    """Forwarding again could go on for ever: two workers do not agree on the partition count."""
    hopped: Headers = (hop(4),)
    refused = judged(record(0, value(ASTRAY), headers=hopped))
    assert error(refused) == "Misrouted"
    assert isinstance(judged(record(0, value(AT_HOME), headers=hopped)), New)


def test_a_stray_that_was_forwarded_before_partitions_were_added_is_forwarded_once_more() -> None:
    """It was on its way to the home that it had by another count."""
    hopped: Headers = (hop(2),)
    assert judged(record(0, value(ASTRAY), headers=hopped)) == Stray(3)
    assert error(judged(record(0, value(ASTRAY), headers=(*hopped, hop(4))))) == "Misrouted"


def test_the_home_is_found_by_the_decoded_id_and_not_by_the_records_key() -> None:
    keyed = Record(COMMANDS, 0, 0, round(NOW * 1000), 0, AT_HOME.encode(), value(ASTRAY), ())
    assert judged(keyed) == Stray(3)


def test_routing_by_payment_looks_at_the_payment() -> None:
    by_payment = Intake(0, 4, "payment", AGE_MAX_S, SIZE_MAX, INTAKE.readable)
    here, there = (next(iter(ids_at(number, 4, "pay"))) for number in (0, 2))
    assert isinstance(judged(record(0, value(ASTRAY, paymentId=here)), intake=by_payment), New)
    assert judged(record(0, value(AT_HOME, paymentId=there)), intake=by_payment) == Stray(2)


def test_a_command_older_than_the_memory_is_not_carried_out() -> None:
    refused = judged(record(0, value(AT_HOME), at=NOW - AGE_MAX_S - 1))
    assert error(refused) == "TooOld"
    assert isinstance(judged(record(0, value(AT_HOME), at=NOW - AGE_MAX_S)), New)


def test_a_stray_that_no_topic_would_take_is_refused() -> None:
    """Its headers alone are too large: to try to forward it would end every opening."""
    headers: Headers = (("baggage", b"x" * SIZE_MAX),)
    assert error(judged(record(0, value(ASTRAY), headers=headers))) == "TooLarge"
    assert isinstance(judged(record(0, value(AT_HOME), headers=headers)), New)


def test_unreadable_is_found_before_astray_before_known_before_too_old() -> None:
    old, known = NOW - AGE_MAX_S - 1, Known(digest(value(AT_HOME)))
    assert error(judged(record(0, b"{", at=old), known)) == "NotJson"
    assert error(judged(record(0, value(ASTRAY, refundAmount=None), at=old), known)) == "MissingField"
    assert judged(record(0, value(ASTRAY), at=old), known) == Stray(3)
    assert isinstance(judged(record(0, value(AT_HOME), at=old), known), Repeat)


def test_every_refund_of_a_partition_finds_its_home() -> None:
    for number in range(4):
        intake = Intake(number, 4, "refundRequestId", AGE_MAX_S, SIZE_MAX, INTAKE.readable)
        for refund_request_id in islice(ids_at(number, 4), 20):
            assert isinstance(judged(record(0, value(refund_request_id)), intake=intake), New)
