"""Reads the file and the environment into Settings, and turns everything that is wrong into sentences."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from worker.settings.channel_numbers import ChannelNumbers
from worker.settings.channels import GlobalSettings, MainlandSettings
from worker.settings.finding import Finding
from worker.settings.model import Settings
from worker.settings.problem import Problem, SettingsWrong, shortened
from worker.settings.rules import broken, missing_files
from worker.settings.sources import Sources, Values, named_file, read

FOLLOWING: Final = frozenset({"default_factory_not_called"})
"""Errors that only follow from another one, which is reported too."""

CHANNEL_TYPES: Final[Mapping[str, type[ChannelNumbers]]] = {
    "global": GlobalSettings,
    "mainland": MainlandSettings,
}
UNION_TAGS: Final = frozenset({"union_tag_not_found", "union_tag_invalid"})


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings, with every file they name present. Raises SettingsWrong with all that one pass finds.

    `path` None: the file named by WORKER_CONFIG, else ./worker.toml, which may be missing if the environment
    says all. A setting's variable is WORKER_ and its path in capitals, joined by two underscores, as in
    WORKER_KAFKA__GROUP_ID; lists are JSON. KAFKA_BOOTSTRAP_SERVERS is known too. A variable wins over the
    file. Relative file names start at the folder the worker is started in.
    """
    sources = read(path, environ)
    settings = _validated(sources)
    _refuse(sources, broken(settings), missing_files(settings))
    return settings


def parse(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """As `load`, but the files that the settings name need not exist: another machine's settings."""
    sources = read(path, environ)
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
            return named_file(self.path, self.environ).read_bytes()
        except (OSError, ValueError):
            return b""


def _validated(sources: Sources) -> Settings:
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


def _refuse(sources: Sources, *found: Iterable[Finding]) -> None:
    problems = [Problem(sources.place(f.path.split(".")), f.text) for some in found for f in some]
    if problems:
        raise SettingsWrong(problems)


def _problem(details: ErrorDetails, sources: Sources) -> Problem:
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
    shown = shortened(repr(found)) if isinstance(found, str | int | float) else f"a {type(found).__name__}"
    match details["type"]:
        case "missing" | "union_tag_not_found":
            return "missing"
        case "union_tag_invalid":
            ctx = details.get("ctx", {})
            tag = shortened(repr(ctx.get("tag")))
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
