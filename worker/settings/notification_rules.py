"""The rules of `[notifications]`: what the type of a single setting cannot say."""

from worker.settings.channels import MainlandSettings
from worker.settings.finding import Finding, Findings
from worker.settings.model import Settings


def broken(settings: Settings) -> Findings:
    """Every broken rule. Needs no I/O."""
    notifications, http = settings.notifications, settings.http
    if notifications.enabled and notifications.port and notifications.port == http.port:
        yield Finding(
            "notifications.port",
            f"{notifications.port} is also http.port, where metrics and health are served, which are nobody else's "
            "business; expected another port",
        )
    for name in notifications.sellers:
        if not isinstance(settings.channels.get(name), MainlandSettings):
            known = [
                one for one, channel in settings.channels.items() if isinstance(channel, MainlandSettings)
            ]
            yield Finding(
                f"notifications.sellers.{name}",
                f"{name!r} is no mainland channel; expected one ({', '.join(known) or 'none is configured'}), "
                "since only their notifications name a seller",
            )
