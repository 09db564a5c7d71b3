"""The promises about money and outcomes, G1 to G4, under the README's names."""

from collections import Counter, defaultdict
from itertools import takewhile
from typing import Final

from typing_extensions import override

from tests.simulation.events import COMMANDS, RESULTS, SIGNALS, Answered, Called, Committed, Event
from tests.simulation.guarantee import CLOCKS_APART_S, Guarantee, Truth
from tests.simulation.view import Order, partition_of
from tests.virtual_time import EPOCH
from worker.refunds.attempt import Stage
from worker.refunds.issue import first_issue, first_issue_seen, issue_number, issue_seen
from worker.refunds.reply import Declined, Misconfigured, NotFound, Succeeded, Unfunded, Unknown, leaves_doubt
from worker.simulator.ledger import RefundStatus

NEVER_PROOF: Final = frozenset(
    {
        *("UNKNOWN_EXCEPTION", "REFUND_IN_PROCESS", "REPEAT_REQ_INCONSISTENT", "MERCHANT_BALANCE_NOT_ENOUGH"),
        *("10000", "20000", "unknow-error", "NO_REFUND_STATUS", "DISCORDANT_REPEAT_REQUEST"),
        *("SELLER_BALANCE_NOT_ENOUGH", "app-call-limited"),
    }
)
"""What Alipay says and yet refunds, has refunded, or may still refund under the same id."""


class NothingLost(Guarantee):
    number = "G1"

    @override
    def saw(self, event: Event, at: float) -> None:
        if isinstance(event, Committed):
            for partition, (old, new) in self.view.moved.items():
                if new < old:
                    self.breaks(f"partition {partition}: the committed offset went back from {old} to {new}")
                for offset in range(old, new):
                    self._look(partition, offset)
            self._not_beyond(event)

    @override
    def check(self) -> None:
        for partition, orders in self.view.orders.items():
            for offset in orders:
                if offset >= self.view.position[partition]:
                    self.breaks(f"partition {partition}: offset {offset} was never committed")
                else:
                    self._look(partition, offset)
        for (partition, offset), count in self.view.letters.items():
            if count > 1:
                self.breaks(f"partition {partition}: offset {offset} was dead-lettered {count} times")

    def _not_beyond(self, event: Committed) -> None:
        """The group may be told later than by the head, and never earlier: tools would call done what is not."""
        heads = {COMMANDS: self.view.position, SIGNALS: self.view.heeded}
        for part, offset in event.offsets.items():
            if offset > heads[part.topic][part.partition]:
                self.breaks(
                    f"{part.topic}-{part.partition}: offset {offset} is committed, beyond the head's position"
                )

    def _look(self, partition: int, offset: int) -> None:
        order = self.view.orders[partition].get(offset)
        if order is not None and (problem := self._lost(partition, offset, order)):
            self.breaks(f"partition {partition}, offset {offset}: {problem}")

    def _lost(self, partition: int, offset: int, order: Order) -> str:
        view = self.view
        if view.letters[partition, offset]:
            return ""
        if order.command is None:
            return "committed, unreadable, and no dead letter"
        if order.home != partition:
            arrived = order.forwarded or (order.home, order.value) in view.arrived
            return "" if arrived else "a stray that was not forwarded"
        key = order.command.refund_request_id
        if key not in view.ledger[partition]:
            return f"{key} is committed, but neither open, final nor a dead letter"
        entry = view.ledger[partition][key]
        if entry["kind"] == "final" and entry["digest"] != order.command.digest().hex():
            return f"another {key} is final, and this one is no dead letter"
        return ""


