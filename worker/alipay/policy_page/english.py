"""The page in English; what codes mean and what to do about them is in their rows."""

from collections.abc import Mapping
from typing import Final

from worker.alipay.ams import codes as ams
from worker.alipay.codes import Row
from worker.alipay.mainland import codes as mainland
from worker.alipay.policy_page.deeds import Deed
from worker.alipay.policy_page.language import CodeTexts, Language, Named, Texts, by_name
from worker.alipay.policy_page.picture import ENDS, When
from worker.refunds.policy import Rule
from worker.refunds.reply import REPLIES, NextAction
from worker.refunds.verdict import ParkReason

_OPENING: Final = """# Policy

In Chinese: [中文版](policy.zh.md).

Made from the tables in `worker/refunds/policy.py`, `worker/alipay/ams/codes.py` and `worker/alipay/mainland/codes.py`
by `python -m worker.alipay.policy_page > docs/policy.md`; a test fails when this page is stale.

## What follows from an answer

A refund is at one of three stages, which say what its next call asks. **SUBMIT** asks for the refund, **INQUIRE** asks
what became of it, **CONFIRM** asks whether it is really not done, because a decline came that cannot be believed yet.
Every SUBMIT sends the same bytes, and Alipay, which goes by the refund's number, does not refund twice. A refund is
*ambiguous*, or in doubt, once any call may have reached Alipay without a trusted answer, or a predecessor of this
worker may have made one."""

_LIFE: Final = """## A refund's life

The arrows are the cells of the table above; conditions are in brackets. From any stage a refund is also parked when an
answer leaves it open and its attempts or its time are used up. A halted refund goes back to the stage it came from once
its credential works again; a held one is asked about anew if its partition gets another owner. `parked` waits for a
person. Only `succeeded` and `failed` are final.

A notification of Alipay's settles nothing: it makes the next call an inquiry, at once where that is possible, also of a
parked refund (unless it is parked as `contradicted`). Where an answer then declines what the notification called done,
neither is believed, and the refund is parked. What a notification says against an outcome becomes an event of its own,
`refund.returned.v1` or `refund.contradicted.v1`."""

_CODES: Final = """## Result codes

The same code means other things in another interface, and on an inquiry. With another status than its row lists a code
counts as unlisted. *What the worker does* follows from the policy and the row:

- It inquires before it believes a decline behind which a success of ours may hide, or about which Alipay says so.
- It holds a decline that our own configuration can cause until the same account has had a success.
- It parks, and does not fail, what only a person can decide.
- It halts an account, or only the merchant that the command names (the account if it names none), when Alipay says that
  *we* are wrong. Nothing fails by that, and nothing is used up."""

_AMS_REFUND: Final = """The status is `resultStatus`: S done, F failed, U unknown."""

_AMS_INQUIRY: Final = """\
An inquiry's result says whether the *inquiry* worked. Only `refundStatus` speaks of the refund: SUCCESS is Succeeded,
FAIL and CANCELLED are Declined, any other text is Pending."""

_MAINLAND_REFUND: Final = """\
v2 and v3. The code is `sub_code` without its prefix (`ACQ.`, `isv.`, `aop.`, …) and the status v2's public `code`;
where there is no `sub_code` the code is the public one. Only `fund_change` Y is a success. v3 does not sign what it
refuses: there the worker inquires before it believes any decline. A refund that failed may only be issued again under
its old number."""

_MAINLAND_INQUIRY: Final = """\
A query's result says whether the *query* worked. Only `refund_status` REFUND_SUCCESS, with our number and amount, is
Succeeded; a query that worked and has neither `refund_status` nor a refund's amount is NotFound."""

_PARKS: Final = """\
A parked refund is not final, and nothing is claimed about its money. `refund.parked.v1` carries the reason."""

_NUMBERS: Final = """\
Each is a setting of a channel, see [settings.md](settings.md), which has the mainland's own defaults;
`python -m worker check` shows those in force. The wait before the next call is `backoff_floor_s` plus a random part of
at most `backoff_base_s` · 2ⁿ, which never exceeds `backoff_cap_s`. The random part is derived from the refund's id, so
a redelivery repeats it."""

