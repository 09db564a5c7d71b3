"""What the page can ask for: what is wrong is named, what cannot be taken back is confirmed, amounts stay exact."""

from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.console.fake_desk import FAILED, PARKED, SENTENCES, WAITING, full_desk, row
from tests.console.stand import Stand, stand
from worker.desk.answers import NotPossible
from worker.kafka.connection import Unreachable

SETTLE: Final[dict[str, Any]] = {
    "instruction": "settle",
    "reason": "seen",
    "as": "failed",
    "evidence": "statement 7",
    "attempts": 60,
    "confirm": PARKED,
}
SUBMISSION: Final[dict[str, Any]] = {
    "id": "console-1",
    "channel": "cn",
    "order": "order-1",
    "amount": "10.50",
    "currency": "CNY",
    "merchant": "shop-1",
}


async def instructed(
    served: Stand, body: dict[str, Any], name: str = PARKED, query: str = ""
) -> tuple[int, Any]:
    page = await served.sign_in()
    path = f"/api/refunds/{name}/instructions{query}"
    status, told, _ = await served.call("POST", path, body, X_Console_Page=page)
    return status, told


@pytest.mark.parametrize("confirm", [None, "", "refund-471", "REFUND-4711", FAILED])
@pytest.mark.parametrize(
    ("name", "body"), [(PARKED, SETTLE), (FAILED, {"instruction": "reissue", "reason": "funds are there"})]
)
async def test_what_cannot_be_taken_back_needs_the_refunds_id(
    tmp_path: Path, name: str, body: dict[str, Any], confirm: str | None
) -> None:
    typed = body | {"confirm": "other" if confirm == name else confirm}
    if confirm is None:
        del typed["confirm"]
    async with stand(tmp_path) as served:
        status, told = await instructed(served, typed, name)
        assert (status, told["code"]) == (400, "confirm")
        assert served.desk.changes == []


@pytest.mark.parametrize("halted", [True, False])
@pytest.mark.parametrize("confirm", [{}, {"confirm": "all"}, {"confirm": "*"}])
async def test_the_kill_switch_needs_a_word(tmp_path: Path, halted: bool, confirm: dict[str, str]) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        body = {"channel": "*", "halted": halted, "reason": "audit", **confirm}
        status, _, _ = await served.call("POST", "/api/control", body, X_Console_Page=page)
        assert (status, served.desk.changes) == (400, [])


