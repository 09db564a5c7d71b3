"""`simulate-alipay`: an Alipay to try things out with."""

import asyncio
import json
import sys
from pathlib import Path

import click

from worker.operations import terminal


@click.command("simulate-alipay")
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
    misbehaves can be changed while it runs: GET /simulator/modes lists the modes, and POST sets rules. GET
    /simulator/ledger shows its books.
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
