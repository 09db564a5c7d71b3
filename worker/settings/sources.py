"""What the file and the environment say, and where each setting is said."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError
from typing_extensions import override

from worker.settings.model import Settings
from worker.settings.problem import Problem, SettingsWrong, shortened

ENVIRONMENT_PREFIX: Final = "WORKER_"
FILE_VARIABLE: Final = "WORKER_CONFIG"
FILE_DEFAULT: Final = Path("worker.toml")
KAFKA_VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"
VALUES: Final = ("source", "reload_s")
"""The settings that are no tables."""

# The time that TOML's reader takes grows with the square of a key's length in dots, and a key is on one line.
FILE_SIZE_MAX: Final = 65_536
LINE_SIZE_MAX: Final = 4_096

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """What was said, and where."""

    file: Path
    in_file: Values
    in_environment: Values
    kafka_variable: bool

    def merged(self) -> Values:
        return _over(self.in_file, self.in_environment)

    def place(self, path: Sequence[str]) -> str:
        """Where to correct the setting `path`."""
        values: object = self.in_environment
        for part in path:
            values = values.get(part) if isinstance(values, dict) else None
        if values is None or values == {}:
            return f"{self.file.name}: {'.'.join(path)}" if path else self.file.name
        if self.kafka_variable and tuple(path) == ("kafka", "bootstrap_servers"):
            return KAFKA_VARIABLE
        return ENVIRONMENT_PREFIX + "__".join(path).upper()


class _Environment(EnvSettingsSource):
    """Environment variables, given rather than taken from the process."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in environ.items()}
        super().__init__(settings_cls)

    @override
    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def read(path: Path | None, environ: Mapping[str, str]) -> Sources:
    file = named_file(path, environ)
    named = path is not None or bool(environ.get(FILE_VARIABLE))
    in_file = _in_file(file, must_exist=named)
    in_environment = _environment(environ)
    said = in_environment.get("kafka", {})
    # Said or wrong: what is no table is reported as such, later.
    known = not isinstance(said, dict) or "bootstrap_servers" in said
    short = KAFKA_VARIABLE in environ and not known
    if short:
        in_environment = _over(in_environment, {"kafka": {"bootstrap_servers": environ[KAFKA_VARIABLE]}})
    return Sources(file, in_file, in_environment, kafka_variable=short)


def named_file(path: Path | None, environ: Mapping[str, str]) -> Path:
    return path or Path(environ.get(FILE_VARIABLE) or FILE_DEFAULT)


def _in_file(file: Path, *, must_exist: bool) -> Values:
    def refused(text: str) -> SettingsWrong:
        return SettingsWrong([Problem(str(file), text)])

    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        if not must_exist:
            return {}
        cure = "start from deploy/worker.toml, or name the file with --config or WORKER_CONFIG"
        raise refused(f"no such file; {cure}") from None
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        raise refused(f"cannot be read: {error}; expected a TOML file") from None
    if len(content) > FILE_SIZE_MAX:
        raise refused(f"too large; expected at most {FILE_SIZE_MAX} bytes")
    for number, line in enumerate(content.splitlines(), start=1):
        if len(line) > LINE_SIZE_MAX:
            raise refused(f"line {number} has {len(line)} bytes; expected at most {LINE_SIZE_MAX}")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise refused(f"cannot be read: {error}; expected a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise refused(f"not TOML: {error}") from None
    except RecursionError:
        raise refused("not TOML: nested too deeply") from None


def _environment(environ: Mapping[str, str]) -> Values:
    ours = {name: value for name, value in environ.items() if _ours(name)}
    problems = [problem for name, value in sorted(ours.items()) for problem in _variable(name, value)]
    if problems:
        raise SettingsWrong(problems)
    return _Environment(Settings, ours)()


def _ours(name: str) -> bool:
    # Others may be somebody else's: Kubernetes sets WORKER_PORT for a service that is called "worker".
    path = name.upper().removeprefix(ENVIRONMENT_PREFIX)
    return path != name.upper() and ("__" in path or path.lower() in Settings.model_fields)


def _variable(name: str, value: str) -> Iterator[Problem]:
    table, _, setting = name[len(ENVIRONMENT_PREFIX) :].lower().partition("__")
    if table not in Settings.model_fields or (setting and table in VALUES):
        known = ", ".join(field.upper() for field in Settings.model_fields)
        yield Problem(name, f"no such setting; expected {ENVIRONMENT_PREFIX} and one of {known}")
        return
    try:
        _Environment(Settings, {name: value})()
    except (SettingsError, RecursionError):
        shown = shortened(repr(value))
        yield Problem(name, f"{shown} is not JSON; expected a list, for example '[\"keys/alipay.pem\"]'")


def _over(below: Values, above: Values, levels: int = 5) -> Values:
    """`above` laid over `below`, table by table; none is deeper than channels.<name>.merchants.<name>.<setting>."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if levels > 1 and isinstance(old, dict) and isinstance(value, dict):
            merged[name] = _over(old, value, levels - 1)
        else:
            merged[name] = value
    return merged
