"""How a study's tables stand on a page, and in a paper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..numbers import MINUS, NONE

_NUMBER = re.compile(rf"[<>\u2264\u2265]?\s?[+{MINUS}-]?\d")
_LONGEST = 34
"""Characters of ``−12.34 [−13.56, −11.12] (12 seeds)``: longer cells are sentences, whatever they begin with."""


def numeric(table: Mapping[str, Any]) -> list[bool]:
    """Of each column of a study's table, whether its cells are numbers: these stand at the right, unbroken."""
    columns = ([row[at] for row in table["rows"] if len(row) > at] for at in range(len(table["columns"])))
    return [at > 0 and _numbers(column) for at, column in enumerate(columns)]


def _numbers(cells: list[str]) -> bool:
    known = [cell for cell in cells if cell not in ("", NONE, "-")]
    return bool(known) and all(_NUMBER.match(cell) and len(cell) <= _LONGEST for cell in known)


def wordy(table: Mapping[str, Any]) -> list[bool]:
    """Of each column of a study's table, whether it has cells that must be broken into lines."""
    columns = ([row[at] for row in table["rows"] if len(row) > at] for at in range(len(table["columns"])))
    return [any(len(cell) > _LONGEST for cell in column) for column in columns]
