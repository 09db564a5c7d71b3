"""What the partition knows by each refund's id, and by what a provider calls it: open, final, or not understood."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from worker.refunds.issue import first_issue, first_issue_seen, issue_id, issue_number, issue_seen
from worker.stream.finals import Finals
from worker.stream.intake import Known
from worker.stream.refund import Refund


@dataclass(frozen=True, slots=True)
class Chains:
    """A chain is a refund's issues, first to newest. `opaque`: ids whose entries a newer release wrote."""

    refunds: Mapping[str, Refund]
    finals: Finals
    opaque: AbstractSet[str]

    def known(self, refund_request_id: str) -> Known | None:
        """What a command with this id is judged by."""
        if refund := self.refunds.get(refund_request_id):
            return Known(refund.digest, refund.entry.origin)
        if final := self.finals.get(refund_request_id):
            return Known(final.digest, final=final.entry)
        return Known(None) if refund_request_id in self.opaque else None

    def newest(self, refund_request_id: str) -> str:
        """The newest issue of its chain; itself if there is none after it.

        Counted on from itself: issues are forgotten oldest first.
        """
        first, number = first_issue(refund_request_id), issue_number(refund_request_id)
        while self.known(issue_id(first, number + 1)) is not None:
            number += 1
        return issue_id(first, number)

    def named(self, provider_request_id: str) -> str:
        """The refund that a provider means by this: the newest issue that it was told of under this name.

        An issue may go out under the name of the one before it.
        """
        first, number = first_issue_seen(provider_request_id), issue_seen(provider_request_id)
        newest = issue_number(self.newest(issue_id(first, number)))
        for each in range(newest, number, -1):
            name = issue_id(first, each)
            if self._name_at_provider(name) == provider_request_id:
                return name
        return issue_id(first, number)

    def _name_at_provider(self, refund_request_id: str) -> str:
        if refund := self.refunds.get(refund_request_id):
            return refund.entry.attempt.command.provider_request_id
        final = self.finals.get(refund_request_id)
        return "" if final is None else final.provider_request_id or refund_request_id
