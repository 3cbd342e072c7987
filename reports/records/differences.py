"""The differences between two settings files, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def flat(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values, as text; tables in a list go by their name."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            yield from flat({key: part for key, part in item.items() if key != "name"}, f"{at}.{item['name']}")
    else:
        yield at, value if isinstance(value, str) else json.dumps(value, default=str)


def unlike(a: Any, b: Any) -> Iterator[tuple[str, str | None, str | None]]:
    """Each key whose values differ, with both; None where a side lacks it."""
    ours, theirs = dict(flat(a)), dict(flat(b))
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)
