"""The desk's sentences in English. What codes and reasons for parking mean, the policy's page has in words already."""

from typing import Final

from worker.desk.words import Advice, Kind, Next, Where, Why, Words
from worker.messages.instructed import DONE, NOT_DONE
from worker.refunds.attempt import Stage
from worker.refunds.notice import Told
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NotFound,
    Pending,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import ParkReason, Proof

ENGLISH: Final = Words(
    why={
        Why.ACCEPTED: "The command was accepted; no call for it has ended yet.",
        Why.ANSWERED: "Its last call {stage}, and {reply}{code}. That is no final answer.",
        Why.NOTIFIED: "Alipay has told by itself that the refund {told}; only an inquiry's answer settles it.",
        Why.HALTED_BY_OPERATOR: "{by} has halted the channel {channel}: {reason}.",
        Why.HALTED_FOR_ALL: "{by} has halted all channels: {reason}.",
        Why.HALTED_BY_PROVIDER: "Alipay refuses the credential of the channel {channel}{code}. Nothing fails by that.",
        Why.HELD: "Alipay has declined it{code}. Our own configuration can cause such a decline, so it is held until "
        "another refund of the account succeeds.",
        Why.UNCONFIGURED: "It belongs to the channel {channel} with the account {account} ({environment}), which, or "
        "whose merchant's token, is not in the settings any more.",
        Why.PARKED: "{reason}{code}.",
        Why.SUCCEEDED: "Alipay has refunded it, as {proof} shows.",
        Why.FAILED: "Alipay has not refunded it, as {proof} shows{code}.",
        Why.SETTLED: "A person has settled it{code}.",
    },
    next={
        Next.CALLING: "A call is under way, or was when this was written; its answer decides.",
        Next.SUBMIT: "The next call asks for the refund with the same bytes as every time{budget}.",
        Next.INQUIRE: "The next call asks what became of it{budget}.",
        Next.CONFIRM: "The next call asks whether it is really not done{budget}.",
        Next.OVERDUE: "Its next call is due: it comes with its payment's turn, if a worker serves partition "
        "{partition} and reads on.",
        Next.RESUME: "Nothing, until the halt is taken back.",
        Next.PROBE: "A worker tries one of the waiting refunds now and then; once Alipay accepts it, all go on.",
        Next.PROOF: "With the next success of the account the decline is published; if none comes, a person is asked.",
        Next.CONFIGURE: "Nothing, until that is configured again and the worker knows it.",
        Next.PERSON: "Nothing, until a person decides, or Alipay tells of it by itself.",
        Next.NOTHING: "Nothing: it is final.",
    },
    money={
        Where.NEVER_SENT: "Alipay has taken no request for it: its money has not moved.",
        Where.UNDER_WAY: "Alipay was asked for it, and the answer is not known yet.",
        Where.IN_DOUBT: "Nobody knows: it may have moved, and it may not.",
        Where.DECLINED: "Probably where it was: Alipay has declined the refund, which is not proven yet.",
        Where.DECLINED_FOR_CERTAIN: "It has not moved: Alipay has declined it, and no earlier call can have made it.",
        Where.TOLD_MOVED: "Probably with the buyer: Alipay's notification says that the refund {told}.",
        Where.TOLD_FAILED: "Probably where it was: Alipay's notification says that the refund {told}.",
        Where.MOVED: "It has moved.",
        Where.NOT_MOVED: "It has not moved.",
        Where.MOVED_BY_WORD: "It has moved, by the word of the person who settled it.",
        Where.NOT_MOVED_BY_WORD: "It has not moved, by the word of the person who settled it.",
    },
    advice={
        Advice.WAIT: "Nothing has to be done. retry makes the next call now, inquire asks now.",
        Advice.RESUME: "Resume the channel once the reason for the halt is gone.",
        Advice.RESUME_ALL: "Resume all channels together once the reason for the halt is gone.",
        Advice.MEND: "Mend the credential{to_do}. It resumes by itself.",
        Advice.WAIT_FOR_PROOF: "Check the account's configuration{to_do}. Settle it only on evidence.",
        Advice.CONFIGURE: "Put the channel, its account and its merchant's token back into the settings.",
        Advice.FUND_AND_REISSUE: "Fund the merchant's account. Alipay takes this id no more: settle it as failed, "
        "then reissue it.",
        Advice.NOTHING: "Nothing has to be done.",
        Advice.REISSUE: "The advice is: {advice}. reissue asks for it once more, linked to this one.",
        Advice.ISSUED_ANEW: "It was asked for once more, as {last_issue}: look at that one.",
        Advice.FOLLOW_ADVICE: "The advice is: {advice}.",
    },
    park_advice={
        ParkReason.CONTRADICTED: "Find out at Alipay which of the two is true, then settle it with the evidence.",
        ParkReason.ATTEMPTS_USED_UP: "Give it new patience with inquire; or look it up at Alipay and settle it.",
        ParkReason.TIME_USED_UP: "Give it new patience with inquire; or look it up at Alipay and settle it.",
        ParkReason.PROVIDER_ID_WINDOW: "Look the payment up at Alipay. If it is not refunded there, settle it as "
        "failed with advice to make a new refund.",
        ParkReason.MERCHANT_BALANCE: "Fund the merchant's account, then retry it; or settle it as failed.",
        ParkReason.UNLISTED_CODE: "Ask Alipay what the code means{to_do}. Then settle it, or retry it.",
        ParkReason.MISCONFIGURED_ALONE: "Check what is special about this refund{to_do}. Then retry it.",
        ParkReason.IMPOSSIBLE_REPLY: "Look it up at Alipay and settle it; inquire asks once more.",
        ParkReason.SUSPECT_DECLINE: "Check the account's configuration{to_do}. Then retry it, or settle it as failed.",
    },
    stages={
        Stage.SUBMIT: "asked for the refund",
        Stage.INQUIRE: "asked what became of it",
        Stage.CONFIRM: "asked whether it is really not done",
    },
    replies={
        Succeeded: "Alipay accepted it",
        Declined: "Alipay declined it",
        Pending: "Alipay is still working on it",
        Unknown: "what became of it is not known",
        Unreadable: "the answer could not be trusted",
        Contradicted: "the answer was about something else",
        Throttled: "Alipay was asked too often",
        NotFound: "Alipay does not know it (yet)",
        Misconfigured: "Alipay refused the credential",
        Unfunded: "the merchant's balance was empty",
    },
    not_started="it was not made",
    proofs={
        Proof.SUBMIT: "its answer to the refund call",
        Proof.INQUIRY: "its answer to an inquiry",
        Proof.NOTIFICATION: "its notification",
        Proof.OPERATOR: "an operator's evidence",
    },
    told={
        Told.SUCCEEDED: "has succeeded",
        Told.FAILED: "has failed",
        Told.RETURNED: "had succeeded, and could not be credited where it was to go",
        Told.OTHER: "has changed",
    },
    instructions={"retry": "retry", "inquire": "inquire", "settle": "settle", "reissue": "reissue"},
    effects=DONE,
    refusals=NOT_DONE,
    moments={
        Kind.ACCEPTED: "The command came: refund {amount} of {payment} through {channel}.",
        Kind.CALLED: "A call {stage}, and {reply}{code}.",
        Kind.PARKED: "Parked for a person: {reason}{code}.",
        Kind.DELAYED: "Announced as delayed; calls so far: {attempts}.",
        Kind.SUCCEEDED: "Succeeded, as {proof} shows; calls: {attempts}.",
        Kind.FAILED: "Failed{code}, as {proof} shows; calls: {attempts}.",
        Kind.RETURNED: "Alipay has told that the money could not be credited where it was to go, after the refund had "
        "{outcome}. Ask Alipay where it is before anybody pays again.",
        Kind.CONTRADICTED: "Alipay has told that the refund {told}, after it had {outcome}.",
        Kind.REJECTED: "A command with this id was rejected: {message}.",
        Kind.INSTRUCTED: "{by} gave the instruction {instruction}: {reason}. {message}",
        Kind.REFUSED: "{by} gave the instruction {instruction}: {reason}. Refused: {message}",
        Kind.ASKED: "{by} gave the instruction {instruction}: {reason}. No worker has answered it yet.",
        Kind.NOTIFIED: "Alipay has told by itself that the refund {told}.",
        Kind.INCOMPLETE: "Not everything could be read in time; later events may be missing.",
    },
    code=" ({code})",
    said=" ({code}: {said})",
    budget=", number {number} of at most {attempts_max}",
    nobody="somebody",
    evidence=" Evidence: {evidence}.",
    no_answer="No worker has answered within {seconds:g} s. The instruction is kept in {topic}: it is followed or "
    "refused once a worker serves partition {partition}; the history shows which.",
    written="Written to {place}; waiting for the worker.",
)
