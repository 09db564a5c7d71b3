"""The command line: `python -m worker <command>`. Each command says what it needs; `--help` says the rest."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from worker import __version__
from worker.kafka.exchange import Answer
from worker.operations import terminal
from worker.operations.submit import Exit
from worker.settings import Settings, SettingsWrong, Source, load

JSON_FILE = click.Path(path_type=Path, dir_okay=False)
EXIT_CODES = """\b
Exit codes:
  0  the refund succeeded
  1  the refund failed
  2  wrong usage or settings; nothing was submitted
  3  not final: parked, or no outcome within --wait; the worker goes on with it
  4  the worker rejected the command: invalid, or in conflict with an earlier one
  5  Kafka cannot be reached
"""


def main() -> None:
    """The entry point. Wrong settings and an unreachable Kafka end with a sentence, not with a traceback."""
    from worker.kafka.connection import Unreachable

    try:
        worker(prog_name="python -m worker")
    except SettingsWrong as wrong:
        terminal.show_problems(wrong)
        sys.exit(Exit.USAGE)
    except Unreachable as error:
        terminal.say(str(error), "red")
        sys.exit(Exit.UNREACHABLE)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the settings file."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The settings file; else WORKER_CONFIG, else ./worker.toml. Variables such as "
        "WORKER_KAFKA__GROUP_ID and KAFKA_BOOTSTRAP_SERVERS win over it.",
    )(command)


def with_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option for output that programs read."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on one line.")(
        command
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="worker")
def worker() -> None:
    """Makes refunds at Alipay, each exactly once, from commands in Kafka."""


@worker.command()
@with_settings
def run(config: Path | None) -> None:
    """Run the worker until SIGTERM or Ctrl-C, then finish what is under way."""
    from worker import wiring

    source = Source(config, os.environ)
    settings = source.load()
    _log(settings)
    sys.exit(asyncio.run(wiring.run(settings, source)))


@worker.command()
@with_settings
@with_json
def check(config: Path | None, *, as_json: bool) -> None:
    """Look at settings, keys, Kafka, topics, clock and Alipay; name all that is wrong, each with its cure.

    Exits with 1 if anything is wrong. Moves no money: Alipay is asked about a refund that does not exist.
    """
    from worker.operations.check import wrong

    _quiet()
    try:
        settings = load(config, os.environ)
    except SettingsWrong as problems:
        findings = list(wrong(problems))
        if as_json:
            terminal.show_json({"ok": False, "findings": findings})
        else:
            for finding in findings:
                terminal.show_finding(finding)
        sys.exit(1)
    findings = asyncio.run(_findings(settings, shown=not as_json))
    good = all(finding.good for finding in findings)
    if as_json:
        terminal.show_json({"ok": good, "findings": findings, "effective": terminal.effective(settings)})
    else:
        terminal.show_effective(settings)
        ready = (
            "ready; mind the warnings" if any(f.cure for f in findings) else "everything is as it should be"
        )
        terminal.show(ready if good else "not ready; see above", "bold")
    sys.exit(not good)


async def _findings(settings: Settings, *, shown: bool) -> list[Any]:
    from worker.operations.check import Finding, check

    found = [Finding("settings", "complete, and they fit together")]
    with terminal.err.status("looking …"):
        if shown:
            terminal.show_finding(found[0])
        async for finding in check(settings):
            found.append(finding)
            if shown:
                terminal.show_finding(finding)
    return found


@worker.group()
def topics() -> None:
    """The worker's topics."""


@topics.command()
@with_settings
def create(config: Path | None) -> None:
    """Make the topics that are missing. Existing ones are left as they are; `check` compares them."""
    from worker.kafka.topics import create as made

    _quiet()
    settings = load(config, os.environ)
    failed = False
    for topic in asyncio.run(made(settings)):
        failed |= bool(topic.problem)
        state = topic.problem or ("created" if topic.created else "exists already")
        terminal.show(f"{topic.topic}: {state}", "red" if topic.problem else "")
    sys.exit(failed)


@topics.command()
@click.option("--to", required=True, type=click.IntRange(min=1), help="The new number of partitions.")
@click.option("--yes", is_flag=True, help="Do it; without this only what would be done is said.")
@with_settings
@with_json
def grow(config: Path | None, *, as_json: bool, to: int, yes: bool) -> None:
    """Add partitions to topics in use, and move what the ledger knows of each refund to its new home.

    All workers must be stopped. Whatever interrupts it, nothing is lost: run it again. Partitions cannot be taken away.
    Exits with 1 if it cannot be done now, or was not finished.
    """
    from worker import wiring
    from worker.stream.ports import Fenced, InDoubt, WrongLedger

    _quiet()
    settings = load(config, os.environ)
    try:
        found = asyncio.run(wiring.grow(settings, to, terminal.say, really=yes))
    except WrongLedger as error:
        terminal.say(f"not possible: {error}", "red")
        sys.exit(1)
    except (Fenced, InDoubt) as error:
        terminal.say(f"not finished: {error!r}; workers must stay stopped: run it again", "red")
        sys.exit(1)
    if as_json:
        terminal.show_json(
            {"ok": not found.refused, "done": yes and not found.refused, "to": to} | asdict(found)
        )
    else:
        terminal.show_growth(found, to, done=yes)
    sys.exit(bool(found.refused))


