"""What the worker does about a result code, derived from the policy and the row's flags: a column of the page."""

from enum import StrEnum, auto
from typing import Final, assert_never

from worker.alipay.codes import Row
from worker.alipay.interface import Operation
from worker.alipay.policy_page.picture import MORE_ARROWS
from worker.refunds.attempt import Stage
from worker.refunds.policy import POLICY, Rule
from worker.refunds.reply import Throttled


class Deed(StrEnum):
    """One thing the worker does; a language has the words. The last three have words with a place for another's."""

    TAKE_AS_SUCCESS = auto()
    GO_BY_ITS_STATUS = auto()
    FAIL = auto()
    HOLD = auto()
    PARK = auto()
    SUBMIT = auto()
    SUBMIT_THEN_INQUIRE = auto()
    SUBMIT_SLOWLY = auto()
    INQUIRE = auto()
    ACT_ON_ABSENCE = auto()
    HALT_ACCOUNT = auto()
    HALT_MERCHANT = auto()
    SLOW_DOWN = auto()

    ASK_FIRST = auto()
    ASK_FIRST_IN_DOUBT = auto()
    UNLESS_IT_CONFIRMS = auto()


AROUND: Final = frozenset({Deed.ASK_FIRST, Deed.ASK_FIRST_IN_DOUBT, Deed.UNLESS_IT_CONFIRMS})
"""Those whose words go around another's."""


def deeds(operation: Operation, row: Row) -> tuple[Deed, ...]:
    """What follows from `row` in answer to `operation`: what is done, and then what goes around it."""
    rule = POLICY[Stage.SUBMIT if operation is Operation.REFUND else Stage.INQUIRE, row.kind]
    slower = (Deed.SLOW_DOWN,) if row.kind is Throttled else ()
    match rule:
        case Rule.SUCCEED:
            done = Deed.TAKE_AS_SUCCESS if operation is Operation.REFUND else Deed.GO_BY_ITS_STATUS
            return (done,)
        case Rule.FAIL_IF_CERTAIN:
            return _no(row), Deed.ASK_FIRST if row.confirm else Deed.ASK_FIRST_IN_DOUBT
        case Rule.FAIL:
            # Only the same answer twice confirms a decline.
            return (_no(row), Deed.UNLESS_IT_CONFIRMS) if row.park else (_no(row),)
        case Rule.SUBMIT:
            inquires_later = (Stage.SUBMIT, row.kind) in MORE_ARROWS
            return (*slower, Deed.SUBMIT_THEN_INQUIRE if inquires_later else Deed.SUBMIT)
        case Rule.SUBMIT_SLOWLY:
            return (Deed.SUBMIT_SLOWLY,)
        case Rule.INQUIRE | Rule.CONFIRM:
            return (*slower, Deed.INQUIRE)
        case Rule.SUBMIT_IF_ABSENT | Rule.FAIL_IF_ABSENT:
            return (Deed.ACT_ON_ABSENCE,)
        case Rule.HALT:
            return (Deed.HALT_MERCHANT if row.merchant else Deed.HALT_ACCOUNT,)
        case Rule.PARK:
            return (Deed.PARK,)
        case _:
            assert_never(rule)


def _no(row: Row) -> Deed:
    """Where a decline ends, once it is believed."""
    if row.park:
        return Deed.PARK
    return Deed.HOLD if row.suspect else Deed.FAIL
