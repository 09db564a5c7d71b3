"""Settings: one TOML file, overridden by environment variables; all that is wrong is said at once."""

from worker.settings.account import accounts
from worker.settings.load import ENVIRONMENT_PREFIX, load, parse
from worker.settings.model import (
    ChannelSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    Settings,
    StreamSettings,
    TopicSettings,
)
from worker.settings.problem import Problem, SettingsWrong

__all__ = [
    "ENVIRONMENT_PREFIX",
    "ChannelSettings",
    "HttpSettings",
    "KafkaSettings",
    "LogSettings",
    "Problem",
    "Settings",
    "SettingsWrong",
    "StreamSettings",
    "TopicSettings",
    "accounts",
    "load",
    "parse",
]
