"""The desk and the command line beside real workers: what they show, and what they have done."""

import asyncio
import json
import time
from typing import Any

from click.testing import CliRunner

from tests.broker.conftest import MakeWorld
from tests.broker.harness import World, mode, refund
from tests.broker.sight import text
from tests.test_cli import CLEAN, run_program
from worker.cli import worker
from worker.cli.options import Ended
from worker.desk.answers import Desk, NotPossible, Shown
from worker.desk.desk import KafkaDesk, following

PATIENCE = {"channels.hasty": {"attempts_max": 2}}
WAIT_S = 90.0
ORDER = ("--by", "ana", "--reason", "the bank has confirmed it")


async def asked(here: World, *words: str) -> tuple[int, Any]:
    """A command's exit code, and what it printed as JSON."""
    arguments = [*words, "--json", "--config", str(here.config)]
    result = await asyncio.to_thread(CliRunner(env=CLEAN).invoke, worker, arguments)
    if isinstance(result.exception, NotPossible):
        return Ended.REFUSED, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


async def parked(here: World, name: str) -> None:
    """A refund that waits for a person: Alipay is still working on it, and two calls are all it gets."""
    here.simulator.behaviour.script(name, mode("in_process_then_success", inquiries=99))
    await here.ask(refund(name, channel="hasty"))
    await here.until(lambda: name in here.open() and here.open()[name].state == "parked", f"{name} is parked")


async def possible(desk: Desk, name: str, instruction: str) -> Shown:
    """The refund, once an instruction can be followed."""
    deadline = time.monotonic() + WAIT_S
    while instruction not in (shown := await desk.show(name, "en")).instructions:
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(0.1)
    return shown


async def caught_up(desk: KafkaDesk) -> None:
    async with asyncio.timeout(WAIT_S):
        await desk.caught_up(lambda progress: None)


async def test_a_parked_refund_is_settled_and_issued_anew_and_the_desk_tells_why(
    make_world: MakeWorld,
) -> None:
    here = await make_world(sections=PATIENCE)
    await here.started()
    await parked(here, "r-1")
    async with following(here.settings) as desk:
        await caught_up(desk)
        shown = await possible(desk, "r-1", "settle")
        assert shown.explanation.why == "2 calls brought no final answer."
        assert shown.instructions == ("retry", "inquire", "settle")
        (total,) = (await desk.overview()).totals
        assert (total.state, total.currency, total.refunds, total.value) == ("parked", "USD", 1, 100)
        details = {"as": "failed", "evidence": "statement 7", "next_action": "new_refund"}
        early = {**details, "attempts": str(shown.row.attempts - 1)}
        changed = await desk.instruct("settle", "r-1", "ana", "it was paid out by hand", early, "en")
        assert (changed.accepted, changed.result) == (False, "changed")
        details["attempts"] = str(shown.row.attempts)
        settled = await desk.instruct("settle", "r-1", "ana", "it was paid out by hand", details, "en")
        assert (settled.accepted, settled.result) == (True, "settled")
        again = await desk.instruct("settle", "r-1", "ana", "it was paid out by hand", details, "zh")
        assert (again.accepted, again.result) == (False, "final")
        assert "终态" in again.sentence
        await possible(desk, "r-1", "reissue")
        issued = await desk.instruct("reissue", "r-1", "ben", "once more", {}, "en")
        assert (issued.accepted, issued.reissued_as) == (True, "r-1~2")
        await here.until(here.final(["r-1~2"]), "the second issue succeeds")
        moments = await desk.history("r-1", "en")
        kinds = [moment.kind for moment in moments]
        assert kinds == ["accepted", "parked", "refused", "instructed", "failed", "refused", "instructed"]
        assert [moment.by for moment in moments if moment.by] == ["ana", "ana", "ana", "ben"]
        assert "statement 7" in moments[3].sentence
        assert (await desk.show("r-1~2", "en")).issues == ("r-1", "r-1~2")
        assert "r-1~2" in (await desk.show("r-1", "en")).explanation.advice


