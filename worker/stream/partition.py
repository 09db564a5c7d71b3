"""One opened partition: a state machine without I/O. Records and answers go in, due refunds and batches come out.

All of its memory may run ahead of what is committed, because a transaction that fails ends the opening: what was in
memory is thrown away and read again from the ledger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from worker.messages.events import replayed_event
from worker.refunds.attempt import Attempt, answered, sent
from worker.refunds.entry import HISTORY_MAX, Head, OpenEntry, Past, State
from worker.refunds.hint import asking, heeded
from worker.refunds.notice import MOVED
from worker.refunds.policy import decide, ready
from worker.refunds.reply import Reply
from worker.refunds.verdict import Halt, Hold, Outcome, Park, ParkReason, Verdict, Wait
from worker.stream import writing
from worker.stream.ages import Ages
from worker.stream.books import Books
from worker.stream.brake import Brake
from worker.stream.chains import Chains
from worker.stream.changes import Changes
from worker.stream.finals import Finals
from worker.stream.intake import Intake, New, Refused, Repeat, Stray, lost_sight_of
from worker.stream.offsets import Reader
from worker.stream.ports import Batch, Record
from worker.stream.refund import Refund
from worker.stream.routing import routing_value
from worker.stream.schedule import Schedule
from worker.stream.scope import Scope
from worker.stream.signals import Signals
from worker.stream.takeover import Takeover


class Partition:
    """The refunds of one partition number, from one opening to its end.

    `now` is Unix seconds, `mono` seconds on the monotonic clock. Due refunds are in `schedule.due`.
    """

    def __init__(
        self,
        number: int,
        head: Head,
        takeover: Takeover,
        readers: Mapping[str, Reader],
        finals: Finals,
        scope: Scope,
    ) -> None:
        limits = scope.limits
        self.number = number
        self.refunds: dict[str, Refund] = {}
        self._opaque: set[str] = set()
        chains = Chains(self.refunds, finals, self._opaque)
        self.books = Books(
            number, head, takeover, readers, scope, in_use=lambda name: chains.known(name) is not None
        )
        self._takeover = takeover
        self.readers = readers
        rests_s = {name: gateway.terms.payment_spacing_s for name, gateway in scope.gateways.items()}
        self.schedule = Schedule(takeover.at, rests_s)
        self._ages = Ages()
        self._changes = Changes(number, self.refunds, finals, self.books, self._ages, scope)
        self.signals = Signals(
            number, chains, self.books, self.schedule, self._changes, takeover, readers, scope
        )
        self._scope = scope
        self._known = chains.known
        self._brake = Brake(limits.brake_window, limits.brake_records_min, limits.brake_ratio)
        self._intake = Intake(
            number, head.partitions, scope.routing_key,
            limits.command_age_max_s, limits.record_size_max, scope.readable,
        )  # fmt: skip

    # Opening: what the ledger said.

    def remember(self, opaque: Iterable[str], expired: Iterable[str]) -> None:
        """Ids whose entries a newer release wrote, and ids to be forgotten."""
        self._opaque.update(opaque)
        self._scope.meter.opaque(self.number, len(self._opaque))
        if self._opaque:
            self.books.cannot_vouch()
        self.books.expired(expired)

    def restore(self, entries: Iterable[OpenEntry], mono: float) -> None:
        """Take over a predecessor's open refunds, in the order of their input. What it may have sent, it sent."""
        for entry in entries:
            entry, doubted = self._takeover.restored(entry)  # noqa: PLW2901 -- the same entry, seen from here
            hinted = entry.notice is not None  # whether it was asked about since is not known
            digest = entry.attempt.command.digest()
            refund = Refund(entry, digest, mono, journaled=True, hinted=hinted)
            self.refunds[entry.refund_request_id] = refund
            if entry.state is not State.PARKED:
                self._ages.add(refund, len(self.refunds))
            self._scope.meter.opened(entry.state, entry.attempt.command.amount)
            if doubted:
                self.books.doubted(refund)
            if doubted and entry.state is State.WAITING:
                # However late its own next call is: somebody may have it made sooner.
                terms = self._scope.gateways[entry.pin.channel].terms
                self.schedule.unsettled(refund.payment, self._takeover.settled_at(terms))
            if not entry.delayed:
                self.schedule.unsaid(refund)
            if entry.state is State.WAITING:
                self.schedule.at(entry.next_at, refund)
            elif entry.state is State.HALTED:
                self.signals.waking.halted.append(refund)

    # Records in.

    def accept(self, record: Record, now: float, mono: float) -> None:
        """Take a record over. One that was read before in this opening is passed over."""
        reader = self.readers[record.topic]
        if record.offset < reader.next_offset:
            return
        if record.topic == self._scope.topics.signals:
            reader.read(record.offset)
            if self.signals.accept(record, now, mono):
                reader.release(record.offset)
            return
        if self.books.braked:
            return
        possibly_sent = record.offset < reader.inherited
        judged = self._intake.judge(record, self._known, now, possibly_sent=possibly_sent)
        if isinstance(judged, Refused) and possibly_sent and not self._takeover.read_alike:
            self.books.braked = lost_sight_of(record, judged)
            return
        reader.read(record.offset)
        self._scope.meter.consumed(judged.disposition)
        self._brake.saw(bad=isinstance(judged, Refused))
        if bad := self._brake.tripped:
            self.books.braked = f"{bad} records were unreadable, invalid or in conflict"
        match judged:
            case New():
                self._open(record, judged, now, mono, possibly_sent=possibly_sent)
            case Repeat():
                self._repeat(record, judged)
            case Stray(home=home):
                self.books.replace(record, writing.forwarded(record, home, self.books.head.partitions))
            case Refused():
                self._refuse(record, judged, now)
            case _:
                assert_never(judged)

    def _open(self, record: Record, new: New, now: float, mono: float, *, possibly_sent: bool) -> None:
        gateway = self._scope.gateways[new.command.channel]
        attempt, pin, state = Attempt(new.command), gateway.pin(new.command), State.WAITING
        if possibly_sent:
            attempt = self._takeover.possibly_sent(new.command, record.timestamp_ms)
            pin, state = self._takeover.pin(pin)
        entry = OpenEntry(attempt, pin, writing.origin(record), accepted_at=now, next_at=now, state=state)
        refund = Refund(entry, new.digest, mono)
        if possibly_sent:
            self.schedule.unsettled(refund.payment, self._takeover.settled_at(gateway.terms))
        self.refunds[entry.refund_request_id] = refund
        self._ages.add(refund, len(self.refunds))
        self.books.fresh(refund)
        self.schedule.unsaid(refund)
        self._scope.meter.opened(entry.state, new.command.amount)
        if state is State.WAITING:
            self.schedule.call(refund, now)

    def _repeat(self, record: Record, repeat: Repeat) -> None:
        if repeat.final is None or not self._scope.resend:
            # A redelivery of a refund that is still unjournaled in this opening cannot happen: it is passed over above.
            self.readers[record.topic].release(record.offset)
            return
        key = routing_value(repeat.command, self._scope.routing_key).encode()
        self.books.replace(record, writing.result(self._scope, replayed_event(repeat.final, key)))

    def _refuse(self, record: Record, refused: Refused, now: float) -> None:
        invalid = refused.invalid
        letters = [writing.dead_letter(self._scope, record, invalid)]
        if invalid.refund_request_id is not None:
            letters.append(writing.rejection(self._scope, record, invalid, invalid.refund_request_id, now))
        self.books.replace(record, *letters)

    # Calls out, answers in.

    def begin(self, refund: Refund, now: float) -> Attempt:
        """The call to make for a due refund, counted as made at `now`. Only its answer changes the entry."""
        refund.calling, refund.carried = True, refund.hinted
        entry = refund.entry
        attempt, terms = entry.attempt, self._scope.gateways[entry.pin.channel].terms
        if refund.hinted and entry.notice is not None:
            attempt = asking(attempt, entry.notice)
        return sent(ready(attempt, terms, now), now, terms.quiet_s)

    def answered(
        self, refund: Refund, attempt: Attempt, reply: Reply, now: float, seconds: float, *, overtaken: bool
    ) -> Verdict:
        """Apply what follows from the reply to a call that took `seconds`."""
        refund.calling = False
        gateway = self._scope.gateways[refund.entry.pin.channel]
        attempt = answered(attempt, now, seconds, gateway.terms.quiet_s)
        verdict = decide(attempt, reply, gateway.terms, now, overtaken=overtaken)
        refund.hinted = refund.hinted and not refund.carried
        if (notice := refund.entry.notice) is not None:
            floor_s = gateway.terms.backoff.floor_s
            verdict = heeded(verdict, attempt, reply, notice, now, floor_s, unasked=refund.hinted)
        if not isinstance(verdict, Outcome):  # what is final is known by its outcome alone
            said = getattr(reply, "code", "") or getattr(reply, "reason", "")
            past = Past(now, attempt.stage, type(reply).__name__, said)
            refund.entry = replace(refund.entry, history=(*refund.entry.history, past)[-HISTORY_MAX:])
        match verdict:
            case Outcome():
                self._close(refund, verdict, now)
            case Wait() | Halt() if self.signals.notices.moved_before(refund.entry.refund_request_id):
                self.signals.notices.park(refund, verdict.attempt, now)
            case Wait(until=until, attempt=attempt):
                self._changes.make(refund, State.WAITING, attempt=attempt, next_at=until)
                self.schedule.at(until, refund)
            case Park():
                self._changes.park(refund, verdict, now)
            case Hold(outcome=outcome, attempt=attempt):
                self._changes.make(refund, State.HELD, attempt=attempt, held=outcome)
            case Halt(attempt=attempt):
                self._changes.make(refund, State.HALTED, attempt=attempt)
            case _:
                assert_never(verdict)
        return verdict

    def believe(self, refund: Refund, now: float) -> None:
        """The credential has proved itself: a held decline is the outcome, unless a notice says otherwise."""
        entry = refund.entry
        if refund.closed or entry.state is not State.HELD or entry.held is None:
            return
        if refund.hinted and entry.notice is not None and entry.notice.status in MOVED:
            self._ask(refund, now)
        else:
            self._close(refund, entry.held, now)

    def doubt(self, refund: Refund, now: float) -> None:
        """The credential never proved itself: whether a held decline is to be believed, a person must say."""
        entry = refund.entry
        if refund.closed:
            return
        if entry.state is State.HELD and refund.hinted:
            self._ask(refund, now)
        elif entry.state is State.HELD and entry.held is not None:
            held = entry.held
            park = Park(ParkReason.SUSPECT_DECLINE, entry.attempt, held.code, held.message, held.next_action)
            refund.entry = replace(entry, held=None)
            self._changes.park(refund, park, now)

    def _ask(self, refund: Refund, now: float) -> None:
        """A held decline is asked about instead of believed."""
        self._changes.make(refund, State.WAITING, held=None, next_at=now)
        self.schedule.at(now, refund)

    def _close(self, refund: Refund, outcome: Outcome, now: float) -> None:
        self._changes.close(refund, outcome, now)
        self.signals.notices.closed(refund.entry, now)

    def mark(self, refund: Refund, state: State) -> None:
        """The refund waits for something else now. Written down: a halted refund is one that nobody is calling for."""
        if refund.entry.state not in {state, State.PARKED} and not refund.closed:
            self._changes.make(refund, state)

    def tick(self, now: float) -> None:
        """Find what is due; say `refund.delayed` of refunds that have waited long."""
        self.schedule.tick(now)
        for refund in self.schedule.taking_long(now - self._scope.limits.delayed_after_s):
            self._changes.delayed(refund, now)

    def last_batch(self, now: float) -> Batch:
        """The opening's last words: no call follows."""
        for refund in self.refunds.values():
            # What a predecessor may be calling for at this moment, a successor must take for under way as well.
            possible = refund.entry.attempt.first_sent_at is not None
            if possible and not self.schedule.settled(refund.payment, now):
                refund.calling = True
        return self.books.last_batch([refund for refund in self.refunds.values() if refund.calling])

    @property
    def oldest_accepted_at(self) -> float | None:
        """Unix seconds, None if nothing is open. Refunds are kept in the order in which they were accepted."""
        oldest = next(iter(self.refunds.values()), None)
        return None if oldest is None else oldest.entry.accepted_at

    @property
    def oldest_unparked_accepted_at(self) -> float | None:
        """The same, of those that do not wait for a person."""
        return self._ages.oldest

    def forget(self) -> None:
        """The opening has ended: its refunds no longer count here."""
        for refund in self.refunds.values():
            self._scope.meter.closed(refund.entry.state, refund.entry.attempt.command.amount)
