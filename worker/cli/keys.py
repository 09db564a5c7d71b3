"""`keys`: what requests are signed with, and what people sign in with."""

from pathlib import Path

import click

from worker.operations import terminal


@click.group()
def keys() -> None:
    """The key pairs that requests are signed with, and the console's token."""


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


@keys.command()
@click.option(
    "--file", type=click.Path(path_type=Path), default=Path("keys/console.token"), show_default=True
)
def token(file: Path) -> None:
    """Make a token for the console, or a secret for the proxy before it. Nothing is ever overwritten."""
    from worker.operations.keys import write_token

    try:
        write_token(file)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    terminal.say(f"{file}: give it to those who may sign in; name it as token_file of the console")
