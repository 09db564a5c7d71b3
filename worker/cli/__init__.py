"""The command line: `python -m worker <command>`. Each command says what it needs; `--help` says the rest.

Every module here is imported whichever command runs: what only one command needs, it imports in its body.
"""

import sys

import click

from worker import __version__
from worker.cli import (
    check,
    dead_letters,
    demo,
    halts,
    instructions,
    keys,
    partitions,
    refunds,
    run,
    simulator,
    submit,
    topics,
)
from worker.cli.options import Ended
from worker.operations import terminal
from worker.operations.submit import Exit
from worker.settings import SettingsWrong


def main() -> None:
    """The entry point. What the outside world does not allow ends with a sentence, not with a traceback."""
    from worker.desk.answers import NotPossible
    from worker.kafka.connection import Unreachable

    try:
        worker(prog_name="python -m worker")
    except SettingsWrong as wrong:
        terminal.show_problems(wrong)
        sys.exit(Exit.USAGE)
    except NotPossible as error:
        terminal.say(str(error), "red")
        sys.exit(Ended.REFUSED)
    except Unreachable as error:
        terminal.say(str(error), "red")
        sys.exit(Exit.UNREACHABLE)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="worker")
def worker() -> None:
    """Makes refunds at Alipay, each exactly once, from commands in Kafka."""


for command in (
    run.run,
    check.check,
    topics.topics,
    keys.keys,
    submit.submit,
    simulator.simulate_alipay,
    demo.demo,
    refunds.show,
    refunds.history,
    refunds.parked,
    instructions.retry,
    instructions.inquire,
    instructions.settle,
    instructions.reissue,
    halts.halt,
    halts.resume,
    dead_letters.dead_letters,
    partitions.resume_partition,
):
    worker.add_command(command)
