"""Issues of a refund: their ids lead back to the first, and meet no other refund's."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.messages.texts import is_refund_request_id
from worker.refunds.issue import (
    ISSUES_MAX,
    first_issue,
    first_issue_seen,
    issue_before,
    issue_id,
    issue_number,
    issue_seen,
    provider_id,
)

NAMES: Final = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
NUMBERS: Final = st.integers(1, ISSUES_MAX)


@given(NAMES, NUMBERS)
def test_an_issue_leads_back_to_the_first(first: str, number: int) -> None:
    name = issue_id(first, number)
    assert (first_issue(name), issue_number(name)) == (first, number)
    at_provider = provider_id(first, number)
    assert (first_issue_seen(at_provider), issue_seen(at_provider)) == (first, number)


@given(NAMES, NUMBERS)
def test_only_the_first_issue_has_an_id_that_a_command_can_have(first: str, number: int) -> None:
    assert is_refund_request_id(issue_id(first, number)) is (number == 1)


@given(NAMES, NUMBERS, NAMES, NUMBERS)
def test_two_issues_never_share_an_id(first: str, number: int, other: str, another: int) -> None:
    if (first, number) != (other, another):
        assert issue_id(first, number) != issue_id(other, another)
        assert provider_id(first, number) != provider_id(other, another)


@pytest.mark.parametrize("name", ["a_r2_00000000", "a_r2_", "a_r02_" + provider_id("a", 2)[-8:], "a~2"])
def test_an_id_that_only_looks_like_a_later_issues_is_a_first_ones(name: str) -> None:
    assert (first_issue_seen(name), issue_seen(name)) == (name, 1)


def test_each_issue_names_the_one_before() -> None:
    assert [issue_before(name) for name in ("a", "a~2", "a~3")] == ["", "a", "a~2"]
