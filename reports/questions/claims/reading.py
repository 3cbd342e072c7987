"""Claim files to :class:`Claim`: strictly, and with one clear line for a file that cannot be used."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from .schema import Claim


class ClaimError(ValueError):
    """A claim file cannot be used: one line that says why."""


@dataclass(frozen=True)
class Misread:
    """A user's file that was left out: its path within the results folder, and the reason."""

    file: str
    reason: str


@cache
def shipped() -> tuple[Claim, ...]:
    folder = resources.files("selbench") / "benchmarks" / "claims"
    return tuple(sorted((read(file) for file in _files(folder.iterdir())), key=lambda claim: claim.id))


def read_claims(results: str | Path) -> tuple[list[Claim], list[Misread]]:
    """All claims for a results folder: the package's own and those in its ``claims/``; and files left out.

    A user's file whose id is taken is left out too, so that no claim of the package is overwritten unseen.
    """
    claims = {claim.id: claim for claim in shipped()}
    bad = []
    for file in _files((Path(results) / "claims").glob("*.toml")):
        try:
            claim = read(file)
            if claim.id in claims:
                raise ClaimError(f"id: {claim.id!r} is taken by another claim: give this one an id of its own")
        except ClaimError as error:
            bad.append(Misread(f"claims/{file.name}", str(error)))
        else:
            claims[claim.id] = claim
    return list(claims.values()), bad


def _files(found: Iterable[Any]) -> list[Any]:
    return sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name)


def read(file: Path | Traversable) -> Claim:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ClaimError(f"not a readable TOML file: {_line(error)}") from None
    return parse(table)


def parse(table: dict[str, Any]) -> Claim:
    try:
        return Claim.model_validate(table)
    except ValidationError as error:
        raise ClaimError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(map(str, first["loc"]))
    kind = first["type"]
    if kind == "extra_forbidden":
        table = _table_at(Claim, first["loc"][:-1])
        return f"unknown key {path!r}{_near(str(first['loc'][-1]), table.model_fields if table else ())}"
    if kind == "missing":
        return f"{path!r} is missing: add it"
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", str(first["ctx"]["expected"]))
        return f"{path}: {_short(first['input'])} is not one of {', '.join(words)}{_near(str(first['input']), words)}"
    if kind == "value_error":
        return f"{path}: {first['ctx']['error']}" if path else str(first["ctx"]["error"])
    return f"{path}: {_line(first['msg'][0].lower() + first['msg'][1:])}, but it is {_short(first['input'])}"


def _table_at(model: type[BaseModel], location: Iterable[int | str]) -> type[BaseModel] | None:
    """The table that an error's location stands in; None inside a free one."""
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # a place in a list, or a data set's name
        inner = _models(model.model_fields[part].annotation)
        if not inner:
            return None
        model = inner[0]
    return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Tables that an annotation speaks of, however deep: ``dict[str, Table]``, ``Table | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line(error: object) -> str:
    return " ".join(str(error).split())