class OneOutcome(Guarantee):
    number = "G2"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._seen: Counter[str] = Counter()

    @override
    def saw(self, event: Event, at: float) -> None:
        if not isinstance(event, Committed):
            return
        owner, _ = self.view.owners[partition_of(event.transactional_id)]
        if owner != event.process:
            self.breaks(f"{event.process} commits for {event.transactional_id}, which {owner} has taken over")
        for record in event.records:
            key = dict(record.headers).get("ce_subject", b"").decode()
            if record.topic != "refund.results" or key not in self.view.outcomes:
                continue
            told = self.view.outcomes[key]
            first = [one for one in told if not one.replayed]
            if len(first) > 1 and len(told) != self._seen[key]:
                self.breaks(f"{key} has {len(first)} outcomes, by {[one.process for one in first]}")
            self._seen[key] = len(told)
            if any(one.event_id != told[0].event_id for one in told):
                self.breaks(f"{key} has outcomes with different event ids")

    @override
    def check(self) -> None:
        for partition, entries in self.view.ledger.items():
            for key, entry in entries.items():
                if entry["kind"] == "final" and key not in self.view.outcomes:
                    self.breaks(f"partition {partition}: {key} is final in the ledger, but has no outcome")
                if entry["kind"] != "final" and key in self.view.outcomes:
                    self.breaks(f"partition {partition}: {key} has an outcome, but is {entry['kind']}")


class OneRefund(Guarantee):
    number = "G3"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._bodies: dict[str, bytes] = {}

    @override
    def saw(self, event: Event, at: float) -> None:
        if not isinstance(event, Called):
            return
        command = event.attempt.command
        key = command.refund_request_id
        number = command.provider_request_id
        if first_issue_seen(number) != first_issue(key) or issue_seen(number) > issue_number(key):
            self.breaks(f"{key} is sent as {command.provider_request_id}")
        if self._bodies.setdefault(key, event.body) != event.body:
            self.breaks(f"{key} is sent with other bytes: {self._bodies[key]!r}, {event.body!r}")
        partition = next((number for number, entries in self.view.ledger.items() if key in entries), None)
        if partition is not None and self.view.ledger[partition][key]["kind"] == "final":
            self.breaks(f"{key} is final, and {event.process} calls for it")

    @override
    def check(self) -> None:
        asked: defaultdict[str, set[tuple[str, str, int]]] = defaultdict(set)
        for orders in self.view.orders.values():
            for order in orders.values():
                if order.command is not None:
                    amount = order.command.amount
                    asked[order.command.refund_request_id].add(
                        (self.alipay.payment_of(order.command), amount.currency, amount.value)
                    )
        moved: Counter[str] = Counter()
        for movement in self.ledger.movements:
            key, amount = movement.refund_request_id, movement.amount
            moved[key] += 1
            by_hand = self.alipay.by_hand.get(key) == (movement.payment_id, amount)
            if (
                not by_hand
                and (movement.payment_id, amount.currency, amount.value) not in asked[first_issue_seen(key)]
            ):
                self.breaks(f"money moved for {key} that nobody asked for: {amount} of {movement.payment_id}")
        for key, count in moved.items():
            if count > 1:
                self.breaks(f"money moved {count} times for {key}")


