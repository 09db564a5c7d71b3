"""The rules of `[console]`: what the type of a single setting cannot say, and what its secret must be like."""

from pathlib import Path
from typing import Final

from yarl import URL

from worker.settings.console import is_loopback
from worker.settings.finding import Finding, Findings
from worker.settings.model import Settings

SECRET_MIN: Final = 32
SECRET_CURE: Final = "make one with: python -m worker keys token"  # noqa: S105 -- a command, no secret


def broken(settings: Settings) -> Findings:
    """Every broken rule. Needs no I/O."""
    console = settings.console
    if not console.enabled:
        return
    if (console.token_file is None) == (not console.proxy_user_header):
        text = "missing; the console" if console.token_file is None else "set beside proxy_user_header; it"
        yield Finding(
            "console.token_file",
            f"{text} must know who gives an instruction; expected token_file or proxy_user_header, and not both",
        )
    if bool(console.proxy_user_header) != (console.proxy_secret_file is not None):
        yield Finding(
            "console.proxy_secret_file",
            "goes with proxy_user_header: whoever reaches the port could send that header, and the secret shows "
            "that the proxy has; set both or neither",
        )
    if console.public_url:
        url = URL(console.public_url)
        if url.scheme == "http" and not is_loopback(url.host or ""):
            yield Finding(
                "console.public_url",
                f"{console.public_url!r} is not encrypted, so whoever listens could sign in; expected https://",
            )
    elif not console.local:
        yield Finding(
            "console.public_url",
            f"missing; {console.host} can be reached from other machines; expected the https:// address of the "
            'proxy in front, or host = "127.0.0.1"',
        )
    served = {"http": settings.http.port}
    if settings.notifications.enabled:
        served["notifications"] = settings.notifications.port
    for name, port in served.items():
        if console.port and console.port == port:
            yield Finding("console.port", f"{port} is also {name}.port; expected another port")


def unfit_secrets(settings: Settings) -> Findings:
    """Every secret of the console that is too easily guessed. A file that cannot be read is named elsewhere."""
    console = settings.console
    for name in ("token_file", "proxy_secret_file"):
        file: Path | None = getattr(console, name)
        if not console.enabled or file is None or not file.is_file():
            continue
        try:
            secret = secret_in(file)
        except OSError:
            continue
        if len(secret) < SECRET_MIN:
            yield Finding(
                f"console.{name}",
                f"{str(file)!r} has {len(secret)} characters; expected at least {SECRET_MIN}, chosen by a machine; "
                + SECRET_CURE,
            )


def usable_secret(file: Path) -> bytes:
    """The secret in a file as it is now; b"" if it cannot be read or is too easily guessed."""
    try:
        secret = secret_in(file)
    except OSError:
        return b""
    return secret if len(secret) >= SECRET_MIN else b""


def secret_in(file: Path) -> bytes:
    """The first line of a file: what follows it, an editor's last newline too, is no part of the secret."""
    return file.read_bytes().partition(b"\n")[0].strip()
