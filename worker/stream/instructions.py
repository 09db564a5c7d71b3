"""What operators want done with the refunds of one partition: followed, or refused with a reason, and answered.

What an instruction does and its answer are in one transaction, the one whose position passes its signal.
"""

import logging
from dataclasses import replace
from typing import Any

from worker.messages.instructed import Instructed, instructed_event
from worker.refunds.attempt import Attempt, patient
from worker.refunds.command import Cause, Command
from worker.refunds.entry import OpenEntry, Origin
from worker.refunds.instruction import (
    KEEPS_NUMBER,
    OPEN_REFUNDS,
    REISSUABLE,
    Effect,
    Inquire,
    Instruction,
    Refusal,
    Reissue,
    Retry,
    Rule,
    Settle,
    inquiring,
    name_of,
    objection,
    settled,
)
from worker.refunds.issue import (
    ID_MAX,
    ISSUES_MAX,
    first_issue,
    issue_id,
    issue_number,
    issues_until,
    provider_id,
)
from worker.refunds.verdict import ParkReason
from worker.stream import writing
from worker.stream.books import Books
from worker.stream.chains import Chains
from worker.stream.changes import Changes
from worker.stream.finals import Final as Ended
from worker.stream.finals import sum_of
from worker.stream.notices import Notices
from worker.stream.refund import Refund
from worker.stream.schedule import Schedule
from worker.stream.scope import Scope
from worker.stream.takeover import Takeover
from worker.stream.waking import Waking

log = logging.getLogger(__name__)


