"""Changes to records and matrices of a folder, sealed again so that the change itself is put to the test."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel
from synthetic import checksum

Item = TypeVar("Item")


def a_cell(folder: Path) -> Path:
    """The first record of a run."""
    return sorted((folder / "cells").glob("*.json"))[0]


def rewrite(file: Path, change: Callable[[dict[str, Any]], object], *, seal: bool = True) -> None:
    record = json.loads(file.read_text())
    change(record)
    if seal and "checksum" in record:
        record["checksum"] = checksum(record)
    file.write_text(json.dumps(record))


def rewrite_matrix(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "matrix.toml"
    matrix = tomllib.loads(file.read_text())
    change(matrix)
    file.write_text(tomli_w.dumps(matrix))


def replace(item: Item, **changes: Any) -> Item:
    """A copy with other values, of a dataclass or of a record; what a record derives from its fields can be set too."""
    if isinstance(item, BaseModel):
        return item.model_copy(update=changes)
    return dataclasses.replace(item, **changes)  # type: ignore[type-var]
