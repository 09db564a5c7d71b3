"""What a provider's notice changes for an open refund: the next call asks, and no answer against it is an outcome.

A notice never settles a refund. It has no echo of what was asked, it may be about an earlier state, and it comes from
outside: it is a reason to ask at once, and a reason not to believe the opposite without a person.
"""

from dataclasses import replace

from worker.refunds.attempt import Attempt, Stage
from worker.refunds.notice import MOVED, Notice, Told
from worker.refunds.reply import Declined, Reply
from worker.refunds.verdict import Hold, Outcome, Park, ParkReason, Verdict, Wait

_STRENGTH = (Told.OTHER, Told.FAILED, Told.SUCCEEDED, Told.RETURNED)


def stronger(known: Notice | None, notice: Notice) -> Notice:
    """Which of the two to remember: the one that says more about where the money is, else the first."""
    if known is None or _STRENGTH.index(notice.status) > _STRENGTH.index(known.status):
        return notice
    return known


def asking(attempt: Attempt, notice: Notice) -> Attempt:
    """The next call after a notice: an inquiry. Somebody must have sent what the provider tells us of."""
    if notice.status in MOVED:
        # Not CONFIRM either: there, to be unknown often enough would prove the decline.
        return replace(attempt, stage=Stage.INQUIRE, ambiguous=True, absences=0)
    stage = Stage.INQUIRE if attempt.stage is Stage.SUBMIT else attempt.stage
    return replace(attempt, stage=stage, ambiguous=True)


def heeded(
    verdict: Verdict,
    attempt: Attempt,
    reply: Reply,
    notice: Notice,
    now: float,
    floor_s: float,
    *,
    unasked: bool,
) -> Verdict:
    """What follows from `reply` to `attempt` where there is a notice. `verdict`: what would follow without one.

    `unasked`: the notice came after the call had begun, so that the answer knew nothing of it. The next call is then
    made after `floor_s` seconds.
    """
    match verdict:
        case Outcome(succeeded=False, code=code) | Hold(outcome=Outcome(code=code)) if notice.status in MOVED:
            declined = reply if attempt.declined is None and isinstance(reply, Declined) else attempt.declined
            attempt = replace(attempt, declined=declined)
            if unasked:
                return Wait(now + floor_s, asking(attempt, notice))
            message = f"the provider's answer is {code}, its notification says {notice.status}"
            return Park(ParkReason.CONTRADICTED, attempt, code, message)
        case Park(reason=reason, attempt=parked) if unasked and reason is not ParkReason.CONTRADICTED:
            return Wait(now + floor_s, asking(parked, notice))
        case Wait(until=until, attempt=waiting) if unasked:
            return Wait(min(until, now + floor_s), waiting)
        case _:
            return verdict
