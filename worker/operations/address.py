"""Where a server of this process listens."""

import os

from aiohttp import web


class AddressUnusable(Exception):
    """Nothing can listen there; the text names the settings, and what to do."""


async def listen(runner: web.AppRunner, section: str, host: str, port: int) -> str:
    """Accept connections; the URL under which they come. `section`: of the settings, with a host and a port.

    `runner` is set up, and cleaned up by the caller. Raises AddressUnusable, as for a port that is taken.
    """
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise AddressUnusable(
            f"{section}.port: cannot listen at {host}:{port}: {why}; end what listens there, or choose another"
        ) from error
    found, number = runner.addresses[0][:2]
    return f"http://[{found}]:{number}" if ":" in found else f"http://{found}:{number}"
