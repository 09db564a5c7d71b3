"""`retry`, `inquire`, `settle` and `reissue`: what operators have done with a refund."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from worker.cli.options import EXIT_CODES, Ended, with_json, with_language, with_order, with_settings
from worker.desk.answers import Answered, Language, NotPossible
from worker.operations import logs, terminal
from worker.refunds.reply import NextAction
from worker.settings import Settings, load

WAIT = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Seconds to wait for a worker's answer.",
)


class Asked(TypedDict):
    """What every instruction is given with."""

    config: Path | None
    as_json: bool
    language: Language
    wait_s: float
    by: str
    reason: str


def instructing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options for that."""
    for option in (with_json, with_settings, with_language, WAIT, with_order):
        command = option(command)
    return command


@click.command(epilog=EXIT_CODES)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@instructing
def retry(ids: tuple[str, ...], **asked: Unpack[Asked]) -> None:
    """Make the next call of a refund now. A parked one goes on from where it stopped, with new patience.

    The provider sees the same id and the same bytes as before, so that it does not refund twice.
    """
    _give("retry", ids, {}, asked)


@click.command(epilog=EXIT_CODES)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@instructing
def inquire(ids: tuple[str, ...], **asked: Unpack[Asked]) -> None:
    """Ask the provider now what became of a refund, whatever its next call would have been."""
    _give("inquire", ids, {}, asked)


@click.command(epilog=EXIT_CODES)
@click.argument("refund_request_id", metavar="ID")
@click.option("--as", "outcome", type=click.Choice(["succeeded", "failed"]), required=True)
@click.option("--evidence", required=True, help="Where it can be seen, as 'statement 815, line 7'.")
@click.option(
    "--next-action",
    type=click.Choice([action.value for action in NextAction]),
    default=None,
    help="Advice to publish with a failure; else what the provider advised.",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=0),
    default=None,
    help="Its calls as show told them when you looked: refused if it has had another since. "
    "Without it, only a call after this command has read the ledger is noticed.",
)
@instructing
def settle(
    refund_request_id: str,
    outcome: str,
    evidence: str,
    next_action: str | None,
    attempts: int | None,
    **asked: Unpack[Asked],
) -> None:
    """Publish a refund's outcome on a person's word. Final means final: look first, at the provider too.

    Refused while a call is under way or may be, if it was called since you looked, and against what the provider itself
    has told.
    """
    seen = "" if attempts is None else str(attempts)
    details = {"as": outcome, "evidence": evidence, "next_action": next_action or "", "attempts": seen}
    _give("settle", (refund_request_id,), details, asked)


@click.command(epilog=EXIT_CODES)
@click.argument("refund_request_id", metavar="ID")
@instructing
def reissue(refund_request_id: str, **asked: Unpack[Asked]) -> None:
    """Ask once more for a refund that has failed, as a refund of its own that is linked to it.

    Only where the failure is proven and its code allows it. The new one is called ID~2, ID~3 and so on.
    """
    _give("reissue", (refund_request_id,), {}, asked)


def _give(name: str, ids: Sequence[str], details: Mapping[str, str], asked: Asked) -> None:
    logs.silence_client()
    settings = load(asked["config"], os.environ)
    answered = asyncio.run(_instruct(settings, name, ids, details, asked))
    if asked["as_json"]:
        shown = [
            {"refundRequestId": one, "instruction": name, **asdict(told)} for one, told in answered.items()
        ]
        terminal.show_json(shown[0] if len(ids) == 1 else shown)
    else:
        for one, told in answered.items():
            issued = f" as {told.reissued_as}" if told.reissued_as else ""
            style = "green" if told.accepted else "yellow"
            terminal.show(f"{one}: {told.result}{issued}. {told.sentence}", style)
    sys.exit(max(_ended(told) for told in answered.values()))


async def _instruct(
    settings: Settings, name: str, ids: Sequence[str], details: Mapping[str, str], asked: Asked
) -> Mapping[str, Answered]:
    from worker.desk.desk import visiting

    answered: dict[str, Answered] = {}
    with terminal.err.status("waiting for the worker …"):
        async with visiting(settings, asked["wait_s"]) as desk:
            for one in ids:
                try:
                    answered[one] = await desk.instruct(
                        name, one, asked["by"], asked["reason"], details, asked["language"]
                    )
                except NotPossible as error:
                    # Of several the others are still to be told.
                    answered[one] = Answered(accepted=False, result="not_possible", sentence=str(error))
    return answered


def _ended(told: Answered) -> Ended:
    if told.accepted:
        return Ended.DONE
    return Ended.NO_ANSWER if told.result == "no_answer" else Ended.REFUSED