class NeverGuess(Guarantee):
    number = "G4"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._in_doubt: dict[str, str] = {}  # id → the last process whose call may have moved money unseen
        self._submitted: dict[str, float] = {}  # id → when its last refund call was begun, s
        self._absent: defaultdict[str, list[float]] = defaultdict(list)  # id → "not found" in a row, s

    @override
    def saw(self, event: Event, at: float) -> None:
        match event:
            case Called(attempt=attempt) if attempt.stage is Stage.SUBMIT:
                self._submitted[attempt.command.refund_request_id] = at
                self._within_reach(event)
                self._known_to_be_in_doubt(event)
            case Answered(attempt=attempt, reply=NotFound()):
                self._absent[attempt.command.refund_request_id].append(at)
            case Answered(attempt=attempt, reply=reply):
                self._absent.pop(attempt.command.refund_request_id, None)
                if attempt.stage is not Stage.SUBMIT:
                    return
                if not leaves_doubt(reply) and not attempt.ambiguous:
                    self._in_doubt.pop(attempt.command.refund_request_id, None)
            case Committed():
                for record in event.records:
                    if record.topic == RESULTS:
                        self._proven(dict(record.headers).get("ce_subject", b"").decode(), event.process)
            case _:
                pass

    def _known_to_be_in_doubt(self, event: Called) -> None:
        """Whoever calls must know of every earlier call whose answer leaves doubt."""
        key = event.attempt.command.refund_request_id
        if key in self._in_doubt and not event.attempt.ambiguous:
            self.breaks(f"{event.process} calls for {key} as if nobody had, though {self._in_doubt[key]} has")
        self._in_doubt[key] = event.process

    def _within_reach(self, event: Called) -> None:
        """A first call that no ledger entry and no reach tell a successor of would be forgotten with its process."""
        view, key = self.view, event.attempt.command.refund_request_id
        if any(key in entries for entries in view.ledger.values()):
            return
        partition = view.home(event.attempt.command)
        unreleased = [offset for offset in view.offsets[key] if offset >= view.position[partition]]
        if partition not in view.heads or not unreleased:
            return
        reading = view.heads[partition]["inputs"][COMMANDS]
        if min(unreleased) >= reading["reach"]:
            self.breaks(
                f"{event.process} calls for {key} at offset {min(unreleased)}, above the reach {reading['reach']}"
            )

    def _proven(self, key: str, process: str) -> None:
        told = self.view.outcomes.get(key)
        if not told:
            return
        if told[-1].data["proof"] == "operator":
            return
        code = told[-1].data["result"]["code"]
        if not told[-1].succeeded and code in NEVER_PROOF:
            self.breaks(f"{key} has failed with {code}, which is no proof that nothing moved")
        replies = [one.reply for one in self.view.replies[key]]
        wanted = Succeeded if told[-1].succeeded else Declined
        if not any(isinstance(reply, wanted) for reply in replies):
            heard = ", ".join(type(reply).__name__ for reply in replies)
            self.breaks(f"{key} is {wanted.__name__} by {process}, but all it was told is: {heard}")
        if not told[-1].succeeded and told[-1].data["proof"] == "inquiry":
            absent = len(list(takewhile(lambda reply: isinstance(reply, NotFound), reversed(replies))))
            # What was sent may arrive for so long, whoever has sent it.
            over_at = self._submitted.get(key, 0.0) + self.terms.quiet_s - CLOCKS_APART_S
            count = sum(heard_at >= over_at for heard_at in self._absent[key])
            if absent and count < self.terms.absences_needed:
                self.breaks(
                    f"{key} has failed after {count} times not found, with nothing on its way any more; "
                    f"{self.terms.absences_needed} are needed"
                )
        if not told[-1].succeeded and told[-1].data["proof"] == "submit":
            harmless = Declined | Misconfigured | Unfunded
            doubts = [reply for reply in replies[:-1] if not isinstance(reply, harmless)]
            if any(not isinstance(one, Unknown) or one.sent for one in doubts):
                self.breaks(
                    f"{key} has failed by a refund call's decline, though an earlier call was ambiguous"
                )

    @override
    def check(self) -> None:
        for key, told in self.view.outcomes.items():
            number = told[0].data["providerRequestId"]
            moved = len(self.ledger.moved(number))
            refund = self.ledger.refunds.get(number)
            status = refund.status if refund is not None else None
            if told[0].succeeded and not moved:
                self.breaks(f"{key} has succeeded, but no money moved")
            if told[0].succeeded or number in self._later(key):
                continue
            by_hand = number in self.alipay.by_hand
            if told[0].data["proof"] == "operator" and (key in self.view.unsure or by_hand):
                # A person may have looked too early, but nothing moves under a refund that is settled.
                moved = sum(one.at > EPOCH + told[0].at for one in self.ledger.moved(number))
            elif status is RefundStatus.PROCESSING:
                moved += 1
            if moved:
                self.breaks(f"{key} has failed, but Alipay says {status} and moved its money {moved} times")

    def _later(self, key: str) -> set[str]:
        """The numbers under which later issues of this refund went out: what the books say of them is about those."""
        first, place = first_issue(key), issue_number(key)
        return {
            one.attempt.command.provider_request_id
            for name, replies in self.view.replies.items()
            if first_issue(name) == first and issue_number(name) > place
            for one in replies
        }
