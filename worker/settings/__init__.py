"""Settings: one TOML file, overridden by environment variables; all that is wrong is said at once."""

from worker.settings.account import accounts
from worker.settings.channels import ChannelSettings, GlobalSettings, MainlandSettings
from worker.settings.commands import command_limits
from worker.settings.load import Source, load, parse
from worker.settings.model import (
    HttpSettings,
    KafkaSettings,
    LogSettings,
    Settings,
    ShapeSettings,
    StreamSettings,
    TopicSettings,
)
from worker.settings.problem import Problem, SettingsWrong
from worker.settings.sources import ENVIRONMENT_PREFIX

__all__ = [
    "ENVIRONMENT_PREFIX",
    "ChannelSettings",
    "GlobalSettings",
    "HttpSettings",
    "KafkaSettings",
    "LogSettings",
    "MainlandSettings",
    "Problem",
    "Settings",
    "SettingsWrong",
    "ShapeSettings",
    "Source",
    "StreamSettings",
    "TopicSettings",
    "accounts",
    "command_limits",
    "load",
    "parse",
]