class Instructions:
    """`now` is Unix seconds, `mono` seconds on the monotonic clock."""

    def __init__(
        self,
        number: int,
        chains: Chains,
        books: Books,
        schedule: Schedule,
        waking: Waking,
        changes: Changes,
        notices: Notices,
        takeover: Takeover,
        scope: Scope,
    ) -> None:
        self._number = number
        self._chains = chains
        self._books = books
        self._schedule = schedule
        self._waking = waking
        self._changes = changes
        self._notices = notices
        self._takeover = takeover
        self._scope = scope

    def follow(self, instructed: Instructed, origin: Origin, now: float, mono: float) -> None:
        """Do it or refuse it, and answer. `origin`: the signal's."""
        instruction, cause, scope = instructed.instruction, instructed.cause, self._scope
        name = instruction.order.refund_request_id
        key = self._key(name)
        anew = ""
        result: Effect | Refusal
        if (refund := self._chains.refunds.get(name)) is not None:
            result = self._of_open(refund, instruction, now)
        elif (final := self._chains.finals.get(name)) is None:
            result = Refusal.NOT_UNDERSTOOD if name in self._chains.opaque else Refusal.UNKNOWN
        elif not isinstance(instruction, Reissue):
            result = Refusal.FINAL
        elif isinstance(entry := self._issue(final, instruction, cause, origin, now), Refusal):
            result = entry
        else:
            self._waking.open(Refund(entry, final.digest, mono, journaled=True))
            result, anew = Effect.REISSUED, entry.refund_request_id
        event = instructed_event(instruction, result, cause, now, scope.source, key, anew)
        self._books.publish(writing.result(scope, event))
        scope.meter.published(event.type)
        scope.meter.instructed(name_of(instruction), result)
        self._log(instruction, result, anew)

    def _key(self, name: str) -> bytes:
        """Of the answer: where the refund's own events are."""
        if (refund := self._chains.refunds.get(name)) is not None:
            return self._changes.key(refund)
        final = self._chains.finals.get(name)
        return ((final.payment if final else "") or first_issue(name)).encode()

    def _log(self, instruction: Instruction, result: Effect | Refusal, anew: str) -> None:
        # What the evidence says may be about a person: it is in the answer, for those who may read that.
        order = instruction.order
        facts: dict[str, Any] = {
            "refundRequestId": order.refund_request_id,
            "by": order.by,
            "reason": order.reason,
            "result": result.value,
            "partition": self._number,
            **({"reissuedAs": anew} if anew else {}),
        }
        did = "followed" if isinstance(result, Effect) else "refused"
        log.info("instruction %s: %s", did, name_of(instruction), extra=facts)

    # An open refund.

    def _of_open(self, refund: Refund, instruction: Instruction, now: float) -> Effect | Refusal:
        rule = OPEN_REFUNDS[type(instruction), refund.entry.state]
        match rule, instruction:
            case Rule.SOONER, Retry() | Inquire():
                return self._sooner(refund, instruction, now)
            case Rule.WAKE, Retry() | Inquire():
                return self._wake(refund, instruction, now)
            case Rule.SETTLE, Settle():
                return self._settle(refund, instruction, now)
            case _:
                return Refusal(rule.value)

    def _sooner(self, refund: Refund, instruction: Retry | Inquire, now: float) -> Effect:
        if refund.calling or not refund.timer:
            return Effect.UNDER_WAY
        self._waking.sooner(refund, now, attempt=_next(refund.entry, instruction))
        return Effect.CALLED

    def _wake(self, refund: Refund, instruction: Retry | Inquire, now: float) -> Effect | Refusal:
        entry = refund.entry
        if entry.park is not None and entry.park.reason is ParkReason.CONTRADICTED:
            return Refusal.CONTRADICTED
        if not self._scope.configured(entry.pin):
            return Refusal.UNCONFIGURED
        self._waking.wake(refund, now, attempt=patient(_next(entry, instruction)))
        return Effect.CALLED

    def _settle(self, refund: Refund, settle: Settle, now: float) -> Effect | Refusal:
        if self._may_be_called_for(refund, now):
            return Refusal.UNDER_WAY
        if (refusal := objection(refund.entry, settle)) is not None:
            if refusal is Refusal.CHANGED:
                # The ledger may have fewer calls than there may have been: who looks again is to see them all.
                self._books.write(refund)
            return refusal
        self._changes.close(refund, settled(refund.entry, settle), now)
        self._notices.closed(refund.entry, now)
        return Effect.SETTLED

    def _may_be_called_for(self, refund: Refund, now: float) -> bool:
        """Whether a call is under way, or may still be on the wire: ours, or a predecessor's."""
        entry = refund.entry
        if refund.calling or now < entry.attempt.quiet_at:
            return True
        # Of one that is not configured, nobody here knows how long a call to it may take.
        elsewhere = entry.calling and now < self._takeover.quiet_at
        return elsewhere or not self._schedule.settled(refund.payment, now)

    # A final one.

    def _issue(
        self, final: Ended, reissue: Reissue, cause: Cause, origin: Origin, now: float
    ) -> OpenEntry | Refusal:
        """The next issue of a failed refund."""
        name = reissue.order.refund_request_id
        if (refusal := self._against(name, final, reissue.command)) is not None:
            return refusal
        command = _anew(final, reissue.command, cause)
        if (
            issue_number(command.refund_request_id) > ISSUES_MAX
            or max(len(command.refund_request_id), len(command.provider_request_id)) > ID_MAX
        ):
            return Refusal.ID_TOO_LONG
        gateway = self._scope.gateways.get(command.channel)
        if gateway is None:
            return Refusal.UNCONFIGURED
        try:
            pin = gateway.pin(command)
        except ValueError:
            # By its name the channel may be of another interface now, which cannot ask for this.
            return Refusal.OTHER_COMMAND
        entry = OpenEntry(Attempt(command), pin, origin, accepted_at=now, next_at=now)
        size = writing.ledger(self._scope, self._number, entry).size
        return entry if size <= self._scope.limits.record_size_max else Refusal.OTHER_COMMAND

    def _against(self, name: str, final: Ended, command: Command) -> Refusal | None:
        """What forbids another issue of this refund, made from this command."""
        if final.succeeded:
            return Refusal.SUCCEEDED
        if self._chains.newest(name) != name:
            return Refusal.ISSUED_ANEW
        # Whichever issue has moved the money after all: another one would move it again.
        if any(map(self._notices.contradicted, issues_until(name))):
            return Refusal.TOLD_OTHERWISE
        if final.next_action not in REISSUABLE:
            return Refusal.ADVISED_AGAINST
        return None if sum_of(command) == final.made_from else Refusal.OTHER_COMMAND


def _next(entry: OpenEntry, instruction: Retry | Inquire) -> Attempt:
    return inquiring(entry) if isinstance(instruction, Inquire) else entry.attempt


def _anew(final: Ended, command: Command, cause: Cause) -> Command:
    """The command of the issue after this one; its events belong to the first command's correlation."""
    first, number = first_issue(command.refund_request_id), issue_number(command.refund_request_id) + 1
    # An order's single full refund has no number at the provider, and is asked about by the order's.
    kept = final.next_action in KEEPS_NUMBER or command.whole
    at_provider = final.provider_request_id or command.refund_request_id
    return replace(
        command,
        refund_request_id=issue_id(first, number),
        provider_request_id=at_provider if kept else provider_id(first, number),
        cause=replace(cause, correlation_id=command.cause.correlation_id or command.cause.id),
    )
