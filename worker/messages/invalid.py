"""Why a record is not a command that can be carried out, under names that never change."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.refunds.command import Cause


class Problem(StrEnum):
    """The name in a dead letter's `kafka_dlt-exception-fqcn` and in a `refund.rejected` event's `error`."""

    TOMBSTONE = "Tombstone"
    TOO_LARGE = "TooLarge"
    NOT_UTF8 = "NotUtf8"
    NOT_JSON = "NotJson"
    TOO_DEEP = "TooDeep"
    DUPLICATE_KEY = "DuplicateKey"
    BAD_CLOUD_EVENT = "BadCloudEvent"
    MISSING_FIELD = "MissingField"
    WRONG_TYPE = "WrongType"
    EMPTY = "Empty"
    TOO_LONG = "TooLong"
    BAD_CHARACTERS = "BadCharacters"
    BAD_AMOUNT = "BadAmount"
    UNKNOWN_CURRENCY = "UnknownCurrency"
    UNKNOWN_CHANNEL = "UnknownChannel"
    CURRENCY_NOT_ALLOWED = "CurrencyNotAllowed"
    UNKNOWN_MERCHANT = "UnknownMerchant"
    FIELD_NOT_ALLOWED = "FieldNotAllowed"
    # Found before reading, by Kafka's client.
    UNREADABLE_RECORD = "UnreadableRecord"
    # Found only after reading, by whoever knows the ledger, the clock and the partitions.
    CONFLICT = "Conflict"
    TOO_OLD = "TooOld"
    MISROUTED = "Misrouted"


@dataclass(frozen=True, slots=True)
class Invalid:
    """A record that is not a command.

    `error` is a `Problem`; `field` is "" when the record as a whole is at fault. `message` names the field,
    what was found (shortened), what was expected, with an example. `refund_request_id` is set when it could
    be read, whatever else is wrong: then its sender can be answered.
    """

    error: str
    field: str
    message: str
    refund_request_id: str | None
    cause: Cause


class NotReadable(Exception):
    """The first fault found while reading. The text is the `message` of the `Invalid` it becomes."""

    def __init__(self, problem: Problem, field: str, found: str, expected: str) -> None:
        place = f"{field}: " if field else ""
        super().__init__(f"{place}{found}; expected {expected}")
        self.problem = problem
        self.field = field


FOUND_MAX: Final = 24


def shortened(value: object) -> str:
    """What was found, short enough to tell nobody a buyer's data."""
    match value:
        case str():
            text = value if len(value) <= FOUND_MAX else f"{value[:FOUND_MAX]}…"
            return f"the string {text!a}"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {str(value)[:FOUND_MAX]}"
        case None:
            return "null"
        case list():
            return f"an array of {len(value)}"
        case dict():
            return "an object"
        case _:
            return type(value).__name__