@pytest.mark.parametrize(("channel", "confirm"), [("cn", ""), ("*", "ALL")])
async def test_who_resumes_has_seen_the_halt_that_there_is(
    tmp_path: Path, channel: str, confirm: str
) -> None:
    """A dialog may stay open while somebody resumes, and somebody else halts for another reason."""
    desk = full_desk()
    desk.halted[channel] = ("Ben", "wrong key")
    async with stand(tmp_path, desk) as served:
        page = await served.sign_in()
        body = {"channel": channel, "halted": False, "reason": "mended", "confirm": confirm}
        for since, expected in (("2026-11-23T00:00:00.000Z", 409), ("", 409), (desk.halted_at, 204)):
            status, _, _ = await served.call(
                "POST", "/api/control", body | {"since": since}, X_Console_Page=page
            )
            assert (status, channel in desk.halted) == (expected, expected == 409)
        status, told, _ = await served.call("POST", "/api/control", body, X_Console_Page=page)
        assert (status, told["code"]) == (409, "changed")
        assert desk.changes == [("resume", channel, "Ada Wong", "mended")]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"instruction": "delete"}, "instruction"),
        ({"instruction": None}, "instruction"),
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 257}, "reason"),
        ({"reason": "a\u202eb"}, "reason"),
        ({"reason": 7}, "reason"),
        ({"as": ""}, "as"),
        ({"as": "parked"}, "as"),
        ({"evidence": ""}, "evidence"),
        ({"evidence": "x" * 1025}, "evidence"),
        ({"next_action": "shrug"}, "next_action"),
        ({"attempts": None}, "attempts"),
        ({"attempts": "60"}, "attempts"),
        ({"attempts": -1}, "attempts"),
        ({"attempts": True}, "attempts"),
    ],
)
async def test_a_field_that_is_wrong_is_named_and_nothing_is_done(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    async with stand(tmp_path) as served:
        status, told = await instructed(served, SETTLE | change)
        assert (status, told["code"]) == (400, "field")
        assert told["text"].startswith(f"{word}: ")
        assert served.desk.changes == []


async def test_only_a_verdict_has_evidence(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        await instructed(served, SETTLE | {"next_action": "pay_offline"})
        await instructed(served, SETTLE | {"instruction": "retry"}, WAITING)
        assert [change[4] for change in served.desk.changes] == [
            {"as": "failed", "evidence": "statement 7", "next_action": "pay_offline", "attempts": "60"},
            {},
        ]


async def test_a_refused_instruction_is_an_answer_in_the_language_of_who_asked(tmp_path: Path) -> None:
    desk = full_desk()
    desk.refuse = True
    async with stand(tmp_path, desk) as served:
        status, told = await instructed(served, SETTLE, query="?language=zh")
        assert status == 200
        assert (told["accepted"], told["result"]) == (False, "under_way")
        assert told["sentence"] == SENTENCES["zh"]["refused"]


async def test_amounts_are_exact_beyond_what_a_browsers_numbers_hold(tmp_path: Path) -> None:
    desk = full_desk()
    desk.refunds = {"big": row("big", "parked", 9_999_999_999_999_999)}
    async with stand(tmp_path, desk) as served:
        page = await served.sign_in()
        expected = {"currency": "USD", "value": "9999999999999999", "text": "99999999999999.99"}
        _, (found,), _ = await served.call("GET", "/api/refunds?state=parked", X_Console_Page=page)
        assert found["amount"] == expected
        _, overview, _ = await served.call("GET", "/api/overview", X_Console_Page=page)
        assert overview["totals"][0]["amount"] == expected


async def test_a_list_is_of_a_state_that_there_is(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        _, found, _ = await served.call("GET", "/api/refunds?state=", X_Console_Page=page)
        assert {one["refund_request_id"] for one in found} == {PARKED, WAITING}
        status, told, _ = await served.call("GET", "/api/refunds?state=lost", X_Console_Page=page)
        assert (status, told["code"]) == (400, "field")


async def test_an_id_may_have_what_ids_have(tmp_path: Path) -> None:
    desk = full_desk()
    desk.refunds = {"a.b-c_d~2": row("a.b-c_d~2", "parked", 1)}
    async with stand(tmp_path, desk) as served:
        page = await served.sign_in()
        status, told, _ = await served.call("GET", "/api/refunds/a.b-c_d%7E2", X_Console_Page=page)
        assert (status, told["row"]["refund_request_id"]) == (200, "a.b-c_d~2")


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (NotPossible("the ledger is still being read; try again"), (409, "not_possible")),
        (Unreachable("no answer from kafka:9092"), (503, "unreachable")),
    ],
)
async def test_what_the_desk_cannot_do_is_said_in_its_words(
    tmp_path: Path, trouble: Exception, expected: tuple[int, str]
) -> None:
    async with stand(tmp_path) as served:
        served.desk.trouble = trouble
        status, told = await instructed(served, SETTLE)
        assert (status, told["code"]) == expected
        assert told["text"] == str(trouble)


async def test_what_answers_a_submission_comes_line_by_line(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        status, told, answer = await served.call("POST", "/api/submissions", SUBMISSION, X_Console_Page=page)
        assert (status, answer.content_type) == (200, "application/x-ndjson")
        lines = [orjson.loads(line) for line in told.splitlines()]
        assert [(line["type"], line["final"]) for line in lines] == [
            ("", False),
            ("refund.delayed.v1", False),
            ("refund.succeeded.v1", True),
        ]
        assert served.desk.changes == [("submit", SUBMISSION, "Ada Wong")]


async def test_a_submission_that_is_not_possible_says_so_in_its_stream(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        served.desk.trouble = NotPossible("amount: 10.505 CNY cannot be refunded")
        _, told, _ = await served.call("POST", "/api/submissions", SUBMISSION, X_Console_Page=page)
        (line,) = [orjson.loads(line) for line in told.splitlines()]
        assert line == {"code": "not_possible", "text": "amount: 10.505 CNY cannot be refunded"}


async def test_a_submission_without_an_id_could_be_made_twice_and_is_refused(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        asked = {name: text for name, text in SUBMISSION.items() if name != "id"}
        status, _, _ = await served.call("POST", "/api/submissions", asked, X_Console_Page=page)
        assert (status, served.desk.changes) == (400, [])


async def test_a_submission_carries_nothing_that_the_form_does_not_have(tmp_path: Path) -> None:
    async with stand(tmp_path) as served:
        page = await served.sign_in()
        await served.call("POST", "/api/submissions", SUBMISSION | {"shape": "cloud"}, X_Console_Page=page)
        assert served.desk.changes == [("submit", SUBMISSION, "Ada Wong")]
