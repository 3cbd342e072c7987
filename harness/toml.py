"""Strict TOML tables: errors are one line that names the key and the nearest valid one."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ..strategies import UsageError
from ..strategies.errors import did_you_mean

Model = TypeVar("Model", bound=BaseModel)


class StrictModel(BaseModel):
    """A table: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Named(BaseModel):
    """A registered name; every other key of the table is a parameter of it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    def parameters(self) -> dict[str, Any]:
        """The parameters as written."""
        return dict(self.model_extra or {})

    def __str__(self) -> str:
        """In one line: ``resnet18 (width 8)``."""
        given = ", ".join(f"{name} {value}" for name, value in self.parameters().items())
        return f"{self.name} ({given})" if given else self.name


def expanded(path: str) -> Path:
    """``path`` with ``~`` as the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: no home folder is known here: set $HOME, or write the whole path") from None


def find(kind: str, name_or_path: str, shipped: Mapping[str, Path]) -> Path:
    """The path of a ``kind`` of TOML file: as given, or of a shipped one."""
    if name_or_path.endswith(".toml"):
        return expanded(name_or_path)
    if name_or_path not in shipped:
        hint = did_you_mean(name_or_path, shipped)
        raise UsageError(f"no {kind} named {name_or_path!r}{hint} (or give a .toml path)")
    return shipped[name_or_path]


def decoded(content: bytes) -> str:
    """Text in UTF-8, or UTF-16 with a byte order mark, that any editor or spreadsheet wrote: every line ends in LF."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def load(path: Path, hint: str = "correct the path") -> dict[str, Any]:
    """A TOML file's content; ``hint`` is what to do where there is none."""
    try:
        return dict(_plain(tomllib.loads(decoded(path.read_bytes()))))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; {hint}") from None
    except RecursionError:
        raise UsageError(f"{path}: not a readable TOML file: its lists or tables are nested too deep") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable TOML file: {error}") from None


def _plain(value: Any) -> Any:
    """``value``, checked to hold only types of records: TOML also has dates and unbounded integers."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _plain(inner)
    elif isinstance(value, int) and value.bit_length() > 63:
        raise ValueError(f"a whole number of {value.bit_length()} bits; there is room for 64")
    elif not isinstance(value, str | int | float):
        raise ValueError(f"{value} is a date or a time, which is not supported: write it as a string")
    return value


def override(table: dict[str, Any], text: str) -> str:
    """Apply one ``key=value`` to a table, by dotted key (list entries by number); gives the key."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise UsageError(f"--set {text!r}: write key=value, such as --set passes=10")
    try:
        parsed = _plain(tomllib.loads(f"value = {value}")["value"])
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--set {key}: no value that a matrix can hold: {error}") from None
    *parents, last = key.split(".")
    at: Any = table
    for parent in parents:
        if isinstance(at, list) and parent.isdigit() and int(parent) < len(at):
            at = at[int(parent)]
        elif isinstance(at, dict):
            at = at.setdefault(parent, {})
        else:
            raise UsageError(f"--set {text!r}: there is no table {parent!r} on the way to {key!r}")
    if not isinstance(at, dict):
        raise UsageError(
            f"--set {text!r}: {'.'.join(parents)!r} is no table; for a list write {parents[-1]}.0.{last}=..."
        )
    at[last] = parsed
    return key


def validate(model: type[Model], table: dict[str, Any], where: str) -> Model:
    """A table as ``model``; ``UsageError`` for the first thing that is wrong, in one line."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{where}: {_explain(model, error)}") from None


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        within = _model_at(model, first["loc"][:-1])
        return f"unknown key {path!r}{did_you_mean(str(first['loc'][-1]), within.model_fields if within else [])}"
    if first["type"] == "missing":
        return f"{path!r} is missing: add it"
    more = len(error.errors()) - 1
    also = f" (and {more} more)" if more else ""
    return f"{path}: {first['msg'][0].lower()}{first['msg'][1:]}, but it is {first['input']!r}{also}"


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The table that an error's location stands in, for its list of keys."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not models:
            return None
        model = models[0]
    return model