_WHENS: Final[Mapping[When, str]] = {
    When.ALWAYS: "",
    When.ASYNCHRONOUS: "asynchronous channel",
    When.LONG_IN_DOUBT: "in doubt, and first sent submit_for_s ago",
    When.CERTAIN: "never ambiguous",
    When.DOUBTFUL: "ambiguous, or a code that may hide a success",
    When.SUSPECT: "a suspect code",
    When.SUSPECT_AND_CERTAIN: "a suspect code, never ambiguous",
    When.A_PERSONS: "a code that a person decides",
    When.LATER: "balance_interval_s later",
    When.ABSENT: "absent often enough",
    When.NOT_ABSENT: "not absent often enough",
    When.FORGOTTEN: "the provider may have forgotten the id",
    When.OVERTAKEN: "a later refund has succeeded",
    When.PROVED: "the account has had a success",
    When.NOT_PROVED: "none in time",
    When.NOTIFIED: "a notification",
}

_DEEDS: Final[Mapping[Deed, str]] = {
    Deed.TAKE_AS_SUCCESS: "publishes the success if the other fields prove it; inquires where they, or an asynchronous "
    "channel, leave it open; parks it if they contradict it",
    Deed.GO_BY_ITS_STATUS: "goes by the refund's own status in the answer",
    Deed.FAIL: "fails the refund",
    Deed.HOLD: "holds it until the account has had a success, then fails it",
    Deed.PARK: "parks it",
    Deed.SUBMIT: "sends the same bytes again",
    Deed.SUBMIT_THEN_INQUIRE: "sends the same bytes again; inquires after `submit_for_s` in doubt",
    Deed.SUBMIT_SLOWLY: "sends the same bytes every `balance_interval_s`; parks it after `balance_wait_s`",
    Deed.INQUIRE: "inquires until it is settled",
    Deed.ACT_ON_ABSENCE: "once absent often enough, sends the same bytes again; after a decline, that decline stands",
    Deed.HALT_ACCOUNT: "halts the account",
    Deed.HALT_MERCHANT: "halts the merchant",
    Deed.SLOW_DOWN: "slows the channel down",
    Deed.ASK_FIRST: "inquires first; if the refund is not there, {}",
    Deed.ASK_FIRST_IN_DOUBT: "{}; in doubt, inquires first",
    Deed.UNLESS_IT_CONFIRMS: "{}, unless it confirms a decline of the same code",
}

_PARK_REASONS: Final[Mapping[ParkReason, str]] = {
    ParkReason.CONTRADICTED: "A signed answer was about another id, payment, amount or currency; the id was used "
    "before for something else; Alipay's answer and its notification say the opposite of each other; or it is a "
    "re-issue, and Alipay says that the issue before it has succeeded after all",
    ParkReason.ATTEMPTS_USED_UP: "`attempts_max` calls brought no final answer",
    ParkReason.TIME_USED_UP: "`age_max_s` passed without a final answer; time in a halt does not count",
    ParkReason.PROVIDER_ID_WINDOW: "Absent, but so late that Alipay may have forgotten the id: that does not prove "
    "that nothing was refunded, and sending it again could refund twice",
    ParkReason.MERCHANT_BALANCE: "The merchant's balance is too low; fund it, then do as `next_action` says",
    ParkReason.UNLISTED_CODE: "A confirmed decline with a code that is not in Alipay's documents, or one that its row "
    "leaves to a person",
    ParkReason.MISCONFIGURED_ALONE: "Alipay refuses the credential for this refund, yet accepts it for later ones",
    ParkReason.IMPOSSIBLE_REPLY: "An answer that this call cannot have",
    ParkReason.SUSPECT_DECLINE: "A decline that our own configuration can cause, and no success of the account came to "
    "prove the configuration within `age_max_s`",
}

