"""Changes to records and matrices of a folder, sealed again so that the change itself is put to the test."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w
from synthetic import checksum


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
