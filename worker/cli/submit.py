"""`submit`: one refund command, and its outcome."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from worker.cli.options import with_json, with_settings
from worker.kafka.exchange import Answer
from worker.operations import logs, terminal
from worker.operations.submit import Exit
from worker.settings import load

JSON_FILE = click.Path(path_type=Path, dir_okay=False)
EXIT_CODES = """\b
Exit codes:
  0  the refund succeeded; with --wait 0, the command was written
  1  the refund failed
  2  wrong usage or settings; nothing was submitted
  3  not final: parked, or no outcome within --wait; the worker goes on with it
  4  the worker rejected the command: invalid, or in conflict with an earlier one
  5  Kafka cannot be reached
"""


@click.command(epilog=EXIT_CODES)
@click.option("--channel", default="", help="Its name in the settings; may be left out with --shape.")
@click.option("--payment", "payment_id", default="", help="Alipay's paymentId; on the mainland its trade_no.")
@click.option("--order", "order_number", default="", help="Mainland: your own out_trade_no instead.")
@click.option("--amount", required=True, help="As people write it: 12.34")
@click.option("--currency", default="", help="ISO 4217, such as USD; CNY on the mainland.")
@click.option("--id", "refund_request_id", default="", help="The refundRequestId; a new one if not given.")
@click.option("--merchant", default="", help="The merchant within the channel.")
@click.option("--reason", default="", help="Shown to the buyer by some wallets.")
@click.option("--goods-file", type=JSON_FILE, help="A JSON array: goods, or refund_goods_detail.")
@click.option("--royalty-file", type=JSON_FILE, help="Mainland: a JSON array, refund_royalty_parameters.")
@click.option("--query-option", "query_options", multiple=True, help="Mainland: one of query_options.")
@click.option(
    "--shape",
    type=click.Choice(["cloud", "order"]),
    default=None,
    help="Ask and answer in the shape of cloud.payment.common.refund or alipayOrderRefund. Without --id it "
    "is the order's single full refund.",
)
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds; 0 does not wait.")
@with_settings
@with_json
def submit(
    config: Path | None,
    *,
    as_json: bool,
    wait_s: float,
    goods_file: Path | None,
    royalty_file: Path | None,
    shape: str | None,
    **asked: Any,
) -> None:
    """Write one refund command and wait for its outcome.

    A command that repeats an earlier one is answered only if the worker runs with duplicates = "resend".
    """
    from worker.operations import submit as submission

    logs.silence_client()
    settings = load(config, os.environ)
    try:
        goods = submission.array_in(goods_file, "--goods-file")
        royalties = submission.array_in(royalty_file, "--royalty-file")
        wanted = submission.Asked(**asked, goods=goods, royalties=royalties, shape=shape or "")
        submitted = submission.command_record(settings, wanted, time.time())
    except submission.NotSubmitted as error:
        raise click.UsageError(str(error)) from None
    terminal.say(f"refundRequestId {submitted.refund_request_id}")
    with terminal.err.status("waiting …"):
        answer = asyncio.run(submission.submit(settings, submitted, wait_s, terminal.say))
    ended = submission.exit_of(answer)
    if as_json:
        result = {"refundRequestId": submitted.refund_request_id, "type": None, "data": None}
        terminal.show_json(result if answer is None else result | {"type": answer.type, "data": answer.data})
    elif answer is not None and shape:
        _show_in_shape(shape, answer)
    elif answer is not None:
        terminal.show(answer.type, "bold")
        terminal.show_fields(answer.data)
    elif wait_s > 0:
        text = f"no outcome within {wait_s:g} s; it will be on {settings.topics.results}"
        why = f"python -m worker show {submitted.refund_request_id}"
        terminal.say(f"{text}; why it waits says: {why}", "yellow")
    sys.exit(ended if wait_s > 0 else Exit.SUCCEEDED)


def _show_in_shape(shape: str, answer: Answer) -> None:
    """What the interface itself would answer; while that is open, nothing on standard output."""
    from worker.operations.shape_answer import shape_answer

    told = shape_answer(shape, answer.type, answer.data)
    if told is None:
        terminal.say(
            f"{answer.type}: {answer.data.get('message') or answer.data.get('reason', '')}", "yellow"
        )
    else:
        terminal.show_json(told)
