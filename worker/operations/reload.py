"""New keys, tokens, terms and limits while the worker runs: on SIGHUP, and when a file has changed."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from worker.alipay.channel import Channel
from worker.alipay.gateway import ChannelGateway
from worker.settings import Settings, SettingsWrong, Source
from worker.settings.account import accounts_of
from worker.settings.change import Change, Known, change, known

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """New settings that can be used, with the keys they name. `settings`: those then in force."""

    known: Known
    change: Change
    settings: Settings
    channels: Mapping[str, Channel]


class Reloading:
    """Keeps the gateways up to date with the files.

    `settings`: those of the start. `loaded`: the channels with which the gateways were made. `adopted` is told what is
    in force from then on; `failed`, that new settings cannot be used and the old ones stay in force.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        loaded: Mapping[str, Channel],
        gateways: Mapping[str, ChannelGateway],
        adopted: Callable[[Settings, Mapping[str, Channel]], None],
        failed: Callable[[], None],
    ) -> None:
        self._source = source
        self._channels = dict(loaded)
        self._gateways = gateways
        self._adopted = adopted
        self._failed = failed
        self._settings = settings
        self._started = self._last = known(settings)
        self._seen = self._glance()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read everything again, whether it seems to have changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Look every `reload_s`, and when asked; until cancelled."""
        while True:
            asked = await self._wait()
            seen = await asyncio.to_thread(self._glance)
            if asked or seen != self._seen:
                self._seen = seen
                await self.reload()

    async def reload(self) -> None:
        """Read everything, and take it over or leave all as it was. What cannot be taken over is logged."""
        try:
            loaded = await asyncio.to_thread(self._load)
        except SettingsWrong as wrong:
            self._failed()
            self._refused(wrong)
            return
        except Exception:
            # A file can be wrong in ways that nobody thought of, and refunds go on with the old ones.
            self._failed()
            log.exception("settings not reloaded, the old ones stay in force")
            return
        # No await from here: whoever runs meanwhile sees all of it or nothing.
        for name, channel in loaded.channels.items():
            self._gateways[name].replace(channel)
        self._channels |= loaded.channels
        self._adopted(loaded.settings, self._channels)
        self._settings, self._last = loaded.settings, loaded.known
        if loaded.change.applied:
            log.info("settings reloaded: %s", ", ".join(loaded.change.applied))
        else:
            log.info("settings read again: nothing that can be reloaded has changed")
        if loaded.change.restart:
            log.warning("restart needed for changed settings: %s", ", ".join(loaded.change.restart))

    @staticmethod
    def _refused(wrong: SettingsWrong) -> None:
        for problem in wrong.problems:
            log.error("settings not reloaded, the old ones stay in force: %s", problem)

    async def _wait(self) -> bool:
        """Until it is time to look; whether somebody asked."""
        try:
            async with asyncio.timeout(self._last.settings.reload_s or None):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def _glance(self) -> object:
        """What differs once a file has changed."""
        return self._source.content(), known(self._last.settings).contents

    def _load(self) -> _Loaded:
        new = known(self._source.load())
        changed = change(self._started, self._last, new)
        in_force = self._settings.model_copy(
            update={"channels": {**self._settings.channels, **changed.channels}}
        )
        return _Loaded(new, changed, in_force, accounts_of(changed.channels))