_NEXT_ACTIONS: Final[Mapping[NextAction, str]] = {
    NextAction.NONE: "nothing",
    NextAction.PAY_OFFLINE: "pay the buyer by other means",
    NextAction.NEW_REFUND: "a new refund under a new id may be asked for",
    NextAction.FIX_AND_NEW_REFUND: "correct the command, then ask under a new id",
    NextAction.FUND_AND_NEW_REFUND: "fund the merchant's account, then ask under a new id",
    NextAction.REISSUE: "the refund may be issued again under the same number at the provider",
    NextAction.FIX_AND_REISSUE: "correct the command, then issue it again under the same number there",
    NextAction.FUND_AND_REISSUE: "fund the merchant's account, then issue it again under the same number there",
    NextAction.CONTACT_PROVIDER: "ask Alipay's support",
    NextAction.ASK_A_HUMAN: "a person must look before anything else is done",
}

_NUMBER_MEANINGS: Final[Mapping[str, str]] = {
    "submit_for_s": "how long a refund call is simply repeated before asking comes first",
    "absences_needed": '"not found" answers that prove that no refund arrived',
    "absences_apart_s": "between two that count",
    "quiet_s": "after the last refund call, before any counts",
    "provider_id_window_s": "how long Alipay is trusted to remember an id",
    "attempts_max": "calls before a person must look",
    "age_max_s": "time before a person must look",
    "deadline_s": "the longest that one call can be under way",
    "balance_interval_s": "between two calls while the seller's balance is empty (mainland)",
    "balance_wait_s": "how long that goes on before a person must look",
    "payment_spacing_s": "how long a payment rests after a call about it",
    "backoff_floor_s": "the least wait between two calls",
    "backoff_base_s": "the first random part, doubled each time",
    "backoff_cap_s": "the most that it grows to",
}


def _rows(rows: Mapping[str, Row]) -> Mapping[str, Texts]:
    return {code: (row.meaning, row.what_to_do) for code, row in rows.items()}


def _by_status(rows: Mapping[ams.Status, Row]) -> Mapping[str, Texts]:
    return _rows({str(status): row for status, row in rows.items()})


ENGLISH: Final = Language(
    opening=_OPENING,
    policy_columns=("reply", "meaning"),
    replies={reply: (reply.__doc__ or "").split("\n")[0] for reply in REPLIES},
    rules={rule: rule.value for rule in Rule},
    life=_LIFE,
    whens=_WHENS,
    ends=dict.fromkeys(ENDS, ""),
    codes=_CODES,
    code_columns=(
        "code",
        "status",
        "reply",
        "meaning",
        "what the worker does",
        "what a person does",
        "next_action",
    ),
    unlisted="*unlisted*",
    other_status="*other*",
    deeds=_DEEDS,
    between="; ",
    tables=(
        CodeTexts(
            "Global API: a refund call's codes",
            _AMS_REFUND,
            _rows(ams.REFUND_CODES),
            _by_status(ams.UNLISTED_REFUND),
        ),
        CodeTexts(
            "Global API: an inquiry's codes",
            _AMS_INQUIRY,
            _rows(ams.INQUIRY_CODES),
            _by_status(ams.UNLISTED_INQUIRY),
        ),
        CodeTexts(
            "Mainland: a refund call's codes",
            _MAINLAND_REFUND,
            _rows(mainland.REFUND_CODES),
            _rows(mainland.UNLISTED_REFUND),
        ),
        CodeTexts(
            "Mainland: a query's codes",
            _MAINLAND_INQUIRY,
            _rows(mainland.INQUIRY_CODES),
            _rows(mainland.UNLISTED_INQUIRY),
        ),
    ),
    parks=Named("Why a refund is parked", _PARKS, ("reason", "meaning"), by_name(_PARK_REASONS)),
    next_actions=Named("What `next_action` advises", "", ("next_action", "meaning"), by_name(_NEXT_ACTIONS)),
    numbers=Named("The numbers", _NUMBERS, ("number", "default", "meaning"), _NUMBER_MEANINGS),
)