@worker.group()
def keys() -> None:
    """The key pairs that requests are signed with."""


@keys.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("keys"), show_default=True)
def new(folder: Path) -> None:
    """Make private.pem and public.pem in a folder. Nothing is ever overwritten."""
    from worker.operations.keys import write_new

    try:
        files = write_new(folder)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    terminal.say(f"{files.private}: keep it secret; name it as private_key_file of the channel")
    terminal.say(
        f"{files.public}: upload this one line to Alipay's dashboard, and save Alipay's key from there:"
    )
    terminal.show(files.public_base64)


@worker.command(epilog=EXIT_CODES)
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

    _quiet()
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
        terminal.say(f"no outcome within {wait_s:g} s; it will be on {settings.topics.results}", "yellow")
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


@worker.command("simulate-alipay")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8090, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("keys"), show_default=True)
@click.option("--client-id", default="SANDBOX_LOCAL", show_default=True, help="For the global API.")
@click.option(
    "--app-id",
    "app_ids",
    multiple=True,
    default=("2021000000000001", "2021000000000003"),
    show_default=True,
    help="For the mainland's OpenAPI, v2 and v3.",
)
@click.option(
    "--notify-url",
    "notify_urls",
    multiple=True,
    metavar="ID=URL",
    help="Notify this app or client of its refunds there, as 2021000000000001=http://127.0.0.1:8081/notify/cn",
)
@click.option("--seed", default=0, show_default=True, help="Decides every chance.")
@click.option(
    "--rule", "rules", multiple=True, help='Misbehave: \'{"mode": "cut_after", "probability": 0.1}\''
)
def simulate_alipay(
    host: str,
    port: int,
    folder: Path,
    client_id: str,
    app_ids: tuple[str, ...],
    notify_urls: tuple[str, ...],
    seed: int,
    rules: tuple[str, ...],
) -> None:
    """An Alipay on this machine, for trying things out. It knows the key of FOLDER/public.pem.

    Every payment exists and is worth 1,000,000 minor units; an order that is refunded as a whole is worth just that.
    On the first start Alipay's own pair is made in FOLDER, and the app_auth_token of a merchant, shop-1.token. How it
    misbehaves can be changed while it runs, and its books be read: POST and GET /simulator/…
    """
    from worker.operations import simulated_keys
    from worker.simulator.accounts import AppSettings
    from worker.simulator.behaviour import rule_named
    from worker.simulator.ledger import LedgerSettings
    from worker.simulator.modes import ModeUnreadable
    from worker.simulator.server import SimulatorSettings, serve

    urls = _notify_urls(notify_urls, {client_id, *app_ids})
    try:
        public = simulated_keys.merchant_public(folder)
        private, token = simulated_keys.alipay_pair(folder), simulated_keys.merchant_token(folder)
        settings = SimulatorSettings(
            clients={client_id: public},
            apps={
                app_id: AppSettings(
                    public, tokens=(token,), notify_url=urls.get(app_id, ""), gateway_url=urls.get(app_id, "")
                )
                for app_id in app_ids
            },
            notify_urls={client_id: urls[client_id]} if client_id in urls else {},
            alipay_private_key=private,
            host=host,
            port=port,
            seed=seed,
            rules=tuple(rule_named(json.loads(rule)) for rule in rules),
            ledger=LedgerSettings(auto_payment_value=1_000_000),
        )
        asyncio.run(
            serve(settings, ready=lambda url: terminal.say(f"Alipay is simulated at {url}; Ctrl-C ends it"))
        )
    except json.JSONDecodeError as error:
        raise click.UsageError(f'--rule: not JSON: {error}; expected as {{"mode": "cut_after"}}') from None
    except ModeUnreadable as error:
        raise click.UsageError(f"--rule: {error}") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(0)


def _notify_urls(given: tuple[str, ...], accounts: set[str]) -> dict[str, str]:
    urls = dict[str, str]()
    for text in given:
        account, _, url = text.partition("=")
        if account not in accounts or not url.startswith("http"):
            known = ", ".join(sorted(accounts))
            raise click.UsageError(
                f"--notify-url: {text!r}; expected one of {known}, then = and an http:// URL"
            )
        urls[account] = url
    return urls


@worker.command()
@with_json
def demo(*, as_json: bool) -> None:
    """Start Kafka, a simulated Alipay and the worker, and show refunds passing through trouble, in two acts."""
    from worker.demo import story

    sys.exit(story.main(json_output=as_json))


@worker.command("resume-partition")
@click.argument("number", type=click.IntRange(min=0))
@with_settings
def resume_partition(config: Path | None, number: int) -> None:
    """Read on in a partition whose brake stopped it, because too much in it was unreadable."""
    from worker import wiring

    settings = load(config, os.environ)
    _log(settings)
    code = asyncio.run(wiring.resume_partition(settings, number))
    if code == 0:
        terminal.say(f"partition {number} is read on from where it stopped")
    sys.exit(code)


def _log(settings: Settings) -> None:
    from worker.operations import logs

    logs.configure(settings.log, sys.stderr)


def _quiet() -> None:
    """A command's own sentences say what failed; the Kafka client's log would say it ten times more."""
    import logging

    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    logging.getLogger("aiokafka").propagate = False
