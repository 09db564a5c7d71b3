"""Reads the file and the environment into Settings, and turns everything that is wrong into sentences."""

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError
from typing_extensions import override

from worker.settings.channel_numbers import ChannelNumbers
from worker.settings.channels import GlobalSettings, MainlandSettings
from worker.settings.finding import Finding
from worker.settings.model import Settings
from worker.settings.problem import Problem, SettingsWrong
from worker.settings.rules import broken, missing_files

ENVIRONMENT_PREFIX: Final = "WORKER_"
FILE_VARIABLE: Final = "WORKER_CONFIG"
FILE_DEFAULT: Final = Path("worker.toml")
KAFKA_VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"
VALUES: Final = ("source", "reload_s")
"""The settings that are no tables."""

FOLLOWING: Final = frozenset({"default_factory_not_called"})
"""Errors that only follow from another one, which is reported too."""

# The time that TOML's reader takes grows with the square of a key's length in dots, and a key is on one line.
FILE_SIZE_MAX: Final = 65_536
LINE_SIZE_MAX: Final = 4_096
SHOWN_MAX: Final = 100

CHANNEL_TYPES: Final[Mapping[str, type[ChannelNumbers]]] = {
    "global": GlobalSettings,
    "mainland": MainlandSettings,
}
UNION_TAGS: Final = frozenset({"union_tag_not_found", "union_tag_invalid"})

Values = dict[str, Any]


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings, with every file they name present. Raises SettingsWrong with all that one pass finds.

    `path` None: the file named by WORKER_CONFIG, else ./worker.toml, which may be missing if the environment
    says all. A setting's variable is WORKER_ and its path in capitals, joined by two underscores, as in
    WORKER_KAFKA__GROUP_ID; lists are JSON. KAFKA_BOOTSTRAP_SERVERS is known too. A variable wins over the
    file. Relative file names start at the folder the worker is started in.
    """
    sources = _read(path, environ)
    settings = _validated(sources)
    _refuse(sources, broken(settings), missing_files(settings))
    return settings


def parse(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """As `load`, but the files that the settings name need not exist: another machine's settings."""
    sources = _read(path, environ)
    settings = _validated(sources)
    _refuse(sources, broken(settings))
    return settings


@dataclass(frozen=True, slots=True)
class Source:
    """Where `load` finds the settings, to be read again later."""

    path: Path | None
    environ: Mapping[str, str]

    def load(self) -> Settings:
        """As `load`."""
        return load(self.path, self.environ)

    def content(self) -> bytes:
        """What is in the file now, b"" if it cannot be read."""
        try:
            return _file(self.path, self.environ).read_bytes()
        except (OSError, ValueError):
            return b""


@dataclass(frozen=True, slots=True)
class _Sources:
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


def _read(path: Path | None, environ: Mapping[str, str]) -> _Sources:
    file = _file(path, environ)
    named = path is not None or bool(environ.get(FILE_VARIABLE))
    in_file = _in_file(file, must_exist=named)
    in_environment = _environment(environ)
    said = in_environment.get("kafka", {})
    # Said or wrong: what is no table is reported as such, later.
    known = not isinstance(said, dict) or "bootstrap_servers" in said
    short = KAFKA_VARIABLE in environ and not known
    if short:
        in_environment = _over(in_environment, {"kafka": {"bootstrap_servers": environ[KAFKA_VARIABLE]}})
    return _Sources(file, in_file, in_environment, kafka_variable=short)


def _file(path: Path | None, environ: Mapping[str, str]) -> Path:
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
        shown = _shortened(repr(value))
        yield Problem(name, f"{shown} is not JSON; expected a list, for example '[\"keys/alipay.pem\"]'")


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _validated(sources: _Sources) -> Settings:
    values = sources.merged()
    known = {name: value for name, value in values.items() if name in Settings.model_fields}
    # Not left to Settings: names that begin with an underscore are options of pydantic-settings there.
    problems = [
        _problem(
            ErrorDetails(type="extra_forbidden", loc=(name,), msg="", input=values[name], ctx={}), sources
        )
        for name in values
        if name not in known
    ]
    try:
        settings = Settings(**known)
    except ValidationError as error:
        problems.extend(
            _problem(details, sources)
            for details in error.errors(include_url=False)
            if details["type"] not in FOLLOWING
        )
        raise SettingsWrong(problems) from None
    if problems:
        raise SettingsWrong(problems)
    return settings


def _refuse(sources: _Sources, *found: Iterable[Finding]) -> None:
    problems = [Problem(sources.place(f.path.split(".")), f.text) for some in found for f in some]
    if problems:
        raise SettingsWrong(problems)


def _problem(details: ErrorDetails, sources: _Sources) -> Problem:
    path = _path(details)
    fields = _fields(path[:-1], sources.merged())
    field = fields.get(path[-1])
    expected = f"; expected {field.description}" if field is not None and field.description else ""
    example = next(iter((field.examples if field is not None else None) or ()), None)
    hint = f", for example {path[-1]} = {json.dumps(example)}" if example is not None else ""
    return Problem(sources.place(path), f"{_what(details, fields)}{expected}{hint}")


def _path(details: ErrorDetails) -> list[str]:
    """The setting's. Inside a channel, pydantic puts the channel's type between its name and its settings."""
    path = [str(part) for part in details["loc"] if part != "[key]"]
    if details["type"] in UNION_TAGS:
        return [*path, "type"]
    if path[0] == "channels" and len(path) > 3:
        del path[2]
    return path


def _what(details: ErrorDetails, known: Iterable[str]) -> str:
    found = details.get("input")
    shown = _shortened(repr(found)) if isinstance(found, str | int | float) else f"a {type(found).__name__}"
    match details["type"]:
        case "missing" | "union_tag_not_found":
            return "missing"
        case "union_tag_invalid":
            ctx = details.get("ctx", {})
            tag = _shortened(repr(ctx.get("tag")))
            return f"{tag} is wrong: expected one of {ctx.get('expected_tags')}"
        case "extra_forbidden" | "unexpected_keyword_argument":
            near = difflib.get_close_matches(str(details["loc"][-1]), list(known), n=1)
            return f"no such setting; {f'did you mean {near[0]}?' if near else 'remove it'}"
        case "string_pattern_mismatch":
            pattern = details.get("ctx", {}).get("pattern")
            return f"{shown} does not have the right form, {pattern}"
        case _:
            return f"{shown} is wrong: {details['msg'][:1].lower()}{details['msg'][1:]}"


def _fields(table: Sequence[str], values: Values) -> Mapping[str, FieldInfo]:
    """The settings of the table at this path; `values` say which type a channel is of."""
    annotation: Any = Settings
    for depth, part in enumerate(table, start=1):
        known = getattr(annotation, "__pydantic_fields__", {})
        # Below a table of tables, such as [channels.<name>], any name leads to the same type.
        annotation = known[part].annotation if part in known else (*get_args(annotation), None)[-2]
        if depth == 2 and table[0] == "channels":
            annotation = CHANNEL_TYPES.get(_type_of(values, part), GlobalSettings)
    return cast("Mapping[str, FieldInfo]", getattr(annotation, "__pydantic_fields__", {}))


def _type_of(values: Values, channel: str) -> str:
    table = values.get("channels")
    settings = table.get(channel) if isinstance(table, dict) else None
    return str(settings.get("type")) if isinstance(settings, dict) else ""


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
