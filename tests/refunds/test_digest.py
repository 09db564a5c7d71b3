"""What makes a second command with the same id a duplicate, and what makes it a conflict."""

from dataclasses import fields, replace
from typing import Any, Final

import pytest

from worker.refunds.command import Cause, Command
from worker.refunds.money import Money

COMMAND: Final = Command("refund-1", "refund-1", "payment-1", Money("USD", 100), "global")

# field of Command → another value for it, and whether that makes it another refund.
CHANGES: Final[dict[str, tuple[Any, bool]]] = {
    "refund_request_id": ("refund-2", False),
    "provider_request_id": ("refund-0", False),
    "payment_id": ("payment-2", True),
    "amount": (Money("USD", 101), True),
    "channel": ("mainland", True),
    "merchant": ("shop-7", True),
    "reason": ("changed my mind", False),
    "reference_refund_id": ("reference-1", False),
    "notify_url": ("https://shop.example/notify", False),
    "capture_id": ("capture-1", True),
    "metadata": ("{}", False),
    "goods": ('[{"referenceGoodsId":"1"}]', False),
    "split_details": ('[{"splitTo":"1"}]', True),
    "cause": (Cause("another delivery"), False),
}


def test_every_field_of_a_command_is_business_or_not() -> None:
    assert list(CHANGES) == [field.name for field in fields(Command)]


@pytest.mark.parametrize("field", CHANGES)
def test_only_a_change_of_the_business_is_a_conflict(field: str) -> None:
    value, conflicts = CHANGES[field]
    assert (replace(COMMAND, **{field: value}).digest() != COMMAND.digest()) is conflicts


def test_the_currency_is_business() -> None:
    assert replace(COMMAND, amount=Money("EUR", 100)).digest() != COMMAND.digest()


def test_values_do_not_run_into_each_other() -> None:
    moved = replace(COMMAND, merchant="a", payment_id="bc")
    assert moved.digest() != replace(COMMAND, merchant="ab", payment_id="c").digest()


def test_the_digest_is_the_same_in_every_release() -> None:
    """It is compared with digests in ledgers that older releases wrote; a new one needs a new
    DIGEST_VERSION.
    """
    assert COMMAND.digest().hex() == "3bee7ec5597f51696f3df79255d08f160d6aeec77aa84af62ef83e6ff8577a14"
