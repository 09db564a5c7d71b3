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
    "order_number": ("order-1", True),
    "whole": (True, True),
    "royalty_parameters": ('[{"trans_in":"1"}]', True),
    "query_options": ('["refund_detail_item_list"]', False),
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


def test_a_payment_has_the_name_the_provider_gave_it_before_the_merchants_own() -> None:
    assert replace(COMMAND, order_number="order-1").payment == COMMAND.payment_id


def test_values_do_not_run_into_each_other() -> None:
    moved = replace(COMMAND, merchant="a", payment_id="bc")
    assert moved.digest() != replace(COMMAND, merchant="ab", payment_id="c").digest()


def test_a_payments_two_names_are_not_taken_for_each_other() -> None:
    by_order = replace(COMMAND, payment_id="", order_number=COMMAND.payment_id)
    assert by_order.payment == COMMAND.payment
    assert by_order.digest() != COMMAND.digest()


# It is compared with digests in ledgers that older releases wrote; a new one needs a new DIGEST_VERSION.
FULL: Final = replace(
    COMMAND, merchant="shop-7", capture_id="capture-1", split_details='[{"splitTo":"1"}]', query_options="[]"
)
MAINLAND: Final = replace(
    COMMAND, payment_id="", order_number="order-1", whole=True, royalty_parameters='[{"trans_in":"1"}]'
)


@pytest.mark.parametrize(
    ("command", "digest"),
    [
        (COMMAND, "3bee7ec5597f51696f3df79255d08f160d6aeec77aa84af62ef83e6ff8577a14"),
        (FULL, "00b9c9fc149665467763ea1454c87ce8d3b1bcfd3fa7a46653aeee0a91ff6b67"),
        (MAINLAND, "d6f27016bf04b6a6b3b160f025afdfc160ecaaf9f8454a15ad5b5451a2164a36"),
    ],
    ids=["plain", "full", "mainland"],
)
def test_the_digest_is_the_same_in_every_release(command: Command, digest: str) -> None:
    assert command.digest().hex() == digest
