"""`demo`: the worker at work, on one machine."""

import sys

import click

from worker.cli.options import with_json


@click.command()
@with_json
def demo(*, as_json: bool) -> None:
    """Start Kafka, a simulated Alipay and the worker, and show refunds passing through trouble, in two acts."""
    from worker.demo import story

    sys.exit(story.main(json_output=as_json))
