"""One channel's calls: which wait, how many are under way, and which of its credentials keeps one from being made."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.refunds.reply import Misconfigured, Reply
from worker.refunds.verdict import Verdict
from worker.stream.call import Call, Owner
from worker.stream.credential import Account, Credential
from worker.stream.halts import Switch
from worker.stream.limits import Limits
from worker.stream.ports import Gateway


@dataclass(slots=True)
class Line:
    """`runnable`: calls that only wait for a free one. `in_flight`: how many are under way.

    `merchants`: of those whose token or contract the provider has refused; a merchant's halt leaves the others alone,
    while the account's holds them all. `switch`: an operator's halt, which not even a probe passes.
    """

    gateway: Gateway
    limits: Limits
    account: Account
    switch: Switch = field(default_factory=Switch)
    merchants: dict[str, Credential] = field(default_factory=dict)
    runnable: deque[Call] = field(default_factory=deque)
    in_flight: int = 0

    def credentials(self) -> Iterator[Credential]:
        """The account's first."""
        yield self.account
        yield from self.merchants.values()

    def halting(self, call: Call) -> Credential | Switch | None:
        """What keeps this call from being made, None if it may be made."""
        if self.switch.halted:
            return self.switch
        if self.account.probing is call:
            # Whatever its merchant's state: nothing else may be left to probe with.
            return None
        merchant = self.merchants.get(call.merchant)
        for credential in (self.account, merchant):
            if credential is not None and credential.halted and credential.probing is not call:
                return credential
        return None

    def lets(self, call: Call) -> bool:
        """Whether nothing keeps this call from being made now."""
        may = call.live and self.halting(call) is None and self.pinned(call)
        return may and call.owner.cleared(call.refund)

    def pinned(self, call: Call) -> bool:
        """Whether the call would carry its merchant's own token exactly if its refund began with it.

        Tokens come and go while the worker runs. With another one the provider would speak of another merchant's
        payments: what it does not find there, or finds, says nothing about this refund.
        """
        command, pin = call.refund.entry.attempt.command, call.refund.entry.pin
        return not command.merchant or self.gateway.pin(command).own_token == pin.own_token

    def switched(self, mono: float, *, halted: bool) -> None:
        """An operator's halt has begun or ended."""
        self.switch.halted = halted
        if halted:
            self.switch.since = mono
            return
        self.account.slept(mono - self.switch.since)
        for credential in self.credentials():
            credential.probe_at = min(credential.probe_at, mono)

    def hold(self, call: Call, halting: Credential | Switch) -> None:
        """Let the call wait for `halting`; if it was to probe another credential, that one finds another."""
        self.drop(call)
        halting.waiting.append(call)

    def drop(self, call: Call) -> None:
        """The call is not made; a credential that it was to probe finds another."""
        for credential in self._of(call):
            if credential.probing is call:
                credential.probing = None

    def refused(self, call: Call, credential: Credential) -> bool:
        """Whether the call would be refused for its merchant's sake, whatever has become of `credential`."""
        merchant = self.merchants.get(call.merchant)
        return merchant is not None and merchant is not credential and merchant.halted

    def overtaken(self, call: Call, reply: Reply, sent_at: float) -> bool:
        """Whether what `reply` blames has already worked for a call that was sent later."""
        return self._blamed(call, reply).overtaken(sent_at)

    def learn(
        self, call: Call, reply: Reply, verdict: Verdict | None, sent_at: float, mono: float
    ) -> list[Credential]:
        """Take note of a reply; the credentials whose halt has begun or ended with it."""
        blamed = self._blamed(call, reply)
        return [
            credential
            for credential in self._of(call)
            if credential.learn(call, reply, verdict, sent_at, mono, blamed=credential is blamed)
        ]

    def candidates(self, credential: Credential) -> Iterator[deque[Call]]:
        """Where to look for a call that can probe `credential`."""
        yield credential.waiting
        if credential is self.account:
            # It holds all merchants: what waits for one of them waits for the account as well.
            yield from (merchant.waiting for merchant in self.merchants.values())

    def tidy(self) -> bool:
        """Forget merchants that nothing waits for: the next refund finds out as well as a probe. True: one was halted.

        Some that work again are remembered: a refund that is refused although later ones succeed is alone to blame.
        """
        if self.switch.waiting:
            return False  # some may wait for a merchant as well
        idle = [name for name, one in self.merchants.items() if not one.waiting and not one.under_probe]
        halted = [name for name in idle if self.merchants[name].halted]
        working = [name for name in idle if not self.merchants[name].halted]
        too_many = max(len(self.merchants) - len(halted) - self.limits.merchants_max, 0)
        for name in (*halted, *working[:too_many]):
            del self.merchants[name]
        return bool(halted)

    @property
    def halted_merchants(self) -> int:
        """How many merchants' refunds wait."""
        return sum(merchant.halted for merchant in self.merchants.values())

    def forget(self, owner: Owner) -> None:
        """The opening has ended."""
        self.switch.forget(owner)
        for credential in self.credentials():
            credential.forget(owner)

    def _of(self, call: Call) -> Iterator[Credential]:
        yield self.account
        if (merchant := self.merchants.get(call.merchant)) is not None:
            yield merchant

    def _blamed(self, call: Call, reply: Reply) -> Credential:
        if not (isinstance(reply, Misconfigured) and reply.merchant and call.merchant):
            return self.account
        return self.merchants.setdefault(call.merchant, Credential(self.limits))
