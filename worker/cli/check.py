"""`check`: is everything as it should be?"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from worker.cli.options import with_json, with_settings
from worker.operations import logs, terminal
from worker.settings import Settings, SettingsWrong, load


@click.command()
@with_settings
@with_json
def check(config: Path | None, *, as_json: bool) -> None:
    """Look at settings, keys, Kafka, topics, clock and Alipay; name all that is wrong, each with its cure.

    Exits with 1 if anything is wrong. Moves no money: Alipay is asked about a refund that does not exist.
    """
    from worker.operations.check import wrong

    logs.silence_client()
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
    if not as_json:
        # First, because it is long: what is wrong has to be seen.
        terminal.show_effective(settings)
    findings = asyncio.run(_findings(settings, shown=not as_json))
    good = all(finding.good for finding in findings)
    if as_json:
        terminal.show_json({"ok": good, "findings": findings, "effective": terminal.effective(settings)})
    else:
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