async def test_the_command_line_shows_and_instructs_without_following_the_ledger(
    make_world: MakeWorld,
) -> None:
    here = await make_world(sections=PATIENCE)
    process = await here.started()
    await parked(here, "r-1")
    code, listed = await asked(here, "parked")
    assert code == 0
    (group,) = listed["groups"]
    assert (group["reason"], group["money"]) == ("attempts_used_up", [{"currency": "USD", "value": 100}])
    assert [row["refund_request_id"] for row in listed["refunds"]] == ["r-1"]
    code, answer = await asked(here, "retry", "r-1", *ORDER)
    assert (code, answer["result"]) == (0, "called")
    code, answers = await asked(here, "reissue", "r-1", *ORDER)
    assert (code, answers["result"]) == (1, "open")
    code, told = await asked(here, "history", "r-1", "--language", "zh")
    assert (code, [one["kind"] for one in told].count("instructed")) == (0, 1)
    assert any("the bank has confirmed it" in one["sentence"] for one in told)
    ended = await asyncio.to_thread(run_program, ["show", "r-2", "--config", here.config], here.folder)
    assert (ended.returncode, ended.stdout) == (Ended.REFUSED, "")
    assert "no refund with the id r-2" in ended.stderr
    # Without a worker.
    process.kill()
    code, answer = await asked(here, "inquire", "r-1", *ORDER, "--wait", "0.5")
    assert (code, answer["result"]) == (3, "no_answer")
    code, told = await asked(here, "history", "r-1")
    assert told[-1]["kind"] == "asked"
    await here.started()
    await here.until(lambda: len(here.events("refund.instructed.v1")) == 3, "the next worker answers it")


async def known(desk: KafkaDesk, name: str) -> None:
    """The desk reads the ledger by itself, and may be later than the test's own reader."""
    async with asyncio.timeout(90):
        while name not in {row.refund_request_id for row in await desk.rows("", 10)}:  # noqa: ASYNC110 -- no event tells
            await asyncio.sleep(0.05)


async def test_a_halt_from_the_command_line_is_seen_by_the_desk(make_world: MakeWorld) -> None:
    here = await make_world()
    await here.started()
    assert (await asked(here, "halt", "global", *ORDER))[0] == 0
    await here.ask(refund("r-1"))
    async with following(here.settings) as desk:
        await caught_up(desk)
        (credential,) = (await desk.overview()).credentials
        assert (credential.halted, credential.by, credential.reason) == (
            "operator",
            "ana",
            "the bank has confirmed it",
        )
        await known(desk, "r-1")
        shown = await desk.show("r-1", "en")
        assert shown.explanation.why == "ana has halted the channel global: the bank has confirmed it."
        assert shown.explanation.money == "Alipay has taken no request for it: its money has not moved."
    assert (await asked(here, "resume", "global", *ORDER))[0] == 0
    await here.until(here.final(["r-1"]), "it goes on")
    code, told = await asked(here, "halt", "nowhere", *ORDER)
    assert (code, told) == (1, "no channel 'nowhere' is in the settings; expected one of global")


async def test_who_resumes_hears_of_the_halts_that_are_still_in_force(make_world: MakeWorld) -> None:
    here = await make_world()
    await asked(here, "halt", "global", *ORDER)
    await asked(here, "halt", "--all", *ORDER)
    _, told = await asked(here, "resume", "global", *ORDER)
    assert [(halt["channel"], halt["by"]) for halt in told["still"]] == [("*", "ana")]
    await asked(here, "halt", "global", *ORDER)
    _, told = await asked(here, "resume", "--all", *ORDER)
    assert [(halt["channel"], halt["by"]) for halt in told["still"]] == [("global", "ana")]
    _, told = await asked(here, "resume", "global", *ORDER)
    assert told["still"] == []


async def test_a_dead_letter_is_listed_shown_and_replayed(make_world: MakeWorld) -> None:
    here = await make_world()
    await here.started()
    await here.ask(refund("r-1", channel="later"))
    await here.write(b"{", 1, key=b"rubbish", headers=[("sender", b"shop")])
    await here.until(lambda: len(here.letters) == 2, "both are dead letters")
    code, listed = await asked(here, "dead-letters", "list")
    assert (code, {one["error"] for one in listed}) == (0, {"NotJson", "UnknownChannel"})
    (wanted,) = (await asked(here, "dead-letters", "list", "--error", "UnknownChannel"))[1]
    assert "later" in (await asked(here, "dead-letters", "show", wanted["place"]))[1]["value"]
    code, planned = await asked(here, "dead-letters", "replay", "--all", "--error", "UnknownChannel", *ORDER)
    assert (code, planned["done"], planned["replayed"]) == (0, False, 0)
    code, done = await asked(here, "dead-letters", "replay", wanted["place"], *ORDER)
    assert (code, done["replayed"]) == (0, 1)
    await here.until(lambda: len(here.letters) == 3, "it is refused again: nothing was mended")
    replayed = here.commands[-1]
    assert (replayed.key, text(replayed, "refund-replayed-by")) == (b"r-1", "ana")
    assert not [name for name, _ in replayed.headers if name.startswith("kafka_dlt-")]
